"""Variants of several sets: which can be joined, and which are on the other strand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, first_few
from gendmr.genotypes.lifting import COMPLEMENT
from gendmr.genotypes.loaded import Loaded
from gendmr.genotypes.removals import Removals

AMBIGUOUS = ({"A", "T"}, {"C", "G"})
PLACE = "position differs between input sets"
ALLELES = "alleles differ between input sets"
UNKNOWN_ALLELES = {"0", "."}


def harmonise(
    sets: list[Loaded],
    blocks: list[list[int]],
    section: GenotypesSection,
    removals: Removals,
    notes: list[str],
) -> list[list[str]]:
    """List the variants that cannot be joined, and return those to flip in each set."""
    flips: list[list[str]] = [[] for _ in sets]
    if len(blocks) == 1:
        return flips
    block_variants = [
        set().union(*(sets[number].bim["snp"] for number in block)) for block in blocks
    ]
    everywhere = set.intersection(*block_variants)
    partly = [
        name
        for name in dict.fromkeys(n for s in sets for n in s.bim["snp"])
        if name not in everywhere
    ]
    in_sets = [sum(name in block for block in block_variants) for name in partly]
    removals.add(partly, "merge", "not in every input set", in_sets, len(blocks))
    joined = pd.DataFrame(columns=["snp", "chromosome", "position", "alleles"])
    for number, loaded in enumerate(sets):
        bim = loaded.bim[loaded.bim["snp"].isin(everywhere)]
        shared = bim.merge(joined, on="snp", suffixes=("", "_known"))
        elsewhere = shared[
            (shared["chromosome"] != shared["chromosome_known"])
            | (shared["position"] != shared["position_known"])
        ]
        removals.add(
            elsewhere["snp"].tolist(),
            "merge",
            PLACE,
            places_text(elsewhere, ""),
            places_text(elsewhere, "_known"),
        )
        pairs = list(zip(shared["a1"], shared["a2"], shared["alleles"], strict=True))
        relations = {pair: relate(pair[:2], pair[2]) for pair in set(pairs)}
        relation = np.array([relations[pair][0] for pair in pairs], dtype=object)
        for kind, reason in (
            ("differ", ALLELES),
            ("ambiguous", "strand cannot be told (A/T or C/G)"),
        ):
            if kind == "ambiguous" and section.keep_ambiguous:
                continue
            unjoinable = shared[relation == kind]
            removals.add(
                unjoinable["snp"].tolist(),
                "merge",
                reason,
                (unjoinable["a1"] + "/" + unjoinable["a2"]).tolist(),
                ["/".join(sorted(alleles)) for alleles in unjoinable["alleles"]],
            )
        flips[number] = shared.loc[relation == "flip", "snp"].tolist()
        alleles_of = dict(zip(shared["snp"], (relations[pair][1] for pair in pairs), strict=True))
        unmet = bim[~bim["snp"].isin(joined["snp"])]
        alleles = [
            alleles_of.get(name, known_alleles)
            for name, known_alleles in zip(joined["snp"], joined["alleles"], strict=True)
        ]
        joined["alleles"] = pd.Series(alleles, index=joined.index, dtype=object)
        fresh = unmet[["snp", "chromosome", "position"]].assign(
            alleles=pd.Series(
                [
                    frozenset(pair) - UNKNOWN_ALLELES
                    for pair in zip(unmet["a1"], unmet["a2"], strict=True)
                ],
                index=unmet.index,
                dtype=object,
            )
        )
        joined = fresh if joined.empty else pd.concat([joined, fresh])
        if flips[number]:
            notes.append(
                f"{len(flips[number])} variants of {loaded.label} were on the"
                " other strand and were flipped"
            )
    if section.keep_ambiguous:
        notes.append("A/T and C/G variants were kept, trusting that all sets are on one strand")
    return flips


def refuse_disagreement(
    sets: list[Loaded], blocks: list[list[int]], section: GenotypesSection, removals: Removals
) -> None:
    """Stop where so few variants can be joined that the sets do not belong together as they are.

    Raises
    ------
    GenotypeFileError
        Sets of other people share less than `minimum_shared` of the variants of the smallest, or
        more than `most_lost` of what they share has another position or other alleles.
    """
    if len(blocks) == 1:
        return
    block_variants = [
        set().union(*(sets[number].bim["snp"] for number in block)) for block in blocks
    ]
    everywhere = set.intersection(*block_variants)
    smallest = min(map(len, block_variants))
    sizes = ", ".join(
        f"{sets[block[0]].label} {len(names)}"
        for block, names in zip(blocks, block_variants, strict=True)
    )
    if len(everywhere) < section.minimum_shared * smallest:
        first = [sets[block[0]].bim["snp"].iloc[0] for block in blocks]
        raise GenotypeFileError(
            f"the input sets of other people ({sizes} variants) share {len(everywhere)}:"
            f" {len(everywhere) / smallest:.1%} of the smallest (genotypes.minimum_shared:"
            f" {section.minimum_shared:.0%}); their first variants are {first_few(first)}",
            cause="variants are named in different ways, positions in the names are of different"
            " builds, or the arrays have other contents",
            next_step="name them alike, such as by position and alleles: plink2 --bfile SET"
            " --set-all-var-ids '@:#:$r:$a' --make-bed --out SET.named, of each set on one build;"
            " where arrays have little in common, set genotypes.minimum_shared lower",
        )
    places = {PLACE: 0, ALLELES: 0}
    for name in everywhere:
        reason = removals.reason_of(name)
        if reason in places:
            places[reason] += 1
    n_lost = sum(places.values())
    if n_lost > section.most_lost * len(everywhere):
        raise GenotypeFileError(
            f"of {len(everywhere)} variants that the input sets ({sizes}) share, {n_lost} cannot be"
            f" joined ({n_lost / len(everywhere):.0%}; genotypes.most_lost:"
            f" {section.most_lost:.0%}):"
            f" {'; '.join(f'{reason} {count}' for reason, count in places.items() if count)}",
            cause="the sets are of different builds"
            if places[PLACE] >= places[ALLELES]
            else "alleles are coded as 1 and 2, or A and B, in one of the sets",
            next_step="lift one of them: genotypes.lift: {SET: {build: ITS_BUILD, chain: FILE}}"
            if places[PLACE] >= places[ALLELES]
            else "write them as bases, by the table of the array's maker (allele, base 1, base 2):"
            " plink1.9 --bfile SET --update-alleles TABLE --keep-allele-order --make-bed --out"
            " SET.bases",
        )


def places_text(table: pd.DataFrame, suffix: str) -> list[str]:
    """Return `chromosome:position` of each row, from the columns with a suffix."""
    return [
        f"{chromosome}:{position}"
        for chromosome, position in zip(
            table[f"chromosome{suffix}"], table[f"position{suffix}"], strict=True
        )
    ]


def relate(alleles: Sequence[str], known_alleles: frozenset[str]) -> tuple[str, frozenset[str]]:
    """Tell how two alleles of a variant relate to those of the same variant in another set.

    Returns
    -------
    relation : str
        `same` (in whatever order, unobserved alleles `0` left open), `flip` (the other strand),
        `ambiguous` (A/T or C/G, where the strand cannot be seen) or `differ`.
    alleles : frozenset of str
        All alleles known after joining.
    """
    observed = frozenset(alleles) - UNKNOWN_ALLELES
    union = observed | known_alleles
    if set(union) in AMBIGUOUS:
        return "ambiguous", union
    if len(union) <= 2:
        return "same", union
    single = all(len(allele) == 1 for allele in observed)
    flipped = frozenset(allele.translate(COMPLEMENT) for allele in observed) | known_alleles
    if single and len(flipped) <= 2:
        return "flip", flipped
    return "differ", known_alleles

"""Several PLINK sets into one: who and what they share, strands, and what cannot be joined.

The first two steps of the stage: `merge` and `variant missingness`. PLINK moves the genotypes;
here only the .bim and .fam are compared.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError
from gendmr.files.atomic import move_into_place, write_json
from gendmr.genotypes.autosomes import x_only
from gendmr.genotypes.filesets import read_fam
from gendmr.genotypes.joining import AUTOSOMES, join_sets
from gendmr.genotypes.linkage import linkage_note
from gendmr.genotypes.loaded import Loaded
from gendmr.genotypes.loading import check_builds, load_sets, open_plain_sets
from gendmr.genotypes.plink import (
    Plink,
    find,
    read_report,
    untested,
    workplace,
    write_names,
    write_people,
)
from gendmr.genotypes.removals import Removals
from gendmr.genotypes.shared_people import group_by_people
from gendmr.genotypes.strands import harmonise, refuse_disagreement

# Who has more missing calls than this was not genotyped well enough to judge variants by; where
# more than one in ten have, they are of another array, and variants that it lacks must leave.
LENIENT, MANY = 0.2, 0.1
# Last base of the first and first base of the second pseudo-autosomal region, as PLINK's --split-x.
PSEUDO_AUTOSOMAL = {
    "NCBI36": (2_709_520, 154_584_238),
    "GRCh37": (2_699_520, 154_931_044),
    "GRCh38": (2_781_479, 155_701_383),
}


def merge_genotypes(section: GenotypesSection, folder: Path | str, plink: Plink) -> None:
    """Check the input sets, merge them, and drop variants with too many missing calls.

    Parameters
    ----------
    section : GenotypesSection
        Inputs and thresholds.
    folder : Path or str
        Receives ``merged.{bed,bim,fam}`` (people of all sets, autosomes and X; phenotype unknown),
        ``merged.smiss`` (missingness of people), ``merge.missingness.npy`` (share of missing calls
        of each variant before the filter), ``merge.attrition.tsv`` and ``merge.json``.
    plink : Plink
        Threads and memory.

    Raises
    ------
    InputFileError, GenotypeFileError, IdentifierError
        An input is damaged, sets overlap, or nothing is left.
    ToolError
        PLINK is missing or failed.
    """
    folder = Path(folder)
    removals = Removals("variant")
    notes = untested()
    plain = open_plain_sets(section)
    with workplace(folder) as work:
        sets = load_sets(section, plain, work, plink, removals, notes)
        for loaded in sets:
            prefix, count = loaded.fileset.prefix, loaded.fileset.n_people
            note = linkage_note(prefix, loaded.label, count, loaded.bim)
            notes += [note] if note else []
        check_builds(section, sets, removals, notes)
        blocks, twice = group_by_people(sets, notes)
        _unusable(sets, section, removals)
        flips = harmonise(sets, blocks, section, removals, notes)
        refuse_disagreement(sets, blocks, section, removals)
        everybody = pd.concat([loaded.fam for loaded in sets]).drop_duplicates("iid")
        source, names = join_sets(sets, flips, removals.ids, everybody, plink, work)
        people = read_fam(work / source)
        n_before = len(names)
        usable = ~pd.Index(names).isin(removals.ids)
        if not usable.any():
            raise GenotypeFileError(
                f"none of {n_before} variants can be used; reasons: {removals.summary()}",
                cause="positions missing, chromosomes named otherwise, or sets without common"
                " variants",
                next_step=f"look at the first variants of {sets[0].source}",
            )
        missing = _missing_calls(source, names[usable], people, plink, work, notes)
        # A variant of which nobody has a call says nothing, whatever share may be missing.
        high = (missing > section.variant_missingness) | (missing >= 1)
        removals.add(
            names[usable][high].tolist(),
            "variant missingness",
            "too many people without a call",
            missing[high].tolist(),
            section.variant_missingness,
        )
        if high.all():
            raise GenotypeFileError(
                f"all {len(high)} variants have more than {section.variant_missingness:.3g} of"
                f" their calls missing (the best has {missing.min():.3g})",
                cause="sets with different people and few common variants",
                next_step="raise variant_missingness, or give sets of the same array",
            )
        retained = names[usable][~high]
        chromosomes = _chromosomes(sets, retained)
        if (chromosomes == "X").all():
            raise x_only(section, len(chromosomes), "usable variants")
        write_names(work / "removed.txt", [*names[~usable], *names[usable][high]])
        plink.run(
            "2",
            [
                *("--bfile", source, "--allow-extra-chr", "--exclude", "removed.txt"),
                *("--missing", "sample-only", "--make-bed"),
            ],
            out="merged",
            folder=work,
            people=people["iid"].tolist(),
            variants=retained.tolist(),
        )
        np.save(work / "missingness.npy", missing.astype(np.float32))
        for suffix in ("bed", "bim", "fam", "smiss"):
            move_into_place(work / f"merged.{suffix}", folder / f"merged.{suffix}")
        move_into_place(work / "missingness.npy", folder / "merge.missingness.npy")
    removals.write(folder / "merge.attrition.tsv")
    write_json(
        folder / "merge.json",
        {
            "inputs": [
                {
                    "name": loaded.label,
                    "people": loaded.fileset.n_people,
                    "variants": loaded.fileset.n_variants,
                    "build": loaded.build,
                }
                for loaded in sets
            ],
            "people": len(everybody),
            "twice": twice,
            "variants": len(set().union(*(loaded.bim["snp"] for loaded in sets))),
            "retained": len(retained),
            "on_x": int((chromosomes == "X").sum()),
            "autosomes": len(set(chromosomes.unique()) - {"X"}),
            "removed": removals.counts(),
            "notes": notes,
            "plink": {version: find(version).version for version in ("1.9", "2")},
        },
    )


def _missing_calls(
    source: str,
    names: np.ndarray,
    people: pd.DataFrame,
    plink: Plink,
    work: Path,
    notes: list[str],
) -> np.ndarray:
    """Return the share of missing calls of each variant among people who can judge it.

    People with more than 20 % of their calls missing do not count: three failed samples among 60
    would remove every variant at which they lack a call. They leave by `person_missingness` later.
    """
    write_names(work / "usable.txt", names.tolist())
    base = ["--bfile", source, "--allow-extra-chr", "--extract", "usable.txt"]
    iids = people["iid"].tolist()
    plink.run(
        "2",
        [*base, "--missing", "vcols=fmiss"],
        out="sites",
        folder=work,
        people=iids,
        variants=names.tolist(),
    )
    share = read_report(work / "sites.smiss", {"F_MISS": "float64"})["F_MISS"].to_numpy()
    poor = share > LENIENT
    if poor.mean() > MANY:
        notes.append(
            f"{int(poor.sum())} of {len(poor)} people lack more than {LENIENT:.0%} of the calls, as"
            " on a second array or after poor imputation: they count when variants are judged by"
            " their missing calls"
        )
    elif poor.any():
        notes.append(
            f"{int(poor.sum())} people with more than {LENIENT:.0%} of their calls missing do not"
            " count when variants are judged by theirs"
        )
        write_people(work / "poor.txt", people[poor])
        plink.run(
            "2",
            [*base, "--remove", "poor.txt", "--missing", "variant-only", "vcols=fmiss"],
            out="sites",
            folder=work,
            people=people.loc[~poor, "iid"].tolist(),
            variants=names.tolist(),
        )
    missing: np.ndarray = read_report(work / "sites.vmiss", {"F_MISS": "float64"})[
        "F_MISS"
    ].to_numpy()
    return missing


def _chromosomes(sets: list[Loaded], names: np.ndarray) -> pd.Series:
    first = pd.concat([loaded.bim[["snp", "chromosome"]] for loaded in sets])
    if len(first) == len(names):
        return first["chromosome"]
    return first[first["snp"].isin(names)].drop_duplicates("snp")["chromosome"]


def _unusable(sets: list[Loaded], section: GenotypesSection, removals: Removals) -> None:
    autosomes = section.chromosomes or AUTOSOMES
    first, second = PSEUDO_AUTOSOMAL[section.build]
    for loaded in sets:
        chromosome = loaded.bim["chromosome"].to_numpy(str)
        position = loaded.bim["position"].to_numpy()
        on_x = chromosome == "X"
        usable = np.isin(chromosome, AUTOSOMES) | on_x
        for mask, reason, value, threshold in (
            (~usable, "not on an autosome or X", chromosome, "1-22, X"),
            (usable & (position < 1), "no position", position, 1),
            (
                usable & ~on_x & ~np.isin(chromosome, autosomes),
                "chromosome not chosen",
                chromosome,
                ",".join(autosomes),
            ),
            (
                on_x & ((position <= first) | (position >= second)),
                "pseudo-autosomal",
                position,
                f"{first + 1}-{second - 1}",
            ),
        ):
            if mask.any():
                names = loaded.bim["snp"].to_numpy()[mask].tolist()
                removals.add(names, "chromosome", reason, value[mask].tolist(), threshold)

"""Pairs of kin and duplicates (KING-robust), and whether there are variants enough to tell them.

Of M independent variants, KING's coefficient of strangers lies above 0 by no more than a standard
error of 0.866 / sqrt(M) makes likely. With few variants strangers look like kin, and with very few
like copies of one another.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm

from gendmr.errors import GenotypeFileError, IdentifierError, first_few
from gendmr.genotypes.kin import declared_pairs
from gendmr.genotypes.people_step import PeopleStep
from gendmr.genotypes.plink import read_report
from gendmr.genotypes.shared_people import renaming

FIRST_DEGREE = 0.177  # Manichaikul et al. 2010, table 1: 2^(-5/2)
# Standard error of the coefficient of strangers, for one variant.
STRANGERS = 0.866
# In a smaller group, kin are few whatever their share.
MANY_KIN = 10
COLUMNS = ["id1", "id2", "kinship", "relation", "pedigree"]


def least_variants(coefficient: float, people: int) -> int:
    """Return from how many independent variants on strangers do not pass a coefficient by chance.

    So many that less than one pair of all is expected to: 0.866 / sqrt(M) is the standard error.

    >>> least_variants(0.0884, 330), least_variants(0.354, 330)
    (1635, 102)
    """
    pairs = max(people * (people - 1) / 2, 2)
    return int(np.ceil((STRANGERS * norm.isf(1 / pairs) / coefficient) ** 2))


def find_kin(step: PeopleStep) -> tuple[pd.DataFrame, bool]:
    """List pairs at or above the kinship threshold (KING-robust, Manichaikul et al. 2010).

    Returns
    -------
    pairs : DataFrame
        `id1`, `id2`, `kinship`, `relation` and `pedigree`.
    duplicates : bool
        Whether there are variants enough to tell duplicates.
    """
    section, work, people = step.section, step.work, step.people
    present = len(step.present())
    if present < 2:
        return pd.DataFrame(columns=COLUMNS), False
    independent = len(step.pruned_on("autosomes"))
    limit = section.kinship
    if independent < least_variants(limit, present):
        limit = section.duplicate_kinship
        duplicates = independent >= least_variants(limit, present)
        unjudged = "kinship was" if duplicates else "kinship and duplicates were"
        required = f"{least_variants(section.kinship, present)} are needed for kin"
        if not duplicates:
            required += f" and {least_variants(limit, present)} for duplicates"
        step.notes.append(
            f"{unjudged} not judged: {independent} independent variants on autosomes, and among"
            f" {present} people {required}; fewer make strangers look alike"
        )
        if not duplicates:
            return pd.DataFrame(columns=COLUMNS), False
    names = step.names_on("autosomes")
    arguments = ["--autosome", "--make-king-table", "--king-table-filter", str(limit)]
    step.run("2", arguments, "king", names)
    report = read_report(work / "king.kin0", {"IID1": "str", "IID2": "str", "KINSHIP": "float64"})
    report = report.dropna()  # people without a heterozygous call have no kinship
    position = {iid: number for number, iid in enumerate(people.index)}
    ordered = [
        sorted(pair, key=position.__getitem__)
        for pair in zip(report["IID1"], report["IID2"], strict=True)
    ]
    kinship = report["KINSHIP"].to_numpy()
    table = pd.DataFrame(
        {
            "id1": [pair[0] for pair in ordered],
            "id2": [pair[1] for pair in ordered],
            "kinship": kinship,
            "relation": np.select(
                [kinship >= section.duplicate_kinship, kinship >= FIRST_DEGREE],
                ["duplicate", "first"],
                "second",
            ),
            "pedigree": declared_pairs(people, ordered),
        }
    )
    order = sorted(
        range(len(table)), key=lambda row: (position[ordered[row][0]], position[ordered[row][1]])
    )
    return table.iloc[order].reset_index(drop=True), True


def refuse_false_kin(pairs: pd.DataFrame, step: PeopleStep) -> None:
    """Stop where chance, not descent, makes most people kin or copies of one another.

    Kin share a fold and change outcomes only among themselves, so that chains of false kin put a
    cohort into one fold and out of every permutation.

    Raises
    ------
    GenotypeFileError
        More than `most_lost` of the people would leave as duplicates, or hang together in one group
        of kin whom the .fam does not tell of.
    """
    section = step.section
    present = step.present().index
    allowed = section.most_lost * len(present)
    copies = {name for person in step.merged["twice"] for name in person["names"]}
    twins = pairs[pairs["kinship"] >= section.duplicate_kinship]
    strangers = twins[~(twins["id1"].isin(copies) & twins["id2"].isin(copies))]
    same_genome = _groups(strangers)
    leaving = sum(len(group) - 1 for group in same_genome)
    if leaving > allowed:
        raise GenotypeFileError(
            f"{leaving} of {len(present)} people would leave as copies of others"
            f" ({first_few(same_genome[0], 3)}; genotypes.most_lost: {section.most_lost:.0%})",
            cause="few variants that all sets share, one sample under many names, or genotypes that"
            " were filled in",
            next_step="look at genotypes.inputs: which variants they share, and whether people were"
            " copied; where it is so, set genotypes.most_lost: 1.0",
        )
    cryptic = _groups(pairs[pairs["pedigree"] == "cryptic"])
    largest = max(cryptic, key=len, default=[])
    if len(largest) > max(allowed, MANY_KIN):
        raise GenotypeFileError(
            f"{len(largest)} of {len(present)} people hang together in one group of kin of whom the"
            f" .fam does not tell ({first_few(largest, 3)}; genotypes.most_lost:"
            f" {section.most_lost:.0%}); they would share a fold",
            cause="contaminated samples that resemble everybody, few chromosomes, or a population"
            " that KING takes for kin",
            next_step="raise the coefficient from which people count as kin: genotypes.kinship:"
            f" {section.duplicate_kinship:g}; or, if they are kin, genotypes.most_lost: 1.0",
        )


def _groups(pairs: pd.DataFrame) -> list[list[str]]:
    """Return the groups of people whom pairs tie together, the first of each first."""
    people = list(dict.fromkeys([*pairs["id1"], *pairs["id2"]]))
    if not people:
        return []
    place = {name: row for row, name in enumerate(people)}
    ties = coo_array(
        (np.ones(len(pairs)), (pairs["id1"].map(place), pairs["id2"].map(place))),
        shape=(len(people), len(people)),
    )
    group_of = connected_components(ties, directed=False)[1]
    groups: dict[int, list[str]] = {}
    for name, group in zip(people, group_of, strict=True):
        groups.setdefault(group, []).append(name)
    return list(groups.values())


def compare_copies(twice: list[dict[str, Any]], pairs: pd.DataFrame, step: PeopleStep) -> None:
    """Refuse one identifier on two genomes."""
    kinship_of = {
        frozenset(pair): kinship
        for *pair, kinship in zip(pairs["id1"], pairs["id2"], pairs["kinship"], strict=True)
    }
    removed = set(step.removals.ids)
    limit = step.section.duplicate_kinship
    different, uncompared = [], []
    for person in twice:
        present = [name for name in person["names"] if name not in removed]
        if len(present) < len(person["names"]):
            uncompared.append(person["iid"])
        for pair in combinations(present, 2):
            if kinship_of.get(frozenset(pair), 0.0) < limit:
                different.append(" and ".join(pair))
    if different:
        raise IdentifierError(
            f"{len(different)} of {len(twice)} people who are in several sets are not the same"
            f" genome there (kinship below {limit}): {first_few(different)}",
            cause="samples were swapped, or two people have the same number",
            next_step=f"find out who is who; then rename the wrong copies: {renaming('SET')}; or"
            " leave them out with --remove in place of --update-ids",
        )
    if uncompared:
        step.notes.append(
            f"{len(uncompared)} people who are in several sets could not be compared with"
            f" themselves, for a copy had left before: {first_few(uncompared)}"
        )

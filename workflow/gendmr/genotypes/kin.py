"""Pairs of kin: what the pedigree says of them, and who of each pair leaves."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.genotypes.removals import Removals


def declared_pairs(people: pd.DataFrame, pairs: list[list[str]]) -> list[str]:
    """Tell which pairs the .fam has in one family, or as parent and child."""
    columns = (people[name].tolist() for name in ("fid", "father", "mother"))
    row = dict(zip(people.index, zip(*columns, strict=True), strict=True))
    # A single FID for everybody (`0` by custom) declares no families.
    families = people["fid"].nunique() > 1
    origins = []
    for first_id, second_id in pairs:
        first, second = row[first_id], row[second_id]
        family = families and first[0] == second[0] != "0"
        parent = first_id in second[1:] or second_id in first[1:]
        origins.append("declared" if family or parent else "cryptic")
    return origins


def names_of_copies(
    twice: list[dict[str, Any]], removals: Removals, missing: pd.Series
) -> dict[str, str]:
    """Give the identifier back to the copy that stays, or would have had the best call rate."""
    removed = set(removals.ids)
    return {
        min(person["names"], key=lambda name: (name in removed, missing[name])): person["iid"]
        for person in twice
    }


def remove_duplicates(
    section: GenotypesSection, pairs: pd.DataFrame, missing: pd.Series, removals: Removals
) -> None:
    """Keep the best call rate of every group of duplicates; ties go to the first in the file."""
    twins = pairs[pairs["kinship"] >= section.duplicate_kinship]
    rank = {iid: place for place, iid in enumerate(missing.sort_values(kind="stable").index)}
    # In order of call rate: a person with the genome of somebody who stays is removed.
    people = sorted({*twins["id1"], *twins["id2"]}, key=rank.__getitem__)
    retained: set[str] = set()
    for person in people:
        same_genome = _partners(twins, person)
        same_genome = same_genome[same_genome.index.isin(retained)]
        if same_genome.empty:
            retained.add(person)
            continue
        removals.add(
            [person],
            "duplicate",
            f"same genome: {same_genome.index[0]} has the better call rate",
            [float(same_genome.iloc[0])],
            section.duplicate_kinship,
        )


def remove_second_copies(
    twice: list[dict[str, Any]], missing: pd.Series, removals: Removals
) -> None:
    """Keep the best call rate of people in several sets where genomes could not be compared."""
    for person in twice:
        present = [name for name in person["names"] if name not in set(removals.ids)]
        best = min(present, key=lambda name: missing[name], default="")
        removed = [name for name in present if name != best]
        removals.add(
            removed,
            "duplicate",
            f"same identifier: {best} has the better call rate",
            [float(missing[name]) for name in removed],
            float(missing[best]) if best else 0.0,
        )


def remove_kin(
    section: GenotypesSection, pairs: pd.DataFrame, missing: pd.Series, removals: Removals
) -> None:
    """Remove whoever has most relatives, then the worse call rate, until no pair is left."""
    remaining = pairs[~pairs["id1"].isin(removals.ids) & ~pairs["id2"].isin(removals.ids)]
    place = {iid: number for number, iid in enumerate(missing.index)}
    while len(remaining):
        counts = pd.concat([remaining["id1"], remaining["id2"]]).value_counts()
        person = max(counts.index, key=lambda iid: (counts[iid], missing[iid], place[iid]))
        relatives = _partners(remaining, person)
        removals.add(
            [person],
            "kin",
            f"kin: {relatives.index[0]}",
            [float(relatives.iloc[0])],
            section.kinship,
        )
        remaining = remaining[(remaining["id1"] != person) & (remaining["id2"] != person)]


def _partners(pairs: pd.DataFrame, person: str) -> pd.Series:
    first, second = pairs[pairs["id1"] == person], pairs[pairs["id2"] == person]
    partners: pd.Series = pd.concat(
        [first.set_index("id2")["kinship"], second.set_index("id1")["kinship"]]
    )
    return partners.sort_values(ascending=False, kind="stable")

"""The cohort in numbers, for the report and the flow diagram."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from gendmr.cohort.confounding import confounding_warnings
from gendmr.cohort.differential import FLAGGED, differential_warnings
from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.cohort.participants import HAS
from gendmr.config.cohort import CohortSection
from gendmr.errors import first_few
from gendmr.files.tables import MISSING
from gendmr.modalities.base import Listing, Modality

# A family with more than this share of the cohort is taken for an error of the kinship.
LARGE_FAMILY = 0.05


@dataclass(frozen=True)
class Joined:
    """What the join leaves.

    Parameters
    ----------
    table : DataFrame
        The cohort's participants.tsv, indexed by key.
    attrition : DataFrame
        The union over stages.
    listings, modalities : mapping of str
        By name of the modality.
    listed, with_outcome : collection of str
        Keys of everybody in the user's participants.tsv, and of those with an outcome.
    without : dict of str to str
        `participant_id` of the others to the reason.
    quality : list of dict
        Of `gendmr.cohort.differential.by_group`.
    """

    table: pd.DataFrame
    attrition: pd.DataFrame
    listings: Mapping[str, Listing]
    modalities: Mapping[str, Modality]
    listed: Collection[str]
    with_outcome: Collection[str]
    without: Mapping[str, str]
    quality: list[dict[str, Any]]

    @property
    def leavers(self) -> pd.DataFrame:
        """Return the people who left, or were changed, at the join."""
        rows = self.attrition
        return rows[(rows["kind"] == "participant") & (rows["stage"] == "cohort")]


def summarise(joined: Joined, options: CohortSection) -> dict[str, Any]:
    """Return summary.json: the numbers of the flow diagram, covariates by outcome, notes.

    `flow` holds how many people were listed and left before the modalities counted; for each
    modality and each kind of instance how many came, left and passed; and how many are analysed, by
    the modalities that they have and the groups of each outcome. `quality` compares the groups: who
    is flagged, who is left out.
    """
    groups = groups_of(joined.table, options)
    first = next(iter(groups.values()))
    family = joined.table["family"].value_counts()
    return {
        "flow": _flow(joined, groups, options),
        "participants": len(joined.table),
        "instances": {
            kind: count
            for listing in joined.listings.values()
            for kind, count in listing.instances.items()
        },
        "families": {"independent": len(family), "of_several": int((family > 1).sum())},
        "outcomes": {
            name: _counts(pd.Series(values[values != MISSING]).sort_values())
            for name, values in groups.items()
        },
        "covariates": {
            name: _describe(joined.table[name], first, name in options.categorical)
            for name in options.covariates
        },
        "quality": joined.quality,
        "warnings": [
            *confounding_warnings(joined.table, options),
            *differential_warnings(joined.quality),
        ],
        "notes": _notes(joined, options),
    }


def groups_of(table: pd.DataFrame, options: CohortSection) -> dict[str, np.ndarray]:
    """Return the group of each person in each outcome, text; `n/a` where it is unknown."""
    # As read_outcome will find them in the file.
    texts = table.astype(object).where(table.notna(), MISSING).astype(str)
    return {
        name: np.where(outcome.known, task.groups(outcome), MISSING).astype(object)
        for name, task in tasks_of(options).items()
        for outcome in [read_outcome(texts, task, "participants.tsv")]
    }


def _flow(
    joined: Joined, groups: Mapping[str, np.ndarray], options: CohortSection
) -> dict[str, Any]:
    leavers = joined.leavers
    unusable = int((leavers["step"] == "identifier").sum())
    ineligible = leavers[
        (leavers["step"] == "identifier")
        | ((leavers["step"] == "outcome") & leavers["id"].isin(list(joined.without)))
    ]
    tasks = tasks_of(options)
    sole_outcome = next(iter(tasks.values())).label if len(tasks) == 1 else None
    modalities, instances = {}, {}
    for name, listing in joined.listings.items():
        modality = joined.modalities[name]
        modalities[name] = _modality(joined, listing, modality, sole_outcome)
        for kind, count in listing.instances.items():
            rows = listing.attrition
            steps = [_spelt(modality, step) for step in rows.loc[rows["kind"] == kind, "step"]]
            instances[kind] = {
                "in": count + int((rows["kind"] == kind).sum()),
                "removed": _counts(pd.Series(steps, dtype=object)),
                "passed": count,
            }
    return {
        "listed": len(joined.listed) + unusable,
        "left": _counts(ineligible["reason"]),
        "outcome": sole_outcome,
        "no_modality": _counts(leavers.loc[leavers["step"] == "modality", "reason"]),
        "modalities": modalities,
        "instances": instances,
        "analysed": _analysed(joined, groups, {name: task.label for name, task in tasks.items()}),
    }


def _modality(
    joined: Joined, listing: Listing, modality: Modality, outcome: str | None
) -> dict[str, Any]:
    rows = listing.attrition
    rows = rows[(rows["kind"] == "participant") & (rows["step"] != FLAGGED)].drop_duplicates("id")
    listed = set(listing.names) & set(joined.listed)
    with_outcome = listed & set(joined.with_outcome)
    return {
        "label": modality.label,
        "in": len(listing.names) + len(rows),
        "removed": _counts(rows["step"].map(partial(_spelt, modality))),
        "passed": len(listing.names),
        "flagged": len(listing.flagged),
        "left": {
            "not in participants.tsv": len(listing.names) - len(listed),
            f"without {outcome or 'an outcome'}": len(listed - with_outcome),
            "lacking another modality": len(with_outcome - set(joined.table.index)),
        },
    }


def _spelt(modality: Modality, step: str) -> str:
    return modality.steps.get(step, step.replace("_", " "))


def _analysed(
    joined: Joined, groups: Mapping[str, np.ndarray], labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return everybody, then who has which modalities where there are several.

    Combinations of two modalities are all told; of more, those that somebody has.
    """
    names = list(joined.modalities)
    presence = joined.table[[f"{HAS}{name}" for name in names]].to_numpy(dtype=bool)
    everybody = np.ones(len(presence), dtype=bool)
    patterns = [("Analysed", everybody)]
    if len(names) > 1:
        for present in sorted(product([True, False], repeat=len(names)), key=lambda p: -sum(p)):
            members = (presence == np.array(present)).all(axis=1)
            if any(present) and (len(names) == 2 or members.any()):
                patterns.append((_title(joined.modalities, present), members))
    return [
        {
            "title": title,
            "n": int(members.sum()),
            "outcomes": {
                labels[name]: _counts(
                    pd.Series(np.unique(values[values != MISSING])), values[members]
                )
                for name, values in groups.items()
            },
        }
        for title, members in patterns
    ]


def _title(modalities: Mapping[str, Modality], present: tuple[bool, ...]) -> str:
    labels = [
        m.label for m, is_present in zip(modalities.values(), present, strict=True) if is_present
    ]
    text = f"{labels[0]} only" if len(labels) == 1 else " and ".join(labels)
    return text[:1].upper() + text[1:]


def _counts(values: pd.Series, counted: np.ndarray | None = None) -> dict[str, int]:
    """Count labels, in the order in which they first appear in `values`."""
    among = values.to_numpy() if counted is None else counted
    return {str(label): int((among == label).sum()) for label in values.drop_duplicates()}


def _describe(values: pd.Series, group: np.ndarray, categorical: bool) -> dict[str, Any]:
    """Return missing counts, and mean and SD, or counts of labels, by group of an outcome."""
    described: dict[str, Any] = {}
    for name in np.unique(group[group != MISSING]):
        mine = values[group == name]
        missing = mine == MISSING if categorical else mine.isna()
        present = mine[~missing]
        described[str(name)] = {"missing": int(missing.sum())}
        if categorical:
            counts = present.value_counts().sort_index()
            described[str(name)]["labels"] = {str(k): int(v) for k, v in counts.items()}
        elif len(present) > 1:
            described[str(name)] |= {
                "mean": round(float(present.mean()), 4),
                "sd": round(float(present.std()), 4),
            }
    return described


def _notes(joined: Joined, options: CohortSection) -> list[str]:
    table, leavers = joined.table, joined.leavers
    notes = []
    for modality in joined.modalities.values():
        strangers = leavers[leavers["step"] == modality.label]
        if len(strangers):
            similar = strangers[strangers["reason"].str.contains(" differs only in ", regex=False)]
            notes.append(
                f"{_people(len(strangers))} with {modality.label}, but not in participants.tsv:"
                f" {first_few(strangers['id'])}."
                + (
                    f" {len(similar)} of them nearly match somebody: see attrition.tsv, and"
                    " cohort.ignore."
                    if len(similar)
                    else ""
                )
            )
    for step, fate in (
        ("identifier", "left out for an identifier that cannot be used"),
        ("value", "a value that cannot be meant was taken as unknown for"),
    ):
        bad = leavers[leavers["step"] == step]
        if len(bad):
            reasons = [
                f"{participant} ({why})"
                for participant, why in zip(bad["id"], bad["reason"], strict=True)
            ]
            notes.append(f"{fate}: {_people(len(bad))}, {first_few(reasons)}.")
    lacking = leavers[leavers["step"] == "outcome"]
    similar = lacking[lacking["reason"].str.contains(" differs only in ", regex=False)]
    if len(similar):
        notes.append(
            "without an outcome, for it is configured in other letters:"
            f" {_people(len(similar))}, {first_few(similar['id'])}: see attrition.tsv, and add the"
            " spelling to cohort.outcomes if they are meant."
        )
    staying = lacking[~lacking["id"].isin(list(joined.without))]
    if len(staying):
        participants = staying["id"].drop_duplicates()
        notes.append(
            f"{_people(len(participants))} lack some of the outcomes and are missing from the"
            f" methods of these only: {first_few(participants)}."
        )
    for name in options.covariates:
        missing = (table[name] == MISSING) | table[name].isna()
        if missing.any():
            notes.append(
                f"kept without {name}: {_people(int(missing.sum()))},"
                f" {first_few(table.loc[missing, 'participant_id'])}."
            )
    notes += _notes_of_families(table, joined, options)
    if options.require != "any":
        notes.append(f"cohort.require: {options.require} leaves out people who lack a modality.")
    return notes


def _notes_of_families(table: pd.DataFrame, joined: Joined, options: CohortSection) -> list[str]:
    notes = []
    for name, listing in joined.listings.items():
        if listing.flagged:
            notes.append(
                f"kept although {joined.modalities[name].label} are flagged as outliers:"
                f" {_people(len(listing.flagged))}, {first_few(listing.flagged)}."
            )
    family = table["family"].value_counts()
    several = int((family > 1).sum())
    if several:
        notes.append(
            f"{int(family[family > 1].sum())} people belong to {several}"
            f" {'family' if several == 1 else 'families'} of several (kinship of at least"
            f" {options.kinship:g}, duplicates included), whose members share a fold."
        )
    largest = int(family.max())
    if largest > max(10, LARGE_FAMILY * len(table)):
        notes.append(
            f"The largest family has {largest} of {len(table)} people: a chain of pairs. Kinship"
            " estimated from few independent variants, or across ancestries, is noisy; raise"
            " cohort.kinship if these are no relatives, for folds of large families are uneven."
        )
    return notes


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"

"""The cohort in numbers, for the report and the flow diagram."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.errors import first_few
from gendmr.files.tables import MISSING
from gendmr.modalities.snp.files import Genotyped, Imaged

# Share of the cohort from which one family is no family any more.
LARGE_FAMILY = 0.05


def summarise(
    table: pd.DataFrame,
    attrition: pd.DataFrame,
    genotyped: Genotyped,
    imaged: Imaged,
    options: CohortSection,
    *,
    listed: Collection[str],
    diagnosed: Collection[str],
    n_variants: int,
) -> dict[str, Any]:
    """Return summary.json: the numbers of the flow diagram, covariates by diagnosis, notes.

    Parameters
    ----------
    table : DataFrame
        The cohort's participants.tsv, indexed by key.
    attrition : DataFrame
        The union over stages.
    genotyped, imaged : Genotyped, Imaged
        The modalities as they came.
    options : CohortSection
        The section `cohort`.
    listed, diagnosed : collection of str
        Keys of everybody in the user's participants.tsv, and of those with a known diagnosis.
    n_variants : int
        Autosomal variants of the cohort.
    """
    people = attrition[attrition["kind"] == "participant"]
    ours = people[people["stage"] == "cohort"]
    removed = people[people["stage"] == "genotypes"].drop_duplicates("id")
    filtered = attrition.loc[attrition["kind"] == "variant", "step"]
    unmeasured = people[(people["stage"] == "imaging") & (people["step"] != "flagged")]

    def modality(keys: Collection[str], steps: pd.Series, flagged: int) -> dict[str, Any]:
        known = set(keys) & set(listed)
        return {
            "in": len(keys) + len(steps),
            "removed": _counts(steps.str.replace("_", " ")),
            "passed": len(keys),
            "flagged": flagged,
            "left": {
                "not in participants.tsv": len(keys) - len(known),
                "without a known diagnosis": len(known - set(diagnosed)),
                "lacking another modality": len((known & set(diagnosed)) - set(table.index)),
            },
        }

    why = unmeasured["step"].replace("regions", "no regions measured")
    images = modality(imaged.names, why, len(imaged.flagged))
    family = table["family"].value_counts()
    flow = {
        "listed": len(listed) + int((ours["step"] == "identifier").sum()),
        "left": _counts(ours.loc[ours["step"].isin(["identifier", "diagnosis"]), "reason"]),
        "no_modality": _counts(ours.loc[ours["step"] == "modality", "reason"]),
        "genotypes": modality(genotyped.keys, removed["step"], 0),
        "images": None if imaged.path is None else images,
        "variants": {
            "in": n_variants + len(filtered),
            "removed": _counts(filtered.str.replace("_", " ")),
            "passed": n_variants,
        },
        "cohort": {
            diagnosis: _patterns(table[table["diagnosis"] == diagnosis])
            for diagnosis in ("case", "control")
        },
    }
    return {
        "flow": flow,
        "participants": len(table),
        "variants": n_variants,
        "families": {"independent": len(family), "of_several": int((family > 1).sum())},
        "covariates": {name: _describe(table, name, options) for name in options.covariates},
        "notes": _notes(table, ours, imaged.flagged, options),
    }


def _patterns(table: pd.DataFrame) -> dict[str, int]:
    snp, region = table["has_snp"], table["has_region"]
    return {
        "all": len(table),
        "both": int((snp & region).sum()),
        "snp_only": int((snp & ~region).sum()),
        "region_only": int((~snp & region).sum()),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    """Count labels, in the order in which they first appear."""
    return {str(label): int((values == label).sum()) for label in values.drop_duplicates()}


def _describe(table: pd.DataFrame, name: str, options: CohortSection) -> dict[str, Any]:
    """Return missing counts, and mean and SD, or counts of labels, by diagnosis."""
    categorical = name in options.categorical
    described: dict[str, Any] = {}
    for diagnosis in ("case", "control"):
        values = table.loc[table["diagnosis"] == diagnosis, name]
        missing = values == MISSING if categorical else values.isna()
        present = values[~missing]
        described[diagnosis] = {"missing": int(missing.sum())}
        if categorical:
            counts = present.value_counts().sort_index()
            described[diagnosis]["labels"] = {str(k): int(v) for k, v in counts.items()}
        elif len(present) > 1:
            described[diagnosis] |= {
                "mean": round(float(present.mean()), 4),
                "sd": round(float(present.std()), 4),
            }
    return described


def _notes(
    table: pd.DataFrame,
    ours: pd.DataFrame,
    flagged: Sequence[str],
    options: CohortSection,
) -> list[str]:
    notes = []
    family = table["family"].value_counts()
    for step, what in (("genotypes", "genotyped"), ("images", "imaged")):
        strangers = ours[ours["step"] == step]
        if len(strangers):
            similar = strangers[strangers["reason"].str.contains(" differs only in ", regex=False)]
            notes.append(
                f"{_people(len(strangers))} {what}, but not in participants.tsv:"
                f" {first_few(strangers['id'])}."
                + (
                    f" {len(similar)} of them nearly match somebody: see attrition.tsv, and"
                    " cohort.ignore."
                    if len(similar)
                    else ""
                )
            )
    for step, what in (
        ("identifier", "left out for an identifier that cannot be used"),
        ("value", "a value that cannot be meant was taken as unknown for"),
    ):
        bad = ours[ours["step"] == step]
        if len(bad):
            told = [f"{who} ({why})" for who, why in zip(bad["id"], bad["reason"], strict=True)]
            notes.append(f"{what}: {_people(len(bad))}, {first_few(told)}.")
    undiagnosed = ours[ours["step"] == "diagnosis"]
    similar = undiagnosed[undiagnosed["reason"].str.contains(" differs only in ", regex=False)]
    if len(similar):
        notes.append(
            "left out for a diagnosis that is configured in other letters:"
            f" {_people(len(similar))}, {first_few(similar['id'])}: see attrition.tsv, and add the"
            " spelling to cohort.diagnosis if they are meant."
        )
    for name in options.covariates:
        missing = (table[name] == MISSING) | table[name].isna()
        if missing.any():
            notes.append(
                f"kept without {name}: {_people(int(missing.sum()))},"
                f" {first_few(table.loc[missing, 'participant_id'])}."
            )
    if flagged:
        notes.append(
            f"kept although an image is flagged as an outlier: {_people(len(flagged))},"
            f" {first_few(flagged)}."
        )
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
    if options.require != "any":
        notes.append(f"cohort.require: {options.require} leaves out people who lack a modality.")
    return notes


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"

"""The cohort in numbers, for the report and the flow diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from gendmr.cohort.modalities import Genotyped, Imaged
from gendmr.config.cohort import CohortSection
from gendmr.errors import first_few
from gendmr.files.tables import MISSING


def summarise(
    table: pd.DataFrame,
    attrition: pd.DataFrame,
    genotyped: Genotyped,
    imaged: Imaged,
    options: CohortSection,
    *,
    n_listed: int,
    n_variants: int,
) -> dict[str, Any]:
    """Return summary.json: the numbers of the flow diagram, covariates by diagnosis, notes.

    Parameters
    ----------
    table : DataFrame
        The cohort's participants.tsv.
    attrition : DataFrame
        The union over stages.
    genotyped, imaged : Genotyped, Imaged
        The modalities as they came.
    options : CohortSection
        The section `cohort`.
    n_listed, n_variants : int
        Rows of the user's participants.tsv; autosomal variants of the cohort.
    """
    counts = {
        diagnosis: {
            "both": int((of["has_snp"] & of["has_region"]).sum()),
            "snp_only": int((of["has_snp"] & ~of["has_region"]).sum()),
            "region_only": int((~of["has_snp"] & of["has_region"]).sum()),
            "all": len(of),
        }
        for diagnosis in ("case", "control")
        for of in [table[table["diagnosis"] == diagnosis]]
    }
    people = attrition[attrition["kind"] == "participant"]
    ours = people[people["stage"] == "cohort"]
    removed = people[people["stage"] == "genotypes"].drop_duplicates("id")
    unmeasured = people[(people["stage"] == "imaging") & (people["step"] == "regions")]
    family = table["family"].value_counts()
    flow = {
        "listed": n_listed,
        "left": {
            reason: int(count)
            for reason, count in ours.loc[ours["step"] == "diagnosis", "reason"]
            .value_counts(sort=False)
            .items()
        },
        "no_modality": {
            reason: int(count)
            for reason, count in ours.loc[ours["step"] == "modality", "reason"]
            .value_counts(sort=False)
            .items()
        },
        "genotypes": {
            "in": len(genotyped.keys) + len(removed),
            "removed": {
                step: int(count) for step, count in removed["step"].value_counts(sort=False).items()
            },
            "passed": len(genotyped.keys),
            "not_listed": int((ours["step"] == "genotypes").sum()),
        },
        "images": None
        if not (len(imaged.names) or len(unmeasured))
        else {
            "in": len(imaged.names) + len(unmeasured),
            "removed": {"no regions measured": len(unmeasured)} if len(unmeasured) else {},
            "passed": len(imaged.names),
            "flagged": len(imaged.flagged),
            "not_listed": int((ours["step"] == "images").sum()),
        },
        "cohort": counts,
    }
    return {
        "flow": flow,
        "participants": len(table),
        "variants": n_variants,
        "families": {"independent": len(family), "of_several": int((family > 1).sum())},
        "covariates": {name: _describe(table, name, options) for name in options.covariates},
        "notes": _notes(table, ours, imaged.flagged, options),
    }


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
    if options.require != "any":
        notes.append(f"cohort.require: {options.require} leaves out people who lack a modality.")
    return notes


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"

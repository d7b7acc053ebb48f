"""Who was analysed, and who left and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.files.tables import Kind, read_table

PEOPLE: dict[str, Kind] = {
    "participant_id": "text",
    "diagnosis": "text",
    "age": "number",
    "sex": "text",
    "has_snp": "flag",
    "has_region": "flag",
}
ATTRITION: dict[str, Kind] = {
    "kind": "text",
    "id": "text",
    "stage": "text",
    "step": "text",
    "reason": "text",
}
GROUPS = (("case", "Cases"), ("control", "Controls"))


def analysed(cohort: Path) -> dict[str, Any]:
    """Count the people of ``cohort/participants.tsv`` by diagnosis and modality.

    Returns
    -------
    dict
        ``n``, ``groups`` (cases, controls, everybody: numbers, age in years, sex, modalities) and
        ``families`` (kin groups with more than one person), ``sites``.
    """
    people = read_table(cohort / "participants.tsv", PEOPLE, extra=True, key="participant_id")
    groups = [
        _group(label, people[people["diagnosis"] == diagnosis]) for diagnosis, label in GROUPS
    ]
    groups.append(_group("Everybody", people))
    families = people["family"].value_counts() if "family" in people else pd.Series(dtype=int)
    sites = people["site"] if "site" in people else pd.Series(dtype=str)
    return {
        "n": len(people),
        "groups": groups,
        "families": int((families[families.index != "n/a"] > 1).sum()),
        "sites": int(sites[~sites.isin(["", "n/a"])].nunique()),
    }


def left(cohort: Path) -> list[dict[str, Any]]:
    """Count removals by stage, step and reason, in the order of ``cohort/attrition.tsv``."""
    rows = read_table(cohort / "attrition.tsv", ATTRITION, extra=True)
    if rows.empty:
        return []
    counted = [
        {
            "kind": str(kind),
            "stage": str(stage),
            "step": str(step),
            "reason": str(reason),
            "n": len(part),
            "first": [] if kind == "variant" else [str(item) for item in part["id"][:3]],
        }
        for (kind, stage, step, reason), part in rows.groupby(
            ["kind", "stage", "step", "reason"], sort=False
        )
    ]
    return sorted(counted, key=lambda row: row["kind"] == "variant")


def _group(label: str, people: pd.DataFrame) -> dict[str, Any]:
    ages = people["age"].dropna()
    sexes = people["sex"].str.lower().str[:1]
    snp, region = people["has_snp"], people["has_region"]
    return {
        "group": label,
        "n": len(people),
        "age_mean": _number(ages.mean()),
        "age_sd": _number(ages.std()),
        "age_min": _number(ages.min()),
        "age_max": _number(ages.max()),
        "female": int((sexes == "f").sum()),
        "male": int((sexes == "m").sum()),
        "both": int((snp & region).sum()),
        "snp_only": int((snp & ~region).sum()),
        "region_only": int((~snp & region).sum()),
    }


def _number(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 4)

"""Who was analysed, and who left and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.cohort.differential import in_words
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.modalities import modality_of, names
from gendmr.report.outcomes import OutcomeOfPeople
from gendmr.report.words import NOTHING, pattern_place

COVARIATES: dict[str, Kind] = {"age": "number", "sex": "text"}
ATTRITION: dict[str, Kind] = {
    "kind": "text",
    "id": "text",
    "stage": "text",
    "step": "text",
    "reason": "text",
}


def read_people(cohort: Path) -> pd.DataFrame:
    """Return ``cohort/participants.tsv`` with the column `pattern`: what is there of a person.

    Age and sex need not be there. Patterns name modalities, `snp+region`.
    """
    flags: dict[str, Kind] = {f"has_{name}": "flag" for name in names()}
    table = read_table(
        cohort / "participants.tsv",
        {"participant_id": "text"},
        optional=COVARIATES | flags,
        extra=True,
        key="participant_id",
    )
    present = [name for name in modalities_in(table) if f"has_{name}" in table]
    table["pattern"] = [
        "+".join(name for name in present if row[f"has_{name}"]) or NOTHING
        for row in table.to_dict("records")
    ]
    return table


def modalities_in(people: pd.DataFrame) -> list[str]:
    """Return the modalities that a cohort has columns of, in their order in the study."""
    from gendmr.config.modalities import SECTIONS

    present = [name for name in names() if f"has_{name}" in people and people[f"has_{name}"].any()]
    return sorted(present, key=lambda name: (SECTIONS[name].place, name))


def analysed(people: pd.DataFrame) -> dict[str, Any]:
    """Count the people of a study.

    Returns
    -------
    dict
        ``n``; ``modalities`` (name, label, n); ``patterns`` (pattern, n; most first); ``columns``
        (which of `age` and `sex` are known); ``everybody`` (see `describe_group`); ``families``
        (kin groups with more than one person); ``sites``.
    """
    families = people["family"].value_counts() if "family" in people else pd.Series(dtype=int)
    sites = people["site"] if "site" in people else pd.Series(dtype=str)
    patterns = people["pattern"].value_counts()
    ordered = sorted(patterns.items(), key=lambda item: pattern_place(str(item[0]), item[1]))
    return {
        "n": len(people),
        "modalities": [
            {
                "name": name,
                "label": modality_of(name).label,
                "n": int(people[f"has_{name}"].sum()),
            }
            for name in modalities_in(people)
        ],
        "patterns": [{"pattern": str(pattern), "n": int(count)} for pattern, count in ordered],
        "columns": [name for name in COVARIATES if name in people],
        "everybody": describe_group("Everybody", people),
        "families": int((families[families.index != "n/a"] > 1).sum()),
        "sites": int(sites[~sites.isin(["", "n/a"])].nunique()),
    }


def groups_of(outcome: OutcomeOfPeople, people: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the counts of each group of an outcome, in their order."""
    group = people["participant_id"].map(outcome.group_of)
    return [describe_group(name, people[group == name]) for name in outcome.group_names]


def describe_group(name: str, people: pd.DataFrame) -> dict[str, Any]:
    """Return numbers, age in years, sex and patterns of some people.

    What the table does not hold is None.
    """
    ages = people["age"].dropna() if "age" in people else pd.Series(dtype=float)
    sexes = people["sex"].str.lower().str[:1] if "sex" in people else None
    return {
        "group": name,
        "n": len(people),
        "age_mean": _number(ages.mean()),
        "age_sd": _number(ages.std()),
        "age_min": _number(ages.min()),
        "age_max": _number(ages.max()),
        "female": None if sexes is None else int((sexes == "f").sum()),
        "male": None if sexes is None else int((sexes == "m").sum()),
        "patterns": {
            str(pattern): int(count) for pattern, count in people["pattern"].value_counts().items()
        },
    }


def count_removals(cohort: Path) -> list[dict[str, Any]]:
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
            "n": len(removed),
            "first": [str(item) for item in removed["id"][:3]] if kind == "participant" else [],
        }
        for (kind, stage, step, reason), removed in rows.groupby(
            ["kind", "stage", "step", "reason"], sort=False
        )
    ]
    return sorted(counted, key=lambda row: row["kind"] != "participant")


def quality_by_group(cohort: Path) -> list[dict[str, Any]]:
    """Return who is flagged or left out, by group: of `gendmr.cohort.differential.by_group`."""
    path = cohort / "summary.json"
    rows = read_json(path).get("quality", []) if path.is_file() else []
    return [dict(row) | {"words": in_words(row)} for row in rows]


def _number(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 4)

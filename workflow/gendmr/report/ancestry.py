"""How well each method predicts among people of one ancestry group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.report.schema import MethodSummary
from gendmr.seeds import generator

STRATA: dict[str, Kind] = {"participant_id": "text", "diagnosis": "text", "ancestry": "text"}
# With fewer of one class, the interval would span what is possible anyway.
ENOUGH = 10


def read_groups(cohort: Path) -> dict[str, str]:
    """Return the ancestry group of each participant; empty where none were made.

    Groups are clusters of the first two components of the genotypes (`cohort/strata.tsv`); people
    without genotypes have none, `n/a`.
    """
    path = cohort / "strata.tsv"
    if not path.is_file():
        return {}
    table = read_table(path, STRATA, extra=True, key="participant_id")
    return dict(zip(table["participant_id"], table["ancestry"], strict=True))


def count_groups(cohort: Path) -> list[dict[str, Any]]:
    """Return each group, the largest first, with its people, cases and controls."""
    path = cohort / "strata.tsv"
    if not path.is_file():
        return []
    table = read_table(path, STRATA, extra=True, key="participant_id")
    return [
        {
            "group": str(group),
            "n": len(part),
            "cases": int((part["diagnosis"] == "case").sum()),
            "controls": int((part["diagnosis"] == "control").sum()),
        }
        for group, part in sorted(
            table.groupby("ancestry"), key=lambda item: (item[0] == MISSING, str(item[0]))
        )
    ]


def by_ancestry(
    name: str, rows: pd.DataFrame, reads: Sequence[str], groups: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the AUC of held-out people of each ancestry group, with its interval.

    Scores of a person are averaged over repeats; the 95 % interval is from resampling people.
    People of whom the method reads nothing do not count: their scores are those of their fold.

    Parameters
    ----------
    name : str
        The method; part of what the resampling is seeded with.
    rows : DataFrame
        As `gendmr.report.performance.held_out` returns them.
    reads : sequence of str
        What the method reads.
    groups : dict of str to str
        Participant to group.

    Returns
    -------
    list of dict
        `group`, `n`, `cases`, `controls`, `auc`, `low`, `high`, `note` (why there is no AUC).
    """
    from gendmr.training.metrics import bootstrap_auc
    from gendmr.training.scores import auc

    people = rows.groupby("participant_id", sort=True).agg(
        diagnosis=("diagnosis", "first"),
        score=("score", "mean"),
        modalities=("modalities", "first"),
    )
    if reads and "covariates" not in reads:
        seen = people["modalities"].map(lambda text: bool(set(text.split("+")) & set(reads)))
        people = people[seen.astype(bool)]
    group = people.index.map(lambda who: groups.get(who, MISSING))
    found = []
    for label, part in people.groupby(np.asarray(group, dtype=object)):
        diagnosis = part["diagnosis"].to_numpy(dtype=int)
        score = part["score"].to_numpy(dtype=float)
        cases = int(diagnosis.sum())
        row: dict[str, Any] = {
            "group": str(label),
            "n": len(part),
            "cases": cases,
            "controls": len(part) - cases,
            "auc": None,
            "low": None,
            "high": None,
            "note": None,
        }
        if min(cases, len(part) - cases) < ENOUGH:
            row["note"] = f"too few: {ENOUGH} cases and {ENOUGH} controls are needed"
        else:
            low, high = bootstrap_auc(
                diagnosis, score, generator(0, "report", "ancestry", name, str(label))
            )
            values = {"auc": auc(diagnosis, score), "low": low, "high": high}
            row |= {key: round(value, 6) for key, value in values.items()}
        found.append(row)
    return found


def ancestry_table(methods: Sequence[MethodSummary]) -> pd.DataFrame:
    """Return `report/by_ancestry.tsv`: AUC by method and ancestry group."""
    columns = ["method", "group", "n", "cases", "controls", "auc", "low", "high", "note"]
    return pd.DataFrame(
        [{"method": method.method, **row} for method in methods for row in method.by_ancestry],
        columns=columns,
    ).rename(columns={"n": "people"})

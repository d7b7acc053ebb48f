"""How well each method predicts among people of one ancestry group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.report.comparison import group_row
from gendmr.report.method_schema import MethodSummary
from gendmr.report.numbers import finite
from gendmr.report.outcomes import OutcomeOfPeople
from gendmr.seeds import generator

STRATA: dict[str, Kind] = {"participant_id": "text", "ancestry": "text"}
# Of the rarest class, or with an event: with fewer the interval would span what is possible anyway.
ENOUGH = 10


def read_groups(cohort: Path) -> dict[str, str]:
    """Return the ancestry group of each participant; empty where none were made.

    Groups are clusters of the first two components of the genotypes (`cohort/strata.tsv`); people
    without genotypes have none, `n/a`.
    """
    path = cohort / "strata.tsv"
    if not path.is_file():
        return {}
    table = read_table(path, {"participant_id": "text"}, optional=STRATA, extra=True)
    if "ancestry" not in table or (table["ancestry"] == MISSING).all():
        return {}
    return dict(zip(table["participant_id"], table["ancestry"], strict=True))


def count_groups(
    groups: Mapping[str, str], outcomes: Mapping[str, OutcomeOfPeople]
) -> list[dict[str, Any]]:
    """Return each ancestry group, the largest first, with its people by outcome.

    Returns
    -------
    list of dict
        `group`, `n`, and `by_outcome`: name of the outcome to its groups in words.
    """
    table = pd.Series(dict(groups), dtype=object)
    return [
        {
            "group": str(group),
            "n": len(members),
            "by_outcome": {
                name: outcome.counted(members.index) for name, outcome in outcomes.items()
            },
        }
        for group, members in sorted(
            table.groupby(table), key=lambda item: (item[0] == MISSING, str(item[0]))
        )
    ]


def by_ancestry(
    name: str,
    rows: pd.DataFrame,
    reads: Sequence[str],
    groups: Mapping[str, str],
    outcome: OutcomeOfPeople,
) -> list[dict[str, Any]]:
    """Return the primary metric of held-out people of each ancestry group, with its interval.

    Predictions of a person are averaged over repeats; the 95 % interval is from resampling people.
    People of whom the method reads nothing do not count: their scores are those of their fold.

    Parameters
    ----------
    name : str
        The method; part of what the resampling is seeded with.
    rows : DataFrame
        As `gendmr.report.performance.held_out` returns them.
    reads : sequence of str
        What the method reads.
    groups : mapping of str to str
        Participant to group.
    outcome : OutcomeOfPeople
        What the method learns.

    Returns
    -------
    list of dict
        `group`, `n`, `groups` (of the outcome, in words), `value`, `low`, `high`, `note` (why there
        is no value).
    """
    task = outcome.task
    people = task.pool(rows)
    if reads and "covariates" not in reads:
        is_read = people["modalities"].map(lambda text: bool(set(text.split("+")) & set(reads)))
        people = people[is_read.astype(bool)]
    group = people["participant_id"].map(lambda participant: groups.get(participant, MISSING))
    entries = []
    for label, members in people.groupby(np.asarray(group, dtype=object)):
        row: dict[str, Any] = {
            "group": str(label),
            "n": len(members),
            "groups": outcome.counted(members["participant_id"]),
            "value": None,
            "low": None,
            "high": None,
            "note": None,
        }
        fewest = outcome.fewest(members["participant_id"])
        if fewest < ENOUGH:
            row["note"] = f"too few: {fewest} of {ENOUGH} that are needed"
        else:
            low, high = task.interval(members, generator(0, "report", "ancestry", name, str(label)))
            values = {"value": task.metrics[0].of(members), "low": low, "high": high}
            row |= {key: finite(value) for key, value in values.items()}
        entries.append(row)
    return entries


def ancestry_table(methods: Sequence[MethodSummary]) -> pd.DataFrame:
    """Return `report/by_ancestry.tsv`: the primary metric by method and ancestry group."""
    columns = [
        "outcome", "method", "group", "people", "groups", "metric", "value", "low", "high", "note",
    ]  # fmt: skip
    rows = [group_row(method, row) for method in methods for row in method.by_ancestry]
    return pd.DataFrame(rows, columns=columns)

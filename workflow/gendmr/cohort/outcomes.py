"""Outcomes of the people of a cohort, in the columns of its participants.tsv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.errors import OutcomeError
from gendmr.files.tables import read_table
from gendmr.modalities.base import Listing
from gendmr.tasks import task_of
from gendmr.tasks.base import Outcome, ParsedOutcome, Task
from gendmr.tasks.measured import MeasuredTask


def tasks_of(options: CohortSection) -> dict[str, Task]:
    """Return the task of each outcome of a study, by name."""
    return {name: task_of(name, section) for name, section in options.outcomes.items()}


def column_of(outcome: str, suffix: str) -> str:
    """Return the column of participants.tsv that holds a part of an outcome."""
    return f"{outcome}_{suffix}" if suffix else outcome


def columns_of(task: Task) -> dict[str, str]:
    """Return the columns of participants.tsv that hold an outcome, by suffix."""
    return {suffix: column_of(task.name, suffix) for suffix in task.stored}


def read_outcome(table: pd.DataFrame, task: Task, where: str) -> Outcome:
    """Return an outcome from a table of text with the cohort's columns.

    Raises
    ------
    OutcomeError
        A column is missing, or a value is none that the cohort could have written.
    """
    columns = columns_of(task)
    absent = [name for name in columns.values() if name not in table]
    if absent:
        raise OutcomeError(
            f"{where}: no column {' and '.join(absent)} for the outcome {task.name}",
            cause="an outcome that was configured after the cohort was joined",
            next_step="run the rule join_people again",
        )
    outcome: Outcome = task.read({key: table[name] for key, name in columns.items()}, where)
    return outcome


def everybody(path: Path, task: Task) -> tuple[np.ndarray, Outcome]:
    """Return the people who have an outcome, text (n,), and their outcomes."""
    table = read_table(path, {"participant_id": "text"}, extra=True, key="participant_id")
    outcome = read_outcome(table, task, str(path))
    return (
        table["participant_id"].to_numpy(dtype=object)[outcome.known],
        outcome.take(outcome.known),
    )


def not_yet_measured(task: Task, index: pd.Index) -> ParsedOutcome:
    """Return an outcome that a stage measures, before it has: unknown, for no reason yet."""
    columns = pd.DataFrame(np.nan, index=index, columns=list(task.stored))
    return ParsedOutcome(columns, pd.Series("", index=index, dtype=object))


def with_measured(
    outcomes: Mapping[str, ParsedOutcome],
    keys: Sequence[str],
    listings: Mapping[str, Listing],
    options: CohortSection,
) -> dict[str, ParsedOutcome]:
    """Return the outcomes of people, with those that stages measured.

    Parameters
    ----------
    outcomes : mapping of str to ParsedOutcome
        Of the people of the user's participants.tsv.
    keys : sequence of str
        Theirs, on which everything joins.
    listings : mapping of str to Listing
        By modality.
    options : CohortSection

    Raises
    ------
    OutcomeError
        The study does not have the modality that holds an outcome, or what is measured fits none.
    """
    measured = dict(outcomes)
    for name, task in tasks_of(options).items():
        if not isinstance(task, MeasuredTask):
            continue
        listing = listings.get(task.modality)
        if listing is None:
            raise OutcomeError(
                f"cohort.outcomes.{name}: its values are in the modality {task.modality}, which"
                " the study does not have",
                cause="an entry of modalities that was left out",
                next_step=f"add `{task.modality}: {{}}` to modalities, and the section of the stage"
                " that measures it",
            )
        values = {
            column: [listing.outcomes.get(column, {}).get(key, np.nan) for key in keys]
            for column in task.measured
        }
        table = pd.DataFrame(values, index=outcomes[name].columns.index, dtype=np.float64)
        measured[name] = task.parse(table, listing.where)
    return measured

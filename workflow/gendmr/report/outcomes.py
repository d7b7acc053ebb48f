"""The outcomes of a study: who has them, in which groups, and how methods are judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import everybody
from gendmr.config.outcomes.base import OutcomeSection
from gendmr.report.method_schema import MetricWords
from gendmr.tasks import task_of
from gendmr.tasks.base import Metric, Outcome, Task


@dataclass(frozen=True)
class OutcomeOfPeople:
    """An outcome with the people of a cohort who have it.

    Parameters
    ----------
    task : Task
    participants : text (person,)
    outcome : Outcome
        Of them, aligned.
    """

    task: Task[Any]
    participants: np.ndarray
    outcome: Outcome

    @cached_property
    def group_of(self) -> pd.Series:
        """Group of each participant."""
        return pd.Series(self.task.groups(self.outcome), index=self.participants, dtype=object)

    @cached_property
    def group_names(self) -> list[str]:
        """Names of all groups, in the order of the configuration where there is one."""
        present = sorted(map(str, self.group_of.unique()))
        levels = self.task.describe().get("", {}).get("Levels", {})
        configured = [str(name) for name in levels if str(name) in present]
        return configured if len(configured) == len(present) else present

    def counts(self, people: Iterable[str]) -> dict[str, int]:
        """Return how many of these people are in each group; those without the outcome in none."""
        groups = self.group_of.reindex(pd.Index(people))
        return {name: int((groups == name).sum()) for name in self.group_names}

    def counted(self, people: Iterable[str]) -> str:
        """Return the same in words, `case 12, control 13`; nothing where there is one group."""
        if len(self.group_names) < 2:
            return ""
        return ", ".join(f"{name} {count}" for name, count in self.counts(people).items())

    def fewest(self, people: Iterable[str]) -> int:
        """Return how many of these people decide how finely they can be cut."""
        return self.task.fewest(self.of(people))

    def of(self, people: Iterable[str]) -> Outcome:
        """Return the outcome of those of these people who have it."""
        inside = np.isin(self.participants.astype(str), [str(person) for person in people])
        return self.outcome.take(inside)


def read_outcomes(
    cohort: Path, sections: Mapping[str, OutcomeSection]
) -> dict[str, OutcomeOfPeople]:
    """Return the outcomes of a study, by name, with the people of `cohort/participants.tsv`."""
    outcomes = {}
    for name, section in sections.items():
        task = task_of(name, section)
        participants, outcome = everybody(cohort / "participants.tsv", task)
        outcomes[name] = OutcomeOfPeople(task, participants, outcome)
    return outcomes


def words_of(metric: Metric) -> MetricWords:
    """Return what the page says of a metric."""
    return MetricWords(
        name=metric.name,
        label=metric.label,
        better=metric.better,
        chance=metric.chance,
        best=metric.best,
        meaning=metric.meaning,
    )

"""Time until an event: a log relative risk, or a hazard for each interval of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.survival import SurvivalOutcome
from gendmr.errors import FoldError, OutcomeError
from gendmr.files.tables import MISSING, Kind
from gendmr.statistics.intervals import percentile_interval, resample_counts
from gendmr.statistics.survival import harrell_c, resampled_harrell_c
from gendmr.tasks.base import Effect, ParsedOutcome, Task
from gendmr.tasks.judged import Judged
from gendmr.tasks.pooling import pool_people
from gendmr.tasks.reading import check_minimum, own_numbers
from gendmr.tasks.survival.columns import GRID, HORIZONS, SURVIVAL, arrays
from gendmr.tasks.survival.cox import CoxModel
from gendmr.tasks.survival.discrete import DiscreteModel
from gendmr.tasks.survival.outcome import CensoredTimes
from gendmr.tasks.survival.users import users_times

if TYPE_CHECKING:
    import torch

PARTS = ("train", "validation", "held-out")
EFFECT = Effect(
    lambda outcome: int(outcome.event.sum()),
    "the number of events",
    allele="hazard ratio per allele",
    measurement="hazard ratio per SD",
    allele_ratio=True,
    measurement_ratio=True,
)


def build(name: str, section: SurvivalOutcome) -> Task[CensoredTimes]:
    """Return the task of a time until an event."""
    model = CoxModel() if section.model == "cox" else DiscreteModel(section.intervals)
    return SurvivalTask(name, section, model)


@dataclass
class SurvivalTask(Judged):
    """See `gendmr.tasks.base.Task`.

    Parameters
    ----------
    name : str
    section : SurvivalOutcome
    model : CoxModel or DiscreteModel
    """

    name: str
    section: SurvivalOutcome
    model: CoxModel | DiscreteModel

    kind = "survival"
    effect = EFFECT

    def __post_init__(self) -> None:
        self.label = self.section.label or self.name
        self.n_outputs = self.model.n_outputs
        self.stored: Mapping[str, Kind] = {"time": "number", "event": "integer"}
        self.columns: Mapping[str, Kind] = {
            "time": "number",
            "event": "integer",
            "risk": "number",
            **dict.fromkeys(HORIZONS, "number"),
            **dict.fromkeys(SURVIVAL, "number"),
        }

    def wanted(self) -> tuple[str, ...]:
        """Return the columns of time and event."""
        return self.section.time, self.section.event

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Return time and event; people with one of them only are a reason."""
        time, event, reason = users_times(table, where, self.section, self.name)
        valid = reason == ""
        events = event.where(valid).astype("Int64")
        return ParsedOutcome(pd.DataFrame({"time": time.where(valid), "event": events}), reason)

    def read(self, columns: Mapping[str, pd.Series], where: str) -> CensoredTimes:
        """Return time and event, from our own columns."""
        time = own_numbers(columns["time"], f"{where}, column {self.name}_time")
        event = own_numbers(columns["event"], f"{where}, column {self.name}_event")
        complete = np.isfinite(time) & np.isfinite(event)
        half = np.isfinite(time) != np.isfinite(event)
        wrong = half | (complete & ((time <= 0) | ~np.isin(event, (0, 1))))
        if wrong.any():
            raise OutcomeError(
                f"{where}: {int(wrong.sum())} people have no time above 0 with an event of 0 or 1",
                cause="a table that was edited by hand",
                next_step="remove it, and run the stage cohort again",
            )
        return CensoredTimes(np.where(complete, time, 0.0), complete & (event == 1), complete)

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the meaning of both columns."""
        time: dict[str, Any] = {"Description": f"{self.label}, or until the person was last seen"}
        if self.section.unit:
            time["Units"] = self.section.unit
        return {
            "time": time,
            "event": {
                "Description": f"whether the time is that of the event ({self.label})",
                "Levels": {"1": "the event was seen", "0": "last seen without the event"},
            },
        }

    def groups(self, outcome: CensoredTimes) -> np.ndarray:
        """Return event and censored."""
        sides = np.where(outcome.event, "event", "censored").astype(object)
        return np.where(outcome.known, sides, MISSING)

    def check_parts(self, outcome: CensoredTimes, part: np.ndarray, where: str) -> None:
        """Refuse a part in which nobody had the event."""
        for name in PARTS:
            inside = (part == name) & outcome.known
            if not (inside & outcome.event).any():
                raise FoldError(
                    f"{where}: nobody of its {int(inside.sum())} {name} people had the event"
                    f" ({self.name})",
                    cause="few events, or most of them in one family or group",
                    next_step="fewer cohort.folds, a larger cohort.inner_validation, or no"
                    " group_by",
                )

    def check_groups(self, outcome: CensoredTimes, groups: np.ndarray, folds: int) -> None:
        """Refuse a cohort with fewer groups with an event than folds."""
        inside = outcome.event & outcome.known
        description = f"people with the event ({self.name})"
        fault = check_minimum(len(set(groups[inside])), int(inside.sum()), description, folds)
        if fault:
            raise FoldError(fault[0], cause=fault[1], next_step=fault[2])

    def fit(self, outcome: CensoredTimes) -> SurvivalTask:
        """Return the task with the intervals of training people."""
        if not (outcome.event & outcome.known).any():
            raise OutcomeError(
                f"{self.name}: none of {int(outcome.known.sum())} training people had the event",
                cause="people with the event lack the modalities that are needed",
                next_step="bring more people, or fewer cohort.folds",
            )
        return replace(self, model=self.model.fit(outcome))

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return the ends of the intervals of `discrete`."""
        return self.model.constants()

    def weights(self, outcome: CensoredTimes) -> np.ndarray:
        """Return 1; 0 where the outcome is unknown."""
        return outcome.known.astype(np.float64)

    def target(self, outcome: CensoredTimes) -> Mapping[str, np.ndarray]:
        """Return what the loss of the model reads."""
        return self.model.target(outcome)

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss of the model for each person."""
        return self.model.loss(output, target, weight)

    def losses(self, output: np.ndarray, outcome: CensoredTimes) -> np.ndarray:
        """Return the loss of the model for each person."""
        return self.model.losses(output, outcome)

    def calibrate(
        self,
        output: np.ndarray,
        outcome: CensoredTimes,
        train_output: np.ndarray,
        train_outcome: CensoredTimes,
    ) -> Mapping[str, Any]:
        """Return times of the stored curves, mean log risk and baseline of training people.

        The times are the configured horizons and, for the rest, quantiles of training people's
        event times.
        """
        has_outcome = train_outcome.known
        train_output, train_outcome = train_output[has_outcome], train_outcome.take(has_outcome)
        events = train_outcome.time[train_outcome.event]
        configured = sorted(self.section.horizons)[:GRID]
        n_quantiles = GRID - len(configured)
        # The last is short of the longest time, at which hardly anybody is left.
        shares = (
            np.append(np.arange(1, n_quantiles) / n_quantiles, 1 - 0.5 / n_quantiles)
            if n_quantiles
            else np.zeros(0)
        )
        horizons = np.sort(
            np.append(np.quantile(events, shares, method="inverted_cdf"), configured)
        )
        return {
            "horizons": [float(time) for time in horizons],
            "mean_log_risk": float(self.model.log_risk(train_output).mean()),
            **self.model.baseline(train_output, train_outcome, horizons),
        }

    def predictions(
        self, output: np.ndarray, outcome: CensoredTimes, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return time, event, risk against the mean of training people, and survival curves.

        The risk of folds is comparable because of that: a Cox model says nothing of its level.
        """
        event: Any = outcome.event.astype(int)
        if not outcome.known.all():
            event = pd.array(event, dtype="Int64")
            event[~outcome.known] = pd.NA
        curves = self.model.survival(output, calibration)
        columns: dict[str, Any] = {
            "time": np.where(outcome.known, outcome.time, np.nan),
            "event": event,
            "risk": self.model.log_risk(output) - calibration["mean_log_risk"],
        }
        for number, name in enumerate(HORIZONS):
            columns[name] = np.full(len(outcome), calibration["horizons"][number])
        for number, name in enumerate(SURVIVAL):
            columns[name] = curves[:, number]
        return pd.DataFrame(columns)

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return the weights of the model."""
        return self.model.contrast(output)

    def notes(self, outcome: CensoredTimes, role: str) -> list[str]:
        """Return a note where nobody had the event."""
        if (outcome.event & outcome.known).any():
            return []
        return [
            f"None of {int(outcome.known.sum())} {role} people had the event: their concordance is"
            " n/a."
        ]

    def score(self, output: np.ndarray, outcome: CensoredTimes) -> float:
        """Return Harrell's C."""
        return harrell_c(outcome.time, outcome.event, self.model.log_risk(output))

    def fewest(self, outcome: CensoredTimes) -> int:
        """Return the number of people with the event."""
        return int((outcome.event & outcome.known).sum())

    def response(self, outcome: CensoredTimes) -> np.ndarray:
        """Return martingale residuals without covariates."""
        return self.phenotypes(outcome, np.zeros((len(outcome), 0)))

    def reference(self, outcome: CensoredTimes) -> np.ndarray:
        """Return everybody: who has the event is not known yet."""
        return np.ones(len(outcome), dtype=bool)

    def design(self, outcome: CensoredTimes) -> np.ndarray:
        """Return a constant, the event and the martingale residual."""
        return np.column_stack(
            [np.ones(len(outcome)), outcome.event.astype(np.float64), self.response(outcome)]
        )

    def phenotypes(self, outcome: CensoredTimes, covariates: np.ndarray) -> np.ndarray:
        """Return martingale residuals of the Cox regression on the covariates."""
        from gendmr.statistics.residuals import martingale_residuals

        return martingale_residuals(outcome.time, outcome.event, covariates)[:, None]

    def linear(
        self, features: np.ndarray, outcome: CensoredTimes, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ridge Cox regression."""
        return self.model.linear(features, outcome, penalty)

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return risks and survival curves averaged over repeats."""
        return pool_people(rows, ("time", "event"), ("risk", *HORIZONS, *SURVIVAL))

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the bootstrap interval of Harrell's C; with and without event drawn apart."""
        time, event, risk = arrays(rows)
        counts = resample_counts(random, event)
        return percentile_interval(resampled_harrell_c(time, event, risk, counts))

"""A measurement: predicted in standard deviations of training people, told in its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.errors import FoldError, OutcomeError
from gendmr.files.tables import MISSING, Kind
from gendmr.statistics.intervals import (
    correlation,
    percentile_interval,
    resample_counts,
    resampled_correlation,
)
from gendmr.tasks.base import Effect, ParsedOutcome, Task
from gendmr.tasks.judged import Judged
from gendmr.tasks.pooling import pool_people
from gendmr.tasks.quantitative.outcome import Measurements, arrays
from gendmr.tasks.reading import check_minimum, own_numbers, users_numbers

if TYPE_CHECKING:
    import torch

PARTS = ("train", "validation", "held-out")
EFFECT = Effect(
    lambda outcome: int(outcome.known.sum()),
    "the number of people",
    allele="SD of the outcome per allele",
    measurement="correlation with the outcome",
)


def build(name: str, section: QuantitativeOutcome) -> Task[Measurements]:
    """Return the task of a measurement."""
    return QuantitativeTask(name, section)


@dataclass
class QuantitativeTask(Judged):
    """See `gendmr.tasks.base.Task`.

    Parameters
    ----------
    name : str
    section : QuantitativeOutcome
    scale : (float, float), optional
        Mean and standard deviation of training people, after `fit`.
    """

    name: str
    section: QuantitativeOutcome
    scale: tuple[float, float] | None = None

    kind = "quantitative"
    n_outputs = 1
    effect = EFFECT

    def __post_init__(self) -> None:
        self.label = self.section.label or self.name
        self.stored: Mapping[str, Kind] = {"": "number"}
        self.columns: Mapping[str, Kind] = {"observed": "number", "predicted": "number"}

    @property
    def mean_sd(self) -> tuple[float, float]:
        """Mean and standard deviation of training people."""
        if self.scale is None:
            raise RuntimeError("the task has not been fitted")
        return self.scale

    def wanted(self) -> tuple[str, ...]:
        """Return the column of the measurement."""
        return (self.section.column,)

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Return the measurement; what is no number is a reason."""
        column = self.section.column
        values, reason = users_numbers(table[column], where, column)
        valid = values[reason == ""]
        if valid.nunique() < 2:
            raise OutcomeError(
                f"{where}: column {column}: {len(valid)} people have a value, and"
                f" {'all the same' if len(valid) else 'nobody has one'}",
                cause="another column is meant, or an export that was filled with one value",
                next_step=f"set cohort.outcomes.{self.name}.column to the measurement",
            )
        return ParsedOutcome(pd.DataFrame({"": values}), reason)

    def read(self, columns: Mapping[str, pd.Series], where: str) -> Measurements:
        """Return the measurement, from our own column."""
        return Measurements(own_numbers(columns[""], f"{where}, column {self.name}"))

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the meaning of the column."""
        entry: dict[str, Any] = {"Description": f"{self.label} of the analysis"}
        if self.section.unit:
            entry["Units"] = self.section.unit
        return {"": entry}

    def groups(self, outcome: Measurements) -> np.ndarray:
        """Return one group of all."""
        return np.where(outcome.known, np.array("all", dtype=object), MISSING)

    def check_parts(self, outcome: Measurements, part: np.ndarray, where: str) -> None:
        """Refuse a part without two different values."""
        for name in PARTS:
            values = outcome.value[(part == name) & outcome.known]
            if len(np.unique(values)) < 2:
                raise FoldError(
                    f"{where}: its {len(values)} {name} people do not have two different values of"
                    f" {self.name}",
                    cause="few people, or a measurement of few values",
                    next_step="fewer cohort.folds, a larger cohort.inner_validation, or no"
                    " group_by",
                )

    def check_groups(self, outcome: Measurements, groups: np.ndarray, folds: int) -> None:
        """Refuse a cohort with fewer independent groups than folds."""
        inside = outcome.known
        description = f"people with a value of {self.name}"
        fault = check_minimum(len(set(groups[inside])), int(inside.sum()), description, folds)
        if fault:
            raise FoldError(fault[0], cause=fault[1], next_step=fault[2])

    def fit(self, outcome: Measurements) -> QuantitativeTask:
        """Return the task with mean and standard deviation of training people."""
        values = outcome.value[outcome.known]
        if len(np.unique(values)) < 2:
            raise OutcomeError(
                f"{self.name}: {len(values)} training people do not have two different values",
                cause="people with other values lack the modalities that are needed",
                next_step="bring more people, or fewer cohort.folds",
            )
        return replace(self, scale=(float(values.mean()), float(values.std())))

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return mean and standard deviation of training people."""
        if self.scale is None:
            return {}
        return {"mean": np.array([self.scale[0]]), "sd": np.array([self.scale[1]])}

    def weights(self, outcome: Measurements) -> np.ndarray:
        """Return 1; 0 where the outcome is unknown."""
        return outcome.known.astype(np.float64)

    def _standardised(self, outcome: Measurements) -> np.ndarray:
        mean, sd = self.mean_sd
        return np.where(outcome.known, (outcome.value - mean) / sd, 0.0)

    def target(self, outcome: Measurements) -> Mapping[str, np.ndarray]:
        """Return the measurement in standard deviations; 0 where it is unknown."""
        return {"value": self._standardised(outcome).astype(np.float32)}

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return half the squared error of each person, in variances of training people."""
        return (output[:, 0] - target["value"]) ** 2 / 2

    def losses(self, output: np.ndarray, outcome: Measurements) -> np.ndarray:
        """Return the same in float64."""
        error = output[:, 0].astype(np.float64) - self._standardised(outcome)
        return np.asarray(error**2 / 2)

    def calibrate(
        self,
        output: np.ndarray,
        outcome: Measurements,
        train_output: np.ndarray,
        train_outcome: Measurements,
    ) -> Mapping[str, Any]:
        """Return nothing: the mean and the standard deviation are those of `fit`."""
        return {}

    def predictions(
        self, output: np.ndarray, outcome: Measurements, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return observed and predicted values, in the unit of the measurement."""
        mean, sd = self.mean_sd
        predicted = mean + sd * output[:, 0].astype(np.float64)
        return pd.DataFrame({"observed": outcome.value, "predicted": predicted})

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1: attributions are of the value in standard deviations."""
        return np.ones_like(output)

    def notes(self, outcome: Measurements, role: str) -> list[str]:
        """Return a note where no correlation can be told."""
        values = outcome.value[outcome.known]
        if len(np.unique(values)) > 1:
            return []
        return [
            f"{len(values)} {role} people do not have two different values of {self.name}: their"
            " correlation is n/a."
        ]

    def score(self, output: np.ndarray, outcome: Measurements) -> float:
        """Return Pearson's r."""
        return correlation(outcome.value, output[:, 0])

    def fewest(self, outcome: Measurements) -> int:
        """Return the number of people; 0 where all have one value."""
        values = outcome.value[outcome.known]
        return len(values) if len(np.unique(values)) > 1 else 0

    def response(self, outcome: Measurements) -> np.ndarray:
        """Return the measurement in standard deviations of training people."""
        return self._standardised(outcome)[:, None]

    def trait(self, outcome: Measurements) -> np.ndarray:
        """Return the measurement, in its own unit."""
        return np.asarray(outcome.value, dtype=np.float64)

    def reference(self, outcome: Measurements) -> np.ndarray:
        """Return everybody: nobody is affected more than another."""
        return np.ones(len(outcome), dtype=bool)

    def design(self, outcome: Measurements) -> np.ndarray:
        """Return a constant and the measurement."""
        return np.column_stack([np.ones(len(outcome)), self._standardised(outcome)])

    def phenotypes(self, outcome: Measurements, covariates: np.ndarray) -> np.ndarray:
        """Return residuals of the linear regression on the covariates, in the unit."""
        from gendmr.statistics.residuals import linear_residuals

        return linear_residuals(outcome.value, covariates)[:, None]

    def linear(
        self, features: np.ndarray, outcome: Measurements, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ridge regression of the value in standard deviations."""
        from sklearn.linear_model import Ridge

        value = self._standardised(outcome)
        if not features.shape[1]:
            return np.zeros((0, 1)), np.array([value.mean()])
        # scikit-learn minimises twice our objective (no 1/2 on squares and penalty): same optimum.
        model = Ridge(alpha=penalty, solver="cholesky").fit(features, value)
        return model.coef_[:, None], np.array([float(model.intercept_)])

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return predicted values averaged over repeats."""
        return pool_people(rows, ("observed",), ("predicted",))

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the bootstrap interval of Pearson's r over people."""
        counts = resample_counts(random, np.zeros(len(rows)))
        return percentile_interval(resampled_correlation(*arrays(rows), counts))

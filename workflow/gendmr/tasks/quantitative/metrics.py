"""Metrics of a predicted measurement, from rows of predictions.tsv."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.statistics.intervals import correlation
from gendmr.tasks.base import Metric, Task
from gendmr.tasks.quantitative.outcome import arrays


def pearson(rows: pd.DataFrame) -> float:
    """Return Pearson's correlation of observed and predicted; NaN where one does not vary."""
    return correlation(*arrays(rows))


def r_squared(rows: pd.DataFrame) -> float:
    """Return 1 less the squared error over that of the mean of these very people.

    Below 0 where this mean, which no model knew, predicts better. NaN where nothing varies.
    """
    observed, predicted = arrays(rows)
    if len(observed) < 2 or not np.ptp(observed):
        return float("nan")
    total = ((observed - observed.mean()) ** 2).sum()
    return float(1 - ((observed - predicted) ** 2).sum() / total)


def absolute_error(rows: pd.DataFrame) -> float:
    """Return the mean absolute error, in the unit of the measurement."""
    observed, predicted = arrays(rows)
    return float(np.abs(observed - predicted).mean()) if len(rows) else float("nan")


def squared_error(rows: pd.DataFrame) -> float:
    """Return the root of the mean squared error, in the unit of the measurement."""
    observed, predicted = arrays(rows)
    return float(np.sqrt(((observed - predicted) ** 2).mean())) if len(rows) else float("nan")


def spearman(rows: pd.DataFrame) -> float:
    """Return the correlation of ranks; equal values share their mean rank."""
    return correlation(*(pd.Series(values).rank().to_numpy() for values in arrays(rows)))


METRICS: tuple[Metric, ...] = (
    Metric(
        "r",
        "Pearson's r",
        "higher",
        pearson,
        0.0,
        spread=(-1, 1),
        meaning="the correlation of predicted with observed values",
    ),
    Metric("r2", "R²", "higher", r_squared, 0.0),
    Metric("mae", "mean absolute error", "lower", absolute_error),
    Metric("rmse", "root mean squared error", "lower", squared_error),
    Metric("spearman", "Spearman's ρ", "higher", spearman, 0.0, spread=(-1, 1)),
)


def metrics(task: Task) -> tuple[Metric, ...]:
    """Return the metrics of a measurement, which are the same for every task."""
    return METRICS

"""Metrics of predicted risks and survival curves, from rows of predictions.tsv."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.statistics import survival
from gendmr.tasks.base import Metric
from gendmr.tasks.survival.columns import HORIZONS, SURVIVAL, arrays

if TYPE_CHECKING:
    from gendmr.tasks.survival.task import SurvivalTask

THIRDS = ("low", "middle", "high")


def quartiles(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return the quartiles of the times of events, float64 (3,)."""
    return np.asarray(np.quantile(time[event], [0.25, 0.5, 0.75], method="inverted_cdf"))


def thirds(risk: np.ndarray) -> np.ndarray:
    """Return the third of the risk of each person, int (person,): 0 low to 2 high.

    Equal risks are in one third.
    """
    cuts = np.quantile(risk, [1 / 3, 2 / 3], method="inverted_cdf")
    return np.searchsorted(cuts, risk, side="left")


def harrell(rows: pd.DataFrame) -> float:
    """Return Harrell's concordance."""
    return survival.harrell_c(*arrays(rows))


def uno(rows: pd.DataFrame, train: pd.DataFrame) -> float:
    """Return Uno's concordance."""
    time, event, _ = arrays(train)
    return survival.uno_c(time, event, *arrays(rows))


def integrated_brier(rows: pd.DataFrame, train: pd.DataFrame) -> float:
    """Return the Brier score, averaged over the grid of times of the fold."""
    if rows.empty:
        return float("nan")
    at = rows[list(HORIZONS)].iloc[0].to_numpy(float)
    time, event, _ = arrays(train)
    own_time, own_event, _ = arrays(rows)
    curves = rows[list(SURVIVAL)].to_numpy(float)
    score = survival.brier(time, event, own_time, own_event, curves, at)
    return survival.integrated_brier(score, at)


def mean_auc(rows: pd.DataFrame, train: pd.DataFrame, horizons: tuple[float, ...]) -> float:
    """Return the mean of the time-dependent AUC over the horizons at which it can be told."""
    time, event, _ = arrays(train)
    if not event.any():
        return float("nan")
    at = np.array(horizons) if horizons else quartiles(time, event)
    areas = survival.cumulative_dynamic_auc(time, event, *arrays(rows), at)
    return float(areas[np.isfinite(areas)].mean()) if np.isfinite(areas).any() else float("nan")


def logrank_p(rows: pd.DataFrame) -> float:
    """Return the log-rank p-value of the thirds of the risk."""
    if rows.empty:
        return float("nan")
    time, event, risk = arrays(rows)
    return survival.logrank(time, event, thirds(risk))[1]


def metrics(task: SurvivalTask) -> tuple[Metric, ...]:
    """Return the metrics; Harrell's concordance is the primary one.

    The time-dependent AUC is of the configured horizons, or of the quartiles of training people's
    event times.
    """
    auc = partial(mean_auc, horizons=task.section.horizons)
    return (
        Metric(
            "c_index",
            "Harrell's C",
            "higher",
            harrell,
            0.5,
            spread=(0, 1),
            meaning="how often, of two people of whom one is known to have had the event first,"
            " that one gets the higher risk",
        ),
        Metric("uno_c", "Uno's C", "higher", uno, 0.5, needs_train=True, spread=(0, 1)),
        Metric(
            "ibs",
            "integrated Brier score",
            "lower",
            integrated_brier,
            needs_train=True,
            spread=(0, 1),
        ),
        Metric("auc_t", "time-dependent AUC", "higher", auc, 0.5, needs_train=True, spread=(0, 1)),
        Metric("logrank_p", "log-rank p of thirds of risk", "lower", logrank_p, spread=(0, 1)),
    )

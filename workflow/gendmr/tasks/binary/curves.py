"""ROC curves and calibration of held-out people, with intervals: numbers, not pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.seeds import generator
from gendmr.statistics.classification import auc
from gendmr.statistics.intervals import wilson
from gendmr.statistics.smoothing import local_linear

GRID = np.linspace(0.0, 1.0, 101)
BOOTSTRAPS = 500
LEVEL = 0.95
BINS, IN_BIN = 10, 20  # at most so many bins, at least so many people in each


@dataclass(frozen=True)
class MeanRoc:
    """A mean ROC curve over folds.

    Attributes
    ----------
    sensitivity : ndarray (101,)
        Share of cases called cases, at the shares `GRID` of controls called cases.
    low, high : ndarray (101,)
        Pointwise 95 % interval.
    area : float
        Mean AUC over folds.
    area_low, area_high : float
        95 % interval of `area` over the same resamples.
    """

    sensitivity: np.ndarray
    low: np.ndarray
    high: np.ndarray
    area: float
    area_low: float
    area_high: float


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed shares of cases against predicted ones.

    Attributes
    ----------
    predicted, observed : ndarray (bins,)
        Mean score and share of cases of each bin.
    low, high : ndarray (bins,)
        95 % interval of the share (Wilson 1927).
    people : ndarray (bins,)
    x, smooth : ndarray (points,)
        Local linear regression of the class on the score; empty where all scores are equal.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    people: np.ndarray
    x: np.ndarray
    smooth: np.ndarray


def mean_roc(rows: pd.DataFrame) -> np.ndarray | None:
    """Return the mean true-positive rate at 101 false-positive rates, over folds with both groups.

    Parameters
    ----------
    rows : DataFrame
        Columns `repeat`, `fold`, `observed` (0, 1) and `score`.
    """
    curves = [
        _curves(score, truth, np.ones((1, len(score))))[0] for _, score, truth in _folds(rows)
    ]
    return np.mean(curves, axis=0) if curves else None


def roc(rows: pd.DataFrame, method: str) -> MeanRoc | None:
    """Return the mean ROC curve with a pointwise bootstrap interval over people.

    People are drawn with replacement within fold and class of the first repeat, so that every
    fold keeps its cases and controls; a person counts as often in all repeats. The interval is
    that of the 500 mean curves; it does not hold what other training people would change.

    Parameters
    ----------
    rows : DataFrame
        Columns `participant_id`, `repeat`, `fold`, `observed` (0, 1) and `score`.
    method : str
        Names the draws.

    Returns
    -------
    MeanRoc or None
        None where no fold has cases and controls.
    """
    sensitivity = mean_roc(rows)
    if sensitivity is None:
        return None
    first = rows.drop_duplicates("participant_id").reset_index(drop=True)
    person = pd.Series(np.arange(len(first)), index=first["participant_id"])
    weights = np.zeros((BOOTSTRAPS, len(first)))
    random = generator(0, "roc", method)
    for _, stratum in first.groupby(["repeat", "fold", "observed"]):
        size = len(stratum)
        weights[:, stratum.index] = random.multinomial(size, np.full(size, 1 / size), BOOTSTRAPS)
    total, folds = np.zeros((BOOTSTRAPS, len(GRID))), np.zeros((BOOTSTRAPS, 1))
    for part, score, truth in _folds(rows):
        fold_weights = weights[:, person[part["participant_id"]].to_numpy()]
        # A fold of a later repeat may draw no case or no control.
        has_both_classes = (fold_weights @ truth > 0) & (fold_weights @ (1 - truth) > 0)
        total[has_both_classes] += _curves(score, truth, fold_weights[has_both_classes])
        folds[has_both_classes] += 1
    tail = 100 * (1 - LEVEL) / 2
    curves = total / np.maximum(folds, 1)
    low, high = np.percentile(curves, [tail, 100 - tail], axis=0)
    areas = [auc(truth, score) for _, score, truth in _folds(rows)]
    # The area below a curve on the grid differs from the exact one: shift the interval by that.
    shift = float(np.mean(areas)) - _area(sensitivity)
    bounds = np.percentile([_area(curve) for curve in curves], [tail, 100 - tail]) + shift
    return MeanRoc(sensitivity, low, high, float(np.mean(areas)), *np.clip(bounds, 0, 1).tolist())


def _area(curve: np.ndarray) -> float:
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(GRID)).sum())


def _folds(rows: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, np.ndarray, np.ndarray]]:
    """Yield the rows, scores and classes of each fold that holds out cases and controls."""
    for _, part in rows.groupby(["repeat", "fold"]):
        truth = part["observed"].to_numpy(int)
        if truth.min() != truth.max():
            yield part, part["score"].to_numpy(float), truth


def _curves(score: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return true-positive rates on `GRID` for each row of weights (draws, people)."""
    order = np.argsort(-score, kind="stable")
    # A threshold lies between different scores only: ties move together.
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    ordered = weights[:, order]
    true = np.cumsum(ordered * truth[order], axis=1)[:, last]
    false = np.cumsum(ordered * (1 - truth[order]), axis=1)[:, last]
    zero = np.zeros(1)
    return np.array(
        [
            np.interp(GRID, np.append(zero, f / f[-1]), np.append(zero, t / t[-1]))
            for t, f in zip(true, false, strict=True)
        ]
    ).reshape(-1, len(GRID))


def calibration(rows: pd.DataFrame) -> CalibrationCurve:
    """Compare predicted probabilities of held-out people with the shares of cases among them.

    Bins hold about equally many people, at least 20 where there are 40. A person who is held out
    in several repeats has several scores, which count for a fraction each: the intervals are those
    of people, not of rows.

    Parameters
    ----------
    rows : DataFrame
        Columns `participant_id`, `observed` (0, 1) and `score`; not empty.
    """
    score = rows["score"].to_numpy(float)
    truth = rows["observed"].to_numpy(float)
    weight = 1 / rows.groupby("participant_id")["score"].transform("size").to_numpy(float)
    bins = int(np.clip(weight.sum() // IN_BIN, 1, BINS))
    # Equal scores stay in one bin; bounds are scores, the same however often people are repeated.
    inner = np.unique(np.quantile(score, np.arange(1, bins) / bins, method="inverted_cdf"))
    member = np.searchsorted(inner, score, side="left")
    used = np.unique(member)
    people, cases, sums = (
        np.array([values[member == b].sum() for b in used])
        for values in (weight, weight * truth, weight * score)
    )
    low, high = wilson(cases, people)
    x, smooth = local_linear(score, truth, weight)
    return CalibrationCurve(sums / people, cases / people, low, high, people, x, smooth)

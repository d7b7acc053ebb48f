"""ROC curves and calibration of held-out people, with intervals: numbers, not pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.seeds import generator

GRID = np.linspace(0.0, 1.0, 101)
BOOTSTRAPS = 500
LEVEL = 0.95
BINS, IN_BIN = 10, 20  # at most so many bins, at least so many people in each
SPAN = 0.75  # share of people whose scores are near enough to count for a point of the curve
POINTS = 41  # of the smooth curve


@dataclass(frozen=True)
class Roc:
    """A mean ROC curve over folds.

    Attributes
    ----------
    found : ndarray (101,)
        Share of cases found, at the shares `GRID` of controls called cases.
    low, high : ndarray (101,)
        Pointwise 95 % interval.
    """

    found: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Observed shares of cases against predicted ones.

    Attributes
    ----------
    predicted, observed : ndarray (bins,)
        Mean score and share of cases of each bin.
    low, high : ndarray (bins,)
        95 % interval of the share (Wilson 1927).
    people : ndarray (bins,)
    x, smooth : ndarray (points,)
        Local linear regression of the diagnosis on the score; empty where all scores are equal.
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
        Columns `repeat`, `fold`, `diagnosis` (0, 1) and `score`.
    """
    curves = [
        _curves(score, truth, np.ones((1, len(score))))[0] for _, score, truth in _folds(rows)
    ]
    return np.mean(curves, axis=0) if curves else None


def roc(rows: pd.DataFrame, method: str) -> Roc | None:
    """Return the mean ROC curve with a pointwise bootstrap interval over people.

    People are drawn with replacement within fold and diagnosis of the first repeat, so that every
    fold keeps its cases and controls; a person counts as often in all repeats. The interval is
    that of the 500 mean curves; it does not hold what other training people would change.

    Parameters
    ----------
    rows : DataFrame
        Columns `participant_id`, `repeat`, `fold`, `diagnosis` (0, 1) and `score`.
    method : str
        Names the draws.

    Returns
    -------
    Roc or None
        None where no fold has cases and controls.
    """
    found = mean_roc(rows)
    if found is None:
        return None
    first = rows.drop_duplicates("participant_id").reset_index(drop=True)
    person = pd.Series(np.arange(len(first)), index=first["participant_id"])
    weights = np.zeros((BOOTSTRAPS, len(first)))
    random = generator(0, "roc", method)
    for _, stratum in first.groupby(["repeat", "fold", "diagnosis"]):
        size = len(stratum)
        weights[:, stratum.index] = random.multinomial(size, np.full(size, 1 / size), BOOTSTRAPS)
    total, folds = np.zeros((BOOTSTRAPS, len(GRID))), np.zeros((BOOTSTRAPS, 1))
    for part, score, truth in _folds(rows):
        drawn = weights[:, person[part["participant_id"]].to_numpy()]
        # A fold of a later repeat may draw no case or no control.
        both = (drawn @ truth > 0) & (drawn @ (1 - truth) > 0)
        total[both] += _curves(score, truth, drawn[both])
        folds[both] += 1
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(total / np.maximum(folds, 1), [tail, 100 - tail], axis=0)
    return Roc(found, low, high)


def _folds(rows: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, np.ndarray, np.ndarray]]:
    """Yield the rows, scores and diagnoses of each fold that holds out cases and controls."""
    for _, part in rows.groupby(["repeat", "fold"]):
        truth = part["diagnosis"].to_numpy(int)
        if truth.min() != truth.max():
            yield part, part["score"].to_numpy(float), truth


def _curves(score: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return true-positive rates on `GRID` for each row of weights (draws, people)."""
    order = np.argsort(-score, kind="stable")
    # A threshold lies between different scores only: ties move together.
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    ordered = weights[:, order]
    found = np.cumsum(ordered * truth[order], axis=1)[:, last]
    false = np.cumsum(ordered * (1 - truth[order]), axis=1)[:, last]
    zero = np.zeros(1)
    return np.array(
        [
            np.interp(GRID, np.append(zero, f / f[-1]), np.append(zero, t / t[-1]))
            for t, f in zip(found, false, strict=True)
        ]
    ).reshape(-1, len(GRID))


def wilson(count: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of a share (Wilson 1927, JASA 22:209), at score ± z SE.

    >>> low, high = wilson(np.array([8.0]), np.array([10.0]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.49, 0.943)

    Parameters
    ----------
    count, of : ndarray
        Cases, and all people (may be sums of weights); `of` is above 0.
    """
    z2 = 1.959963984540054**2
    share = count / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of**2))) / (1 + z2 / of)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def calibration(rows: pd.DataFrame) -> Calibration:
    """Compare predicted probabilities of held-out people with the shares of cases among them.

    Bins hold about equally many people, at least 20 where there are 40. A person who is held out
    in several repeats has several scores, which count for a fraction each: the intervals are those
    of people, not of rows.

    Parameters
    ----------
    rows : DataFrame
        Columns `participant_id`, `diagnosis` (0, 1) and `score`; not empty.
    """
    score = rows["score"].to_numpy(float)
    truth = rows["diagnosis"].to_numpy(float)
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
    return Calibration(sums / people, cases / people, low, high, people, x, smooth)


def local_linear(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth curve of shares: loess of degree 1 (Cleveland 1979, JASA 74:829).

    Weights are tricube in the distance to the `SPAN` of the rows that are nearest, without the
    robustness steps, which mean nothing for 0 and 1 (Austin & Steyerberg 2014, Stat Med 33:517).

    Parameters
    ----------
    x, y, weight : ndarray (n,)

    Returns
    -------
    at, curve : ndarray (points,)
        From the 2.5th to the 97.5th percentile of `x`, clipped to 0 and 1; empty where these are
        the same.
    """
    low, high = np.percentile(x, [2.5, 97.5])
    if len(x) < IN_BIN or low == high:
        return np.zeros(0), np.zeros(0)
    at = np.linspace(low, high, POINTS)
    near = max(int(np.ceil(SPAN * len(x))), 2)
    curve = np.empty(POINTS)
    for i, place in enumerate(at):
        away = x - place
        # Never so narrow that ties leave one place only.
        reach = max(np.partition(np.abs(away), near - 1)[near - 1], (high - low) / 3)
        w = weight * np.clip(1 - np.abs(away / reach) ** 3, 0, None) ** 3
        s0, s1, s2 = w.sum(), (w * away).sum(), (w * away**2).sum()
        t0, t1 = (w * y).sum(), (w * away * y).sum()
        spread = s0 * s2 - s1**2
        flat = spread <= 1e-12 * s0 * max(s2, 1e-300)
        if s0 <= 0:
            curve[i] = np.nan
        else:
            curve[i] = t0 / s0 if flat else (s2 * t0 - s1 * t1) / spread
    return at, np.clip(curve, 0, 1)

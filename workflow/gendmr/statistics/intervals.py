"""Intervals: of means over folds, of shares, and by resampling people."""

from __future__ import annotations

import numpy as np

BOOTSTRAPS = 2000


def nadeau_bengio(values: np.ndarray, ratio: float) -> tuple[float, float, float]:
    """Return the mean over folds with its 95 % interval, for overlapping training sets.

    Nadeau & Bengio (2003), Machine Learning 52:239: the variance of the mean of J folds is
    (1/J + n_test/n_train) times the variance over folds; t distribution with J - 1 degrees of
    freedom. Folds without a value do not count.

    Parameters
    ----------
    values : float (folds,)
    ratio : float
        Held-out people per training person.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if values.size == 1:
        return mean, np.nan, np.nan
    error = np.sqrt((1 / values.size + ratio) * values.var(ddof=1))
    half = float(stdtrit(values.size - 1, 0.975) * error)
    return mean, mean - half, mean + half


def bootstrap_auc(
    truth: np.ndarray, score: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC over resampled people.

    Cases and controls are drawn apart, so that every resample has both.

    Parameters
    ----------
    truth : int (person,)
        1 or 0.
    score : float (person,)
    random : numpy.random.Generator
    """
    cases, controls = score[truth == 1], score[truth == 0]
    if not cases.size or not controls.size:
        return np.nan, np.nan
    order = np.argsort(controls, kind="stable")
    below = np.searchsorted(controls[order], cases, side="left")
    upto = np.searchsorted(controls[order], cases, side="right")
    values = np.empty(BOOTSTRAPS)
    for number in range(BOOTSTRAPS):
        counts = np.bincount(
            random.integers(controls.size, size=controls.size), minlength=order.size
        )
        cumulated = np.concatenate([[0], np.cumsum(counts)])
        wins = (cumulated[below] + cumulated[upto]) / 2
        values[number] = wins[random.integers(cases.size, size=cases.size)].mean() / controls.size
    return percentile_interval(values)


def resample_counts(
    random: np.random.Generator, strata: np.ndarray, draws: int = BOOTSTRAPS
) -> np.ndarray:
    """Return how often each person is drawn with replacement, float64 (draw, person).

    Parameters
    ----------
    random : numpy.random.Generator
    strata : (person,)
        People are drawn within their stratum, so that each resample has as many of each.
    draws : int
    """
    counts = np.zeros((draws, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        share = np.full(members.size, 1 / members.size)
        counts[:, members] = random.multinomial(members.size, share, draws)
    return counts


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of resampled values; NaN where none is finite."""
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


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


def resampled_auc(truth: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the AUC of resampled people, float64 (draw,); NaN where a draw lacks a class.

    Parameters
    ----------
    truth : bool (person,)
    score : float (person,)
    counts : float (draw, person)
        See `resample_counts`.
    """
    _, place = np.unique(score, return_inverse=True)
    order = np.argsort(place, kind="stable")
    positive = np.where(truth, counts, 0.0)
    negative = np.where(truth, 0.0, counts)[:, order]
    total = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(negative, axis=1)], axis=1)
    below = total[:, np.searchsorted(place[order], place, side="left")]
    upto = total[:, np.searchsorted(place[order], place, side="right")]
    wins = (positive * (below + upto) / 2).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


def resampled_correlation(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of resampled people, float64 (draw,).

    Parameters
    ----------
    x, y : float (person,)
    counts : float (draw, person)
        See `resample_counts`.
    """
    x, y = x - x.mean(), y - y.mean()
    columns = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    n, sum_x, sum_y, sum_xx, sum_yy, sum_xy = (counts @ columns).T
    spread = (n * sum_xx - sum_x**2) * (n * sum_yy - sum_y**2)
    return np.where(
        spread > 0, (n * sum_xy - sum_x * sum_y) / np.sqrt(np.maximum(spread, 1e-300)), np.nan
    )


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of x and y (person,); NaN where one does not vary."""
    if len(x) < 2:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    # The spread of a constant is rounding error: it has no correlation.
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 1e-12 else float("nan")

"""Limits beyond which a number is a mistake."""

from __future__ import annotations

import numpy as np

# Interquartile ranges beyond the quartiles, where values come from a wrong unit or a failed step.
FAR = 20.0
FEWEST_FOR_LIMITS = 8


def limits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits (column,) beyond which a number is a mistake and counts as missing.

    Tukey's fences (1977) at `FAR` interquartile ranges instead of 1.5: far from anything that is
    merely unusual. One such value would decide mean and SD of its column, and so the scale on which
    everybody is seen. No limits where fewer than 8 people have a value or half of them the same.

    Parameters
    ----------
    values : float (people, column)
        NaN where missing.
    """
    low, high = np.full(values.shape[1], -np.inf), np.full(values.shape[1], np.inf)
    finite = np.isfinite(values)
    for column in np.flatnonzero(finite.sum(axis=0) >= FEWEST_FOR_LIMITS):
        first, third = np.quantile(values[finite[:, column], column], [0.25, 0.75])
        if third > first:
            low[column] = first - FAR * (third - first)
            high[column] = third + FAR * (third - first)
    return low, high


def inside(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Return values with NaN for those beyond the limits."""
    return np.where(np.isfinite(values) & (values >= low) & (values <= high), values, np.nan)

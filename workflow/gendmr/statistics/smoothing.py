"""Smooth curves without a model."""

from __future__ import annotations

import numpy as np

ENOUGH = 20  # people, below whom no curve is drawn
SPAN = 0.75  # share of people whose scores are near enough to count for a point of the curve
POINTS = 41  # of the smooth curve


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
    if len(x) < ENOUGH or low == high:
        return np.zeros(0), np.zeros(0)
    at = np.linspace(low, high, POINTS)
    near = max(int(np.ceil(SPAN * len(x))), 2)
    curve = np.empty(POINTS)
    for i, place in enumerate(at):
        distance = x - place
        # Never so narrow that ties leave one place only.
        bandwidth = max(np.partition(np.abs(distance), near - 1)[near - 1], (high - low) / 3)
        w = weight * np.clip(1 - np.abs(distance / bandwidth) ** 3, 0, None) ** 3
        s0, s1, s2 = w.sum(), (w * distance).sum(), (w * distance**2).sum()
        t0, t1 = (w * y).sum(), (w * distance * y).sum()
        spread = s0 * s2 - s1**2
        singular = spread <= 1e-12 * s0 * max(s2, 1e-300)
        if s0 <= 0:
            curve[i] = np.nan
        else:
            curve[i] = t0 / s0 if singular else (s2 * t0 - s1 * t1) / spread
    return at, np.clip(curve, 0, 1)

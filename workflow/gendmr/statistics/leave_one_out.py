"""How far a value lies from what the others predict for it."""

from __future__ import annotations

import numpy as np

MAD_TO_SD = 1.4826  # of a normal distribution
PEOPLE_PER_COLUMN = 20
FEWEST_ROWS = 10
LARGEST_SHARE = 0.2  # of one row in the variance of a component
# From here on a row decides its own prediction, and cannot be judged.
HIGHEST_LEVERAGE = 0.99


def shared_components(scores: np.ndarray) -> np.ndarray:
    """Return the components (row, component) that at least ten rows carry, and none alone a fifth.

    A component that sets one row apart predicts that row and nothing else. How many rows carry a
    component is its participation ratio, (sum of squares)^2 / sum of fourth powers.
    """
    centred = scores - scores.mean(axis=0)
    fourth = (centred**4).sum(axis=0)
    total = np.maximum((centred**2).sum(axis=0), 1e-300)
    carried = total**2 / np.where(fourth > 0, fourth, 1)
    largest_share = (centred**2).max(axis=0) / total
    return np.asarray(scores[:, (carried >= FEWEST_ROWS) & (largest_share <= LARGEST_SHARE)])


def quadratic(scores: np.ndarray) -> np.ndarray:
    """Return an intercept, standardised scores, their squares and products, float (row, column).

    Of the scores (row, component) as many enter, first ones first, as leave 20 rows per column.
    """
    rows = len(scores)
    columns = [np.ones(rows)]
    for count in range(scores.shape[1], 0, -1):
        if rows >= PEOPLE_PER_COLUMN * (1 + count + count * (count + 1) // 2):
            leading = scores[:, :count]
            spread = leading.std(axis=0)
            values = (leading - leading.mean(axis=0)) / np.where(spread > 0, spread, 1)
            columns += list(values.T)
            columns += [values[:, i] * values[:, j] for i in range(count) for j in range(i, count)]
            break
    return np.column_stack(columns)


def leave_one_out(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return how many robust SDs each value lies from what all others predict for it.

    Residuals of the prediction from the other rows, e / (1 - h), divided by their own standard
    error, so that a row far from all others is not blamed for a prediction that is far from sure
    (Belsley, Kuh & Welsch 1980, section 2.1); the SD is 1.4826 median absolute deviations.

    Parameters
    ----------
    values : float (row,)
    design : float (row, column)
        With an intercept.

    Returns
    -------
    float (row,)
        NaN where a row has the leverage to decide its own prediction; 0 where nothing varies.
    """
    basis, triangle = np.linalg.qr(design)
    basis = basis[:, np.abs(np.diag(triangle)) > 1e-9 * np.sqrt(len(design))]
    leverage = (basis**2).sum(axis=1)
    judged = leverage < HIGHEST_LEVERAGE
    residual = values - basis @ (basis.T @ values)
    scaled = np.full(len(values), np.nan)
    scaled[judged] = residual[judged] / np.sqrt(1 - leverage[judged])
    return in_robust_sds(scaled)


def in_robust_sds(residuals: np.ndarray) -> np.ndarray:
    """Return residuals (row,) in robust SDs from their median; 0 where nothing varies."""
    finite = residuals[np.isfinite(residuals)]
    if not finite.size:
        return residuals
    middle = np.median(finite)
    spread = MAD_TO_SD * np.median(np.abs(finite - middle))
    if spread <= 1e-12:
        return np.where(np.isfinite(residuals), 0.0, np.nan)
    return np.asarray((residuals - middle) / spread)

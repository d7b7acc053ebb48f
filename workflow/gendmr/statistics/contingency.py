"""Two-by-two tables: the odds ratio given the margins, its interval, and the exact p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OddsRatio:
    """How much more often something is so in one group than in another.

    Parameters
    ----------
    ratio : float
        Conditional maximum likelihood; infinite where only one group has it, NaN where nobody has
        it, or everybody.
    low, high : float
        Exact 95 % interval.
    p : float
        Fisher's exact test, two-sided.
    """

    ratio: float
    low: float
    high: float
    p: float


def odds_ratio(n_one: int, of_one: int, n_other: int, of_other: int) -> OddsRatio:
    """Return the odds ratio of `n_one` of `of_one` against `n_other` of `of_other` people.

    Notes
    -----
    Conditional on the margins (Cornfield 1956), so that no constant is added where a cell is 0.

    Examples
    --------
    >>> odds_ratio(8, 20, 1, 20).p < 0.05
    True
    """
    from scipy import stats

    table = np.array([[n_one, of_one - n_one], [n_other, of_other - n_other]])
    p = float(stats.fisher_exact(table).pvalue)
    if (table.sum(axis=0) == 0).any() or (table.sum(axis=1) == 0).any():
        return OddsRatio(float("nan"), 0.0, float("inf"), p)
    fitted = stats.contingency.odds_ratio(table)
    interval = fitted.confidence_interval(0.95)
    return OddsRatio(float(fitted.statistic), float(interval.low), float(interval.high), p)

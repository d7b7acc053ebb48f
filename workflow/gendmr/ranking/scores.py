"""From signed held-out risk to scores, weights, ranks and their stability: pure functions.

Arrays have one row per fold (all folds of all repeats) and one column per SNP, gene or region.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

REPEATS = 5  # from which on ranks are compared between repeats, not folds
PERCENTILES = 10  # ranks from which on percentiles are told
Aggregation = Literal["sum", "max", "mean", "squares", "bayes"]


def covariance(risk: np.ndarray, measure: np.ndarray) -> np.ndarray:
    """Return how risk and what was measured go together, instance by instance.

    Parameters
    ----------
    risk, measure : ndarray (people, instances)
        NaN is missing; a person counts where both are present.

    Returns
    -------
    ndarray (instances,) of float64
        Covariance over people; 0 where fewer than two have both.
    """
    present = ~np.isnan(risk) & ~np.isnan(measure)
    count = np.maximum(present.sum(axis=0), 1)

    def centred(values: np.ndarray) -> np.ndarray:
        zeroed = np.where(present, values, 0.0).astype("float64")
        return np.where(present, zeroed - zeroed.sum(axis=0) / count, 0.0)

    return np.asarray((centred(risk) * centred(measure)).sum(axis=0) / count)


def squared_correlations(dosage: np.ndarray) -> np.ndarray:
    """Return r2 between SNPs over people, missing genotypes replaced by the SNP's mean.

    Parameters
    ----------
    dosage : ndarray (people, snp) of int8
        Copies of the effect allele, -1 missing.

    Returns
    -------
    ndarray (snp, snp) of float64
        1 on the diagonal; 0 between a SNP that does not vary and any other.
    """
    missing = dosage < 0
    count = np.maximum((~missing).sum(axis=0), 1)
    values = np.where(missing, 0, dosage).astype("float64")
    centred = np.where(missing, 0.0, values - values.sum(axis=0) / count)
    norm = np.sqrt((centred**2).sum(axis=0))
    centred /= np.where(norm > 0, norm, 1.0)
    r2 = np.minimum((centred.T @ centred) ** 2, 1.0)
    np.fill_diagonal(r2, 1.0)
    return np.asarray(r2)


def ld_weights(r2: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Return the weight of each SNP of a gene in each fold: 1 / (1 + sum of r2 with the others).

    Only SNPs scored in the same fold count: a block of copies of which one was selected is one
    SNP already.

    Parameters
    ----------
    r2 : ndarray (snp, snp)
        Squared correlations, 1 on the diagonal.
    scored : ndarray (folds, snp) of bool
        Whether the SNP was selected in the fold.

    Returns
    -------
    ndarray (folds, snp) of float64
        In (0, 1]; 0 where a SNP was not scored.
    """
    total = scored.astype("float64") @ r2
    return np.where(scored, 1 / np.maximum(total, 1.0), 0.0)


def aggregate(scores: np.ndarray, weights: np.ndarray, aggregation: Aggregation) -> np.ndarray:
    """Return the score of a gene in each fold.

    Parameters
    ----------
    scores, weights : ndarray (folds, snp)
        Scores of its SNPs, and their weights.
    aggregation : str
        `sum` of weighted scores; their `mean` by weight; `max` of the scores without weights;
        `squares`: the sum of squared scores without weights; `bayes`: the logarithm of the mean of
        exp(score) of the scored SNPs, without other weights.

    Returns
    -------
    ndarray (folds,) of float64
    """
    if aggregation == "max":
        return np.asarray(scores.max(axis=1))
    if aggregation == "squares":
        return np.asarray((scores**2).sum(axis=1))
    if aggregation == "bayes":
        scored = weights > 0
        largest = scores.max(axis=1, initial=0.0)
        sizes = np.exp(scores - largest[:, None]) * scored
        mean = sizes.sum(axis=1) / np.maximum(scored.sum(axis=1), 1)
        return np.asarray(largest + np.log(np.where(mean > 0, mean, 1.0)))
    total = (scores * weights).sum(axis=1)
    if aggregation == "sum":
        return np.asarray(total)
    return np.asarray(total / np.maximum(weights.sum(axis=1), 1e-300))


def rank_correlation(scores: np.ndarray) -> float:
    """Return Spearman's correlation between rows, averaged over all pairs of rows.

    A row of equal scores agrees with none: its correlations are 0.

    >>> round(rank_correlation(np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])), 3)
    0.5
    """
    placed = ranks(scores)
    placed = placed - placed.mean(axis=1, keepdims=True)
    norm = np.sqrt((placed**2).sum(axis=1, keepdims=True))
    placed = placed / np.where(norm > 0, norm, 1.0)
    first, second = np.triu_indices(len(scores), 1)
    return float((placed @ placed.T)[first, second].mean())


def ranks(scores: np.ndarray) -> np.ndarray:
    """Rank the columns within each row, 1 for the largest; ties share their mean rank.

    >>> ranks(np.array([[0.0, 5.0, 0.0]])).tolist()
    [[2.5, 1.0, 2.5]]
    """
    ranked = np.empty(scores.shape, dtype="float64")
    for row, values in enumerate(scores):
        _, member, count = np.unique(-values, return_inverse=True, return_counts=True)
        last = np.cumsum(count)
        ranked[row] = (last - (count - 1) / 2)[member]
    return ranked


def in_first(scores: np.ndarray, k: int) -> np.ndarray:
    """Return whether each column is among the first `k` of its row; a score of 0 never is.

    Those tied at the border count only where all of them fit.
    """
    at_least = np.empty(scores.shape, dtype=int)
    for row, values in enumerate(scores):
        at_least[row] = len(values) - np.searchsorted(np.sort(values), values, side="left")
    return (at_least <= k) & (scores > 0)


def stability(scores: np.ndarray, k: int, repeat: np.ndarray) -> dict[str, np.ndarray]:
    """Return how firm the ranks are over folds, or over repeats where there are enough of these.

    A repeat's rank is that of its mean score over folds: what the study would have found with other
    folds. Of fewer than 10 ranks no percentiles can be told: the smallest and the largest stand in.

    Parameters
    ----------
    scores : ndarray (folds, n)
        Scores by fold.
    k : int
        Length of the list.
    repeat : int (folds,)
        Number of each fold's repeat.

    Returns
    -------
    dict of ndarray (n,) of float64
        `stability`, the share of folds in which each is among the first `k`; `rank_median`,
        `rank_low` and `rank_high`, the median, 10th and 90th percentile of its rank; see
        `spread_words`.
    """
    repeats = np.unique(repeat)
    if len(repeats) >= REPEATS:
        units = np.stack([scores[repeat == number].mean(axis=0) for number in repeats])
    else:
        units = scores
    bounds = [10, 50, 90] if len(units) >= PERCENTILES else [0, 50, 100]
    low, median, high = np.percentile(ranks(units), bounds, axis=0)
    return {
        "rank_median": median,
        "rank_low": low,
        "rank_high": high,
        "stability": in_first(scores, k).mean(axis=0),
    }


def spread_words(repeat: np.ndarray) -> dict[str, str]:
    """Return what the ranks of `stability` are of, and what low and high are.

    >>> spread_words(np.zeros(5, dtype=int))
    {'unit': 'fold', 'words': 'smallest to largest of 5 folds'}
    """
    repeats = len(np.unique(repeat))
    unit, count = ("repeat", repeats) if repeats >= REPEATS else ("fold", len(repeat))
    range_of = "10–90 %" if count >= PERCENTILES else "smallest to largest"
    return {"unit": unit, "words": f"{range_of} of {count} {unit}{'s' if count > 1 else ''}"}


def overlap(scores: np.ndarray, k: int) -> float | None:
    """Return the mean share of the first `k` that two folds have in common.

    By chance it is k / n. None where there is only one fold.
    """
    return shared(in_first(scores, k), k)


def shared(first: np.ndarray, k: int) -> float | None:
    """Return the mean share of the first `k` that two folds have in common; see `overlap`.

    Parameters
    ----------
    first : bool (fold, n)
        Whether each is among the first `k` of a fold.
    k : int
    """
    folds, n = first.shape
    if folds < 2 or n == 0:
        return None
    listed = first.astype("float64")
    pairs = (listed @ listed.T)[np.triu_indices(folds, 1)]
    return float(pairs.mean() / min(k, n))


def kuncheva(overlap: float | None, k: int, n: int) -> float | None:
    """Return the mean share in common corrected for chance: 0 by chance, 1 where all agree.

    Kuncheva (2007), eq. 3: (r n - k^2) / (k (n - k)) with r = k times the share; None where every
    list holds all.
    """
    if overlap is None or k >= n:
        return None
    return (overlap * n - k) / (n - k)


def standardised(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and SD 1 over rows; 0 where a column does not vary."""
    centred = values - values.mean(axis=0)
    spread = values.std(axis=0)
    varies = spread > 1e-9 * (1 + np.abs(values).max(axis=0, initial=0))
    return np.where(varies, centred / np.where(varies, spread, 1), 0.0)

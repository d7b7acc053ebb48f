"""How often would chance do as well? p-values from scores under permuted outcomes.

Arrays have a row per permutation and a column per gene, block, SNP or region; larger is stronger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVEL = 0.05  # of what is called significant: a p or q of at most this
# A fitted tail: exceedances to begin with, fewest to end with, and from which count it is needed.
MOST_EXCEEDANCES, FEWEST_EXCEEDANCES, FEW = 250, 30, 10
FEWEST_COLUMNS = 10  # of which a typical score can be told
OFTEN = 0.9  # share of rows in which such a column scores
LEAST_SKEW = 0.01
SMALLEST_SHARE = 1e-6  # of the variance of all draws, that of the others
LEAST_Z, LEAST_LOG = -5.0, -690.0  # of a normal score; of the logarithm of a double
CELLS = 1 << 21  # of an array at work

Kind = Literal["permutation", "sequential", "fitted", "n/a"]


@dataclass(frozen=True)
class Significance:
    """What a null says of scores.

    Parameters
    ----------
    z : float64 (n,)
        Normal score of the chance of so large a score when nothing is there: see `z_scores`.
    p : float64 (n,)
        Of the score alone.
    family_wise : float64 (n,)
        p of the largest z of all n: the chance that any of them reaches this z when nothing is
        there.
    q : float64 (n,)
        False discovery rate (Benjamini & Hochberg 1995).
    pooled : float64 (n,)
        p of z among those of all n under all permutations.
    q_pooled : float64 (n,)
        False discovery rate from `pooled`.
    kind : list of str
        How each p was found.
    null : float32 (permutation, n)
        z under every permutation.
    """

    z: np.ndarray
    p: np.ndarray
    family_wise: np.ndarray
    q: np.ndarray
    pooled: np.ndarray
    q_pooled: np.ndarray
    kind: list[str]
    null: np.ndarray

    @property
    def family_wise_threshold(self) -> float | None:
        """Return `family_wise_threshold` of the null."""
        return family_wise_threshold(self.null)


def permutation_p_values(
    observed: np.ndarray,
    null: np.ndarray,
    *,
    relative: bool = True,
    tail: bool = False,
    sequential: int = 0,
) -> Significance:
    """Compare observed scores with those under permutations.

    ``p = (b + 1) / (m + 1)`` with b of m permutations as large (Phipson & Smyth 2010). Scores of
    genes of many SNPs are larger than those of few, with or without a disease, so that the largest
    is that of z: every column is measured by its own null first. The m + 1 draws are treated alike,
    and are exchangeable when nothing is there, so that family-wise p-values are right whatever the
    shape of the null.

    No own p-value is below 1 / (m + 1), so that among hundreds of columns none can have a small q
    with a few hundred permutations. `pooled` counts the z of all columns under all permutations
    (Tusher, Tibshirani & Chu 2001, PNAS 98:5116): it is finer, and right where the z of all columns
    have the same distribution when nothing is there.

    Parameters
    ----------
    observed : float (n,)
    null : float (permutation, n)
    relative : bool
        Compare what `relative_to_bulk` gives instead of the scores.
    tail : bool
        Where fewer than 10 permutations are as large, fit a generalised Pareto distribution to the
        largest of them (Knijnenburg et al. 2009, Bioinformatics 25:i161), if it fits.
    sequential : int
        0, or h: p = h / l where the h-th permutation as large is the l-th drawn (Besag & Clifford
        1991, Biometrika 78:301); the later ones do not count.
    """
    from scipy.stats import false_discovery_control

    draws = len(null)
    together = np.concatenate([observed[None], null]).astype(np.float64)
    if relative:
        together = relative_to_bulk(together)
    z = z_scores(together)
    reached = together[1:] >= together[0] * (1 - 1e-12)
    count = reached.sum(axis=0)
    p = (count + 1) / (draws + 1)
    kind = np.full(observed.size, "permutation", dtype=object)
    if sequential:
        stopped = np.flatnonzero(count >= sequential)
        at = (np.cumsum(reached[:, stopped], axis=0) >= sequential).argmax(axis=0) + 1
        p[stopped], kind[stopped] = sequential / at, "sequential"
    if tail:
        for column in np.flatnonzero(count < FEW):
            fitted = tail_probability(z[0, column], z[1:, column])
            if fitted is not None:
                p[column], kind[column] = fitted, "fitted"
    pooled_null = np.sort(z[1:], axis=None)
    beyond = pooled_null.size - np.searchsorted(pooled_null, z[0] - 1e-9, side="left")
    pooled = (beyond + 1) / (pooled_null.size + 1)
    largest = z[1:].max(axis=1) if z.shape[1] else np.zeros(draws)
    ordered = np.sort(largest)
    as_large = draws - np.searchsorted(ordered, z[0] - 1e-9, side="left")
    return Significance(
        z=z[0],
        p=p,
        family_wise=(as_large + 1) / (draws + 1),
        q=false_discovery_control(p),
        pooled=pooled,
        q_pooled=false_discovery_control(pooled),
        kind=kind.tolist(),
        null=z[1:].astype(np.float32),
    )


def z_scores(rows: np.ndarray) -> np.ndarray:
    """Measure every score by the others of its column: the quantile of a standard normal.

    The upper tail of a column's scores is that of a Pearson III distribution of their mean, SD and
    skewness (Winkler et al. 2016, NeuroImage 141:502), and z is the normal quantile of what it says
    of the score. (score - mean) / SD would not do: a gene whose few SNPs are seldom selected scores
    0 in most permutations and stands many SDs out in the others, so that the largest of all genes
    would nearly always be one of those, and hide a gene of many SNPs.

    Ours is what the moments are taken of: of all draws but the one that is judged, or else
    a strong gene would widen its own null (of m + 1 draws none is more than the root of m SDs out),
    and of one draw more, the mean of the column's scores above 0, for a column that is 0 in all
    other draws: once more may it happen.

    Parameters
    ----------
    rows : float64 (draw, n)
        At least 0.

    Returns
    -------
    float64 (draw, n)
        Above -5.1; 0 where a column does not vary.
    """
    from scipy.special import ndtri, stdtr

    draws = len(rows)
    z = np.zeros(rows.shape)
    spread = rows.std(axis=0)
    varies = np.flatnonzero(spread > 1e-9 * (1 + np.abs(rows).max(axis=0, initial=0)))
    if not varies.size:
        return z
    for columns in np.array_split(varies, max(1, draws * varies.size // CELLS)):
        scores = rows[:, columns]
        mean, above = scores.mean(axis=0), np.maximum((scores > 0).sum(axis=0), 1)
        centred, mean_change = scores - mean, scores.sum(axis=0) / above - mean
        first, second, third = (
            ((centred**k).sum(axis=0) - centred**k + mean_change**k) / draws for k in (1, 2, 3)
        )
        # Zero variance without this draw: fall back to a small share of the pooled variance.
        variance = np.maximum(second - first**2, SMALLEST_SHARE * spread[columns] ** 2)
        skew = (third - 3 * first * second + 2 * first**3) / variance**1.5
        z[:, columns] = _pearson_normal(
            (centred - first) / np.sqrt(variance), np.maximum(skew, LEAST_SKEW)
        )
    # Mean and SD of a few draws are uncertain: as of a t with as many degrees of freedom. One map
    # for all, which changes no order and so no p-value.
    return np.asarray(np.sign(z) * -ndtri(stdtr(draws - 1, -np.abs(z))))


def _pearson_normal(z: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """Return the normal quantile of a standardised Pearson III variable of a positive skewness."""
    from scipy.special import gammaincc, ndtri_exp

    shape = 4 / skew**2
    with np.errstate(divide="ignore"):
        beyond = np.log(gammaincc(shape, np.maximum(shape + z * np.sqrt(shape), 0)))
    # Below the least value of the distribution the chance to be above is 1, and the quantile -inf.
    return np.asarray(np.maximum(-ndtri_exp(np.clip(beyond, LEAST_LOG, -1e-15)), LEAST_Z))


def relative_to_bulk(rows: np.ndarray) -> np.ndarray:
    """Divide every row by how large its scores typically are. Ours.

    Attention is a share: a gene that takes a third of it takes it from all others, which then score
    less than they do when nothing is there. The size of a row is the median over columns of the
    score over the column's mean of all rows; the true outcomes are one of the rows, so that rows
    stay exchangeable when nothing is there. Columns that are 0 in more than a tenth of the rows do
    not count: genes whose SNPs are seldom selected say nothing of a row, and a median among many
    zeros would be noise. Rows stay as they are where fewer than 10 columns count.

    Parameters
    ----------
    rows : float (row, n)
        At least 0.
    """
    mean = rows.mean(axis=0)
    counted = (rows > 0).mean(axis=0) >= OFTEN
    if counted.sum() < FEWEST_COLUMNS:
        return rows
    size = np.median(rows[:, counted] / mean[counted], axis=1)
    return rows / size[:, None] if (size > 0).all() else rows


def family_wise_threshold(null: np.ndarray) -> float | None:
    """Return the z above which a family-wise p is at most 5 %, or None with too few permutations.

    Parameters
    ----------
    null : float (permutation, n)
        z under every permutation.
    """
    most = int(np.floor(LEVEL * (len(null) + 1))) - 1  # permutations that may be as large
    if most < 0 or not null.shape[1]:
        return None
    return float(np.sort(null.max(axis=1))[::-1][most])


def tail_probability(value: float, null: np.ndarray) -> float | None:
    """Return P(null >= value) from a generalised Pareto distribution, or None where none fits.

    It is fitted to what the largest 250 (at most a tenth of all) exceed the next one by, and to
    fewer where a Cramer-von Mises test refuses the fit.
    """
    from scipy.stats import cramervonmises, genpareto

    ordered = np.sort(null)[::-1]
    size = min(MOST_EXCEEDANCES, len(null) // 10)
    while size >= FEWEST_EXCEEDANCES:
        threshold = (ordered[size - 1] + ordered[size]) / 2
        excess = ordered[:size] - threshold
        if excess[0] <= 0:
            return None
        shape, _, scale = genpareto.fit(excess, floc=0)
        fits = cramervonmises(excess, genpareto(shape, 0, scale).cdf).pvalue > LEVEL
        if fits:
            beyond = float(genpareto.sf(value - threshold, shape, 0, scale))
            share = size / len(null) * beyond
            # A bounded tail may give p = 0, so p stays at 0.01 / (permutations + 1) or above.
            return max(share, 0.01 / (len(null) + 1)) if value > threshold else None
        size -= 20
    return None

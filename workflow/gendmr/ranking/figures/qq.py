"""Observed against expected p-values: of the data, and of the permutations themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gendmr import style
from gendmr.errors import RankingError

SIZE = (style.COLUMN, 78 * style.MM)
BAND = (0.025, 0.975)
CHUNK = 1 << 22  # values ranked at a time: bounds memory


@dataclass(frozen=True)
class Quantiles:
    """Sorted p-values of n genes, smallest first.

    Attributes
    ----------
    expected : ndarray (n,)
        i / (n + 1), the mean of the i-th smallest of n independent uniform p-values.
    low, high : ndarray (n,)
        2.5 and 97.5 % of the i-th smallest: quantiles of Beta(i, n + 1 - i).
    observed : ndarray (n,)
        Of the data, (b + 1) / (m + 1).
    pooled : ndarray (n,)
        Quantiles i / (n + 1) of all genes of all permutations, each against the other m - 1.
    permuted_low, permuted_high : ndarray (n,)
        2.5 and 97.5 % over permutations of the i-th smallest of one permutation.
    permutations : int
        m.
    """

    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray
    observed: np.ndarray
    pooled: np.ndarray
    permuted_low: np.ndarray
    permuted_high: np.ndarray
    permutations: int


def quantiles(z: np.ndarray, null: np.ndarray) -> Quantiles:
    """Compare p-values of the data and of each permutation with independent uniform ones.

    Parameters
    ----------
    z : ndarray (genes,)
        Of the data; NaN where a gene does not vary under the null: such genes are left out.
    null : ndarray (permutations, genes)
        z of every permutation.

    Raises
    ------
    RankingError
        The two differ in their number of genes, or there are fewer than two permutations.
    """
    from scipy.stats import beta

    m, genes = null.shape
    if len(z) != genes or m < 2:
        raise RankingError(
            f"z of {len(z):,} genes, and {m:,} permutations of {genes:,} genes, make no p-values",
            cause="files of two runs, or a null of fewer than two permutations",
            next_step="rank again",
        )
    complete = np.isfinite(z) & np.isfinite(null).all(axis=0)
    z, null = z[complete].astype("float32"), null[:, complete].astype("float32")
    n = len(z)
    rank = np.arange(1, n + 1)
    expected = rank / (n + 1)
    permuted_p = np.sort(leave_one_out(null), axis=1)
    return Quantiles(
        expected=expected,
        low=beta.ppf(BAND[0], rank, n + 1 - rank),
        high=beta.ppf(BAND[1], rank, n + 1 - rank),
        observed=np.sort(((null >= z).sum(axis=0) + 1) / (m + 1)),
        pooled=np.quantile(permuted_p, expected) if n else expected,
        permuted_low=np.quantile(permuted_p, BAND[0], axis=0),
        permuted_high=np.quantile(permuted_p, BAND[1], axis=0),
        permutations=m,
    )


def leave_one_out(null: np.ndarray) -> np.ndarray:
    """Return the p-value of each permutation, gene by gene, against the other permutations.

    p = (b + 1) / m, where b of the other m - 1 permutations reach the same z: all m values of a
    gene are as often used as null, so that without ties they are exactly 1/m, 2/m, ..., 1. What
    one permutation's genes look like together, with their linkage disequilibrium, is not
    determined by that.

    Parameters
    ----------
    null : ndarray (permutations, genes)
        Without NaN.

    Returns
    -------
    ndarray (permutations, genes) of float32
    """
    from scipy.stats import rankdata

    m, genes = null.shape
    p = np.empty(null.shape, dtype="float32")
    step = max(1, CHUNK // m)
    for first in range(0, genes, step):
        part = slice(first, first + step)
        p[:, part] = rankdata(-null[:, part], method="max", axis=0) / m
    return p


def draw_qq(z: np.ndarray, null: np.ndarray, path: Path) -> Figure:
    """Draw observed against expected p-values on the scale of -log10.

    Dots are the genes of the data. The line is that of the permutations, each against the others:
    away from the diagonal it would say that ties spoil the p-values. The grey band holds 95 % of
    each order statistic if genes were independent, the dashed lines 95 % of the permutations, whose
    genes are as dependent as those of the data. Dots cannot lie above the smallest p-value that
    the number of permutations allows.

    Parameters
    ----------
    z : ndarray (genes,)
        The column `z` of `genes.tsv`.
    null : ndarray (permutations, genes)
        The variable `gene` of `null.nc`, genes in the same order.
    path : Path
        PNG to write, one column wide; the SVG is written beside it.

    Raises
    ------
    RankingError
        The two differ in their number of genes.
    """
    if not np.isfinite(z).any():
        return style.text_figure(
            "No null was run for genes: there are no p-values to compare.", path
        )
    curves = quantiles(z, null)
    left_out = len(z) - len(curves.observed)
    x = -np.log10(curves.expected)
    smallest = 1 / (curves.permutations + 1)
    figure, axes = style.canvas(size=SIZE, layout="constrained")
    axes.fill_between(
        x, -np.log10(curves.high), -np.log10(curves.low), color=style.PALE, lw=0, zorder=0,
        label="95 % if genes were independent",
    )  # fmt: skip
    dashes = {"color": style.DARK, "lw": 0.7, "ls": (0, (4, 2))}
    axes.plot(x, -np.log10(curves.permuted_low), label="95 % of permutations", **dashes)
    axes.plot(x, -np.log10(curves.permuted_high), **dashes)
    axes.plot(x, -np.log10(curves.pooled), color=style.ORANGE, lw=1.6, label="all permutations")
    dots = {"s": 7, "color": style.BLUE, "lw": 0, "zorder": 3, "clip_on": False}
    axes.scatter(x, -np.log10(curves.observed), label="data", **dots)
    end = min(1.02 * float(x.max()), float(-np.log10(smallest)))
    axes.plot([0, end], [0, end], color="black", lw=0.5, zorder=1)
    axes.axhline(-np.log10(smallest), color="black", lw=0.7, ls=":", zorder=1)
    axes.annotate(
        f"smallest p of {curves.permutations:,} permutations: {_p(smallest)}",
        (0, -np.log10(smallest)), (3, 2), xycoords=axes.get_yaxis_transform(),
        textcoords="offset points", va="bottom", size=style.SMALL,
    )  # fmt: skip
    axes.set(
        xlim=(0, 1.02 * x.max()),
        ylim=(0, 1.45 * -np.log10(smallest)),
        xlabel="expected −log₁₀ p",
        ylabel="observed −log₁₀ p",
    )
    title = "1 gene" if len(x) == 1 else f"{len(x):,} genes"
    title += f", {left_out:,} left out" if left_out else ""
    axes.legend(loc="upper left", title=title, alignment="left", borderaxespad=0, labelspacing=0.3)
    style.save(figure, path, crop=False)
    return figure


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"

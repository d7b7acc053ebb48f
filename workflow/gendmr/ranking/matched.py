"""Standardised scores of LD blocks, blocks of like size, and draws from them: pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gendmr.ranking.scores import ranks, standardised

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CLASS = 20  # blocks in a class of matched blocks, at least
MANY_GENES = 3  # blocks of this many genes or more are matched by SNPs and length only
DEGREE = 3  # of the polynomials in which values go with size
EXTREME = 2.5  # SD of a log size beyond which blocks count as of that size
CHUNK = 250  # draws at a time: bounds memory at any number of sets
SHOWN_DRAWS = 1000  # draws that the interval of the expected score is read from


@dataclass(frozen=True)
class Draws:
    """What matched draws say of each set.

    Attributes
    ----------
    low, high : ndarray (set,)
        5th and 95th percentile of a draw, beyond the value of the set's sizes.
    p : ndarray (set,)
        (b + 1) / (m + 1), b of m draws scoring at least as high as the set.
    """

    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def normal_scores(score: np.ndarray) -> np.ndarray:
    """Return the normal quantiles (n,) of ranks: of (n - rank + 1/2) / n, ties share their rank."""
    from scipy.special import ndtri

    return np.asarray(ndtri((len(score) + 0.5 - ranks(score[None, :])[0]) / len(score)))


def block_values(
    score: np.ndarray, block: np.ndarray, permuted: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the best score of each block, as observed and under permuted outcomes.

    With permutations, blocks are standardised over the observed and the permuted together: each is
    then one of m + 1 that are treated alike, which makes p exact at any m, and a block of many
    genes has no higher value than another for having more of them.

    Parameters
    ----------
    score : ndarray (gene,)
        z where a null was run.
    block : ndarray (gene,) of int
        Each from 0 to their number occurs.
    permuted : ndarray (permutation, gene) or None

    Returns
    -------
    observed : ndarray (block,)
    permuted : ndarray (permutation, block) or None
    """
    order = np.argsort(block, kind="stable")
    first = np.flatnonzero(np.diff(block[order], prepend=-1))

    def best(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum.reduceat(values[:, order], first, axis=1))

    if permuted is None:
        return best(score[None, :])[0], None
    values = standardised(best(np.vstack([score, permuted])))
    return values[0], values[1:]


def match(n_gene: np.ndarray, n_snp: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Put blocks of about the same size into classes of at least `CLASS`, as far as there are any.

    Blocks of one, of two, and of more genes are kept apart where there are enough of each. Then
    they are cut into equal shares by their number of SNPs, and each share by length.

    Parameters
    ----------
    n_gene, n_snp, length : ndarray (block,)

    Returns
    -------
    ndarray (block,) of int
    """
    kinds = _kinds(n_gene)
    class_of = np.zeros(len(n_snp), dtype=np.int64)
    number = 0
    for kind in np.unique(kinds):
        blocks = np.flatnonzero(kinds == kind)
        classes = max(1, len(blocks) // CLASS)
        by_snps = math.ceil(math.sqrt(classes))
        blocks = blocks[np.lexsort((length[blocks], n_snp[blocks]))]
        for share in np.array_split(blocks, by_snps):
            by_length = share[np.argsort(length[share], kind="stable")]
            for members in np.array_split(by_length, max(1, classes // by_snps)):
                class_of[members] = number
                number += 1
    return class_of


def _kinds(n_gene: np.ndarray) -> np.ndarray:
    """Return 1, 2 or 3 for blocks of one, of two, and of more genes; a rare kind joins another."""
    kind = np.minimum(n_gene, MANY_GENES)
    for number in range(MANY_GENES, 1, -1):
        if (kind == number).sum() < CLASS:
            kind[kind == number] = number - 1
    if (kind == 1).sum() < CLASS:
        kind[kind == 1] = kind[kind > 1].min(initial=MANY_GENES)
    return np.asarray(kind)


def by_size(
    values: np.ndarray, n_gene: np.ndarray, n_snp: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """Return the value (block,) that blocks of that size have: what matching leaves of its effect.

    Blocks of a class still differ in size, and sets of long genes take the longest of each class.
    So what a draw takes from another block is how far that is from the value of its own size, as
    bias-corrected matching does (Abadie & Imbens 2011, J Bus Econ Stat 29:1). Least squares on
    polynomials in log number of SNPs and log length, and on the number of genes; with too few
    blocks for two classes it is the mean of all.

    Parameters
    ----------
    values, n_gene, n_snp, length : ndarray (block,)
    """
    if len(values) < 2 * CLASS:
        return np.full(len(values), values.mean())
    kind = _kinds(n_gene)
    columns = [kind == number for number in np.unique(kind)]
    for counted in (n_snp, length):
        size = np.log(np.maximum(counted, 1))
        spread = size.std()
        scaled = (size - size.mean()) / (spread if spread > 1e-9 else 1)
        # Clipped, because one huge block would pull the polynomial through its own score.
        scaled = np.clip(scaled, -EXTREME, EXTREME)
        columns += [scaled**power for power in range(1, DEGREE + 1)]
    design = np.stack(columns, axis=1).astype("float64")
    return np.asarray(design @ np.linalg.lstsq(design, values, rcond=None)[0])


def draw(
    member: csr_array,
    beyond: np.ndarray,
    matched: np.ndarray,
    draws: int,
    rng: np.random.Generator,
) -> Draws:
    """Compare sets of blocks with as many blocks drawn at random from the same classes.

    A draw exchanges the blocks of each class: every set gets other blocks of its own classes, each
    block once, and with each how far it is from the value of its size. One exchange serves all
    sets.

    Parameters
    ----------
    member : csr_array (set, block)
        1 / number of blocks of the set where it touches the block.
    beyond : ndarray (block,)
        Value less the value of its size.
    matched : ndarray (block,) of int
        Class of each block.
    draws : int
    rng : Generator
    """
    observed = member @ beyond
    reached = np.zeros(member.shape[0], dtype=np.int64)
    members = [np.flatnonzero(matched == number) for number in np.unique(matched)]
    shown = []
    for start in range(0, draws, CHUNK):
        exchanged = np.empty((len(beyond), min(CHUNK, draws - start)))
        for blocks in members:
            copies = np.repeat(beyond[blocks, None], exchanged.shape[1], axis=1)
            exchanged[blocks] = rng.permuted(copies, axis=0)
        scores = member @ exchanged
        reached += reaches(scores, observed[:, None]).sum(axis=1)
        if start < SHOWN_DRAWS:
            shown.append(scores[:, : SHOWN_DRAWS - start].astype(np.float32))
    low, high = np.percentile(np.concatenate(shown, axis=1), [5, 95], axis=1)
    return Draws(low=low, high=high, p=(reached + 1) / (draws + 1))


def class_means(values: np.ndarray, matched: np.ndarray) -> np.ndarray:
    """Return for each block (block,) the mean value of its class: what a draw has there."""
    sums = np.bincount(matched, weights=values)
    return np.asarray((sums / np.maximum(np.bincount(matched), 1))[matched])


def membership(blocks_of_sets: Sequence[np.ndarray], n_block: int) -> csr_array:
    """Return the matrix (set, block) that takes the mean over the blocks of each set."""
    from scipy.sparse import csr_array

    sizes = np.array([len(rows) for rows in blocks_of_sets])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    share = np.repeat(1 / sizes, sizes)
    return csr_array(
        (share, np.concatenate(blocks_of_sets), ends), shape=(len(blocks_of_sets), n_block)
    )


def best_rows(score: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the row of the best gene of each block; the first of those that are tied."""
    order = np.lexsort((np.arange(len(score)), -score, block))
    return order[np.flatnonzero(np.diff(block[order], prepend=-1))]


def reaches(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return whether values are at least as high; sums in another order differ by rounding."""
    return np.asarray(values >= observed - 1e-9 * (1 + np.abs(observed)))

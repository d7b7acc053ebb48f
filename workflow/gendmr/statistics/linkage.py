"""Linkage disequilibrium among the training people, and pruning by it.

Which SNPs are in LD does not depend on the diagnosis, and what is found once serves every
permutation: only the order in which SNPs are kept differs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

WINDOW = 1_000_000  # bp
BLOCK = 256  # SNPs whose neighbours are found in one product


class Linkage:
    """SNPs in LD with each SNP; found when first asked for.

    Parameters
    ----------
    rows : callable
        ``rows(columns)`` gives dosages int8 (column, people) of some SNPs: copies of the effect
        allele, -1 where missing.
    chromosome, position : (snp,)
    r2 : float
        Squared correlation (of mean-imputed dosages) above which two SNPs are in LD.
    window_bp : int
        SNPs farther apart than this are not.
    """

    def __init__(
        self,
        rows: Callable[[np.ndarray], np.ndarray],
        chromosome: np.ndarray,
        position: np.ndarray,
        r2: float,
        *,
        window_bp: int = WINDOW,
    ) -> None:
        snps = len(position)
        self.r2 = r2
        # Sorted by place, the neighbours of a SNP are one slice.
        _, code = np.unique(chromosome, return_inverse=True)
        self._place = np.lexsort((position, code))
        self._rank = np.empty(snps, dtype=np.int64)
        self._rank[self._place] = np.arange(snps)
        self._rows = rows
        code, where = code[self._place], np.asarray(position)[self._place].astype(np.int64)
        span = where + code.astype(np.int64) * (2 * int(where.max(initial=0)) + 1)
        low = np.searchsorted(span, span - window_bp, side="left")
        high = np.searchsorted(span, span + window_bp, side="right")
        edges = np.searchsorted(code, np.arange(code.max(initial=0) + 2))
        self._low = np.maximum(low, edges[code])
        self._high = np.minimum(high, edges[code + 1])
        self._neighbours_of_block: dict[int, list[np.ndarray]] = {}

    def prune(self, order: np.ndarray, stop_after: int | None = None) -> np.ndarray:
        """Prune greedily: a SNP stays unless it is in LD with one that stays before it.

        Parameters
        ----------
        order : int (candidate,)
            SNPs, the first to be kept first; those that are not named play no part.
        stop_after : int, optional
            Number of SNPs to keep at most.

        Returns
        -------
        ndarray of int64 (retained,)
            Places in `order`, in its order.
        """
        if self.r2 >= 1:
            return np.arange(len(order))[:stop_after]
        removed = np.zeros(len(self._rank), dtype=bool)
        retained: list[int] = []
        for index, snp in enumerate(self._rank[order]):
            if removed[snp]:
                continue
            retained.append(index)
            if stop_after is not None and len(retained) == stop_after:
                break
            removed[self._neighbours(int(snp))] = True
        return np.array(retained, dtype=np.int64)

    def _neighbours(self, snp: int) -> np.ndarray:
        block, row = divmod(snp, BLOCK)
        if block not in self._neighbours_of_block:
            self._neighbours_of_block[block] = self._of_block(block * BLOCK)
        return self._neighbours_of_block[block][row]

    def _of_block(self, start: int) -> list[np.ndarray]:
        """Return the places in LD with each SNP of a block, each among them."""
        stop = min(start + BLOCK, len(self._rank))
        first, last = int(self._low[start:stop].min()), int(self._high[start:stop].max())
        dosage = self._rows(self._place[first:last])
        called = dosage >= 0
        values = np.where(called, dosage, 0).astype(np.float32)
        mean = values.sum(axis=1) / np.maximum(called.sum(axis=1), 1)
        values = np.where(called, values - mean[:, None].astype(np.float32), np.float32(0))
        norm = np.sqrt((values**2).sum(axis=1, keepdims=True))
        values /= np.where(norm > 0, norm, 1)
        linked = (values[start - first : stop - first] @ values.T) ** 2 > self.r2
        places = np.arange(first, last)
        low, high = self._low[start:stop, None], self._high[start:stop, None]
        linked &= (places >= low) & (places < high)
        return [np.flatnonzero(row) + first for row in linked]


def prune(
    dosage: np.ndarray,
    chromosome: np.ndarray,
    position: np.ndarray,
    priority: np.ndarray,
    r2: float,
    *,
    stop_after: int | None = None,
) -> np.ndarray:
    """Prune SNPs once: see `Linkage`.

    Parameters
    ----------
    dosage : int8 (people, snp)
    chromosome, position : (snp,)
    priority : (snp,)
        Smallest first; ties by place in the list.
    r2 : float
    stop_after : int, optional

    Returns
    -------
    ndarray of int64 (retained,)
        Columns, in the order in which they were kept.
    """
    order = np.lexsort((np.arange(dosage.shape[1]), priority))
    by_snp = np.ascontiguousarray(dosage.T)
    linkage = Linkage(lambda columns: by_snp[columns], chromosome, position, r2)
    return np.asarray(order[linkage.prune(order, stop_after)])

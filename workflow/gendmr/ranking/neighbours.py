"""Means of genes' scores over their neighbourhoods on the chromosome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FARTHEST = 5  # reaches: a gene farther away would count less than a hundredth of the gene itself


def neighbour_weights(places: pd.DataFrame, reach: float) -> csr_array:
    """Return the weights with which genes' scores are averaged, row by row.

    Parameters
    ----------
    places : pandas.DataFrame
        `chromosome`, `start` and `end` (bp) of each gene; one without a place is its own
        neighbourhood.
    reach : float
        bp. A gene counts by exp(-d / reach), with d the bp between it and the gene of the row, 0
        where they overlap; beyond `FARTHEST` reaches it does not count.

    Returns
    -------
    scipy.sparse.csr_array (gene, gene)
        Rows sum to 1.
    """
    from scipy.sparse import csr_array  # the plan of a study names the levels, and needs no SciPy

    start, end = (places[name].to_numpy(dtype=np.float64) for name in ("start", "end"))
    chromosome = places["chromosome"].to_numpy(dtype=object)
    has_place = np.isfinite(start) & np.isfinite(end)
    rows, columns, weights = [], [], []
    for name in dict.fromkeys(chromosome[has_place]):
        members = np.flatnonzero(has_place & (chromosome == name))
        apart = np.maximum(start[members][:, None] - end[members], 0.0)
        apart = np.maximum(apart, apart.T)
        row, column = np.nonzero(apart <= FARTHEST * reach)
        rows.append(members[row])
        columns.append(members[column])
        weights.append(np.exp(-apart[row, column] / reach))
    alone = np.flatnonzero(~has_place)
    joined = [np.concatenate([*parts, last]) for parts, last in
              ((rows, alone), (columns, alone), (weights, np.ones(len(alone))))]  # fmt: skip
    matrix = csr_array(
        (joined[2], (joined[0].astype(np.int64), joined[1].astype(np.int64))),
        shape=(len(places), len(places)),
    )
    return csr_array(matrix / matrix.sum(axis=1)[:, None])

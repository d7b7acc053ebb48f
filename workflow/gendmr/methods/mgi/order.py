"""The order in which a sequence model reads genes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.errors import TrainingError
from gendmr.seeds import generator

NAME, PLACE = "expression", "place"
SEED = 0  # of the random order, the same in every fold and study


def order_of(genes: pd.DataFrame, order: str) -> np.ndarray:
    """Return the places of genes in the order in which they are read, int64 (gene,).

    Parameters
    ----------
    genes : DataFrame
        `expression`, the names, and `place` along the genome, -1 where unknown.
    order : str
        `genomic` (unknown places last, by name), `alphabetical` or `random`.

    Raises
    ------
    TrainingError
        The order is genomic, and no gene has a place.
    """
    names = genes[NAME].to_numpy().astype(str)
    by_name = np.argsort(names, kind="stable")
    if order == "alphabetical":
        return by_name.astype(np.int64)
    if order == "random":
        # From the names, so that the order of files and folds does not matter.
        return by_name[generator(SEED, "gene-order").permutation(len(names))].astype(np.int64)
    place = genes[PLACE].to_numpy(dtype=np.int64)[by_name]
    if not (place >= 0).any():
        raise TrainingError(
            f"gene_order: genomic, and none of {len(names)} genes has a place along the genome",
            cause="no table of positions, or one with other names",
            next_step="set expression.positions, or choose `gene_order: alphabetical`",
        )
    unknown = np.where(place >= 0, place, np.iinfo(np.int64).max)
    return by_name[np.argsort(unknown, kind="stable")].astype(np.int64)

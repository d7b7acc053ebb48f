"""Which patches are in a bag, and where: rules on numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gendmr.seeds import generator

Rule = Literal["tile", "sample", "pad"]
EMPTY = -1


@dataclass(frozen=True)
class Bag:
    """The places of a bag.

    Parameters
    ----------
    patch : int64 (place,)
        Number of the patch, `EMPTY` where there is none.
    rule : str
        What was done: `as they are`, `tiled`, `padded`, `spaced`, `sampled` or `on the grid`.
    """

    patch: np.ndarray
    rule: str

    @property
    def used(self) -> int:
        """How many different patches are in it."""
        return len(np.unique(self.patch[self.patch != EMPTY]))


def make_bag(patches: int, size: int, rule: Rule, name: str) -> Bag:
    """Return a bag of `size` places from patches in order.

    Parameters
    ----------
    patches, size : int
    rule : str
        See `HistologySection.bag`.
    name : str
        Of the person, by which random patches are drawn.

    Examples
    --------
    >>> make_bag(3, 8, "tile", "").patch.tolist()
    [0, 1, 2, 0, 1, 2, 0, 1]
    >>> make_bag(3, 4, "pad", "").patch.tolist()
    [0, 1, 2, -1]
    >>> make_bag(10, 4, "pad", "").patch.tolist()
    [0, 2, 5, 8]
    """
    if patches == size:
        return Bag(np.arange(size), "as they are")
    if patches > size:
        if rule == "sample":
            drawn = generator(0, "bag", name).permutation(patches)[:size]
            return Bag(np.sort(drawn), "sampled")
        # As published: round(i * patches / size), halves to even.
        return Bag(np.round(np.arange(size) * (patches / size)).astype(np.int64), "spaced")
    if rule == "tile" and patches:
        return Bag(np.arange(size) % patches, "tiled")
    return Bag(np.concatenate([np.arange(patches), np.full(size - patches, EMPTY)]), "padded")


def make_grid(places: np.ndarray, side: int, step: float | None) -> Bag:
    """Return a bag whose places are cells of the slide, row by row.

    Where the slide has more rows or columns than the bag, several cells become one; of patches that
    fall into one cell the first stays.

    Parameters
    ----------
    places : float64 (patch, 2)
        x and y in pixels, in raster order.
    side : int
    step : float, optional
        Pixels from a patch to the next; without it the smallest distance between two.
    """
    patch = np.full(side * side, EMPTY)
    if len(places):
        cell = np.round((places - places.min(axis=0)) / (step or smallest_step(places)))
        extent = int(cell.max()) + 1
        if extent > side:
            cell = np.floor(cell * side / extent)
        place = (cell[:, 1] * side + cell[:, 0]).astype(np.int64)
        first, number = np.unique(place, return_index=True)
        patch[first] = number
    return Bag(patch, "on the grid")


def smallest_step(places: np.ndarray) -> float:
    """Return the smallest distance between two columns or two rows of patches, 1 for one patch."""
    steps = np.concatenate([np.diff(np.unique(places[:, axis])) for axis in (0, 1)])
    return float(steps.min()) if steps.size else 1.0

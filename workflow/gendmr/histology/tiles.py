"""The grid of tiles of a slide, and how much of each is tissue: numbers alone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def grid(width: int, height: int, side: int) -> np.ndarray:
    """Return the upper left corners of all tiles that lie wholly on the slide, int64 (tile, 2).

    x and y in pixels of the slide, row by row from its upper left corner, without overlap.

    Examples
    --------
    >>> grid(10, 5, 4).tolist()
    [[0, 0], [4, 0]]
    """
    rows, columns = np.mgrid[: height // side, : width // side]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.int64) * side


def covered(mask: np.ndarray, corners: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """Return the share of each tile that a mask covers, float64 (tile,).

    Parameters
    ----------
    mask : bool (row, column)
        Of an overview of the whole slide.
    corners : int (tile, 2)
        x and y in pixels of the slide.
    side : int
        Of a tile, in pixels of the slide.
    size : (width, height)
        Of the slide in pixels.
    """
    # Sums from the corner of the overview; between its pixels they are linear in each axis.
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    scale = np.array([mask.shape[1] / size[0], mask.shape[0] / size[1]])
    low, high = corners * scale, (corners + side) * scale

    def upto(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(ndimage.map_coordinates(sums, [y, x], order=1, mode="nearest"))

    inside = upto(high[:, 0], high[:, 1]) - upto(low[:, 0], high[:, 1])
    inside += upto(low[:, 0], low[:, 1]) - upto(high[:, 0], low[:, 1])
    return np.asarray(np.clip(inside / (side * scale).prod(), 0, 1))

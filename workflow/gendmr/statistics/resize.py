"""Slices of another size: averages over areas."""

from __future__ import annotations

import numpy as np


def resize(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return images of another size, each pixel the mean over its area.

    A pixel of the result covers an equal share of each axis; old pixels count by the area that
    lies inside. Where the result is finer than the image, this repeats pixels.

    Parameters
    ----------
    images : number (..., row, column)
    rows, columns : int

    Returns
    -------
    float32 (..., row, column)
    """
    down, across = _weights(images.shape[-2], rows), _weights(images.shape[-1], columns)
    return np.asarray(down @ images.astype(np.float32) @ across.T, dtype=np.float32)


def _weights(old: int, new: int) -> np.ndarray:
    """Return the share of each old pixel in each new one, float32 (new, old); rows sum to 1."""
    edges = np.arange(new + 1) * old / new
    low, high = edges[:-1, None], edges[1:, None]
    start = np.arange(old)[None]
    overlap = np.clip(np.minimum(high, start + 1) - np.maximum(low, start), 0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), dtype=np.float32)

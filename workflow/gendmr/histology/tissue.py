"""Where a slide has tissue and where somebody drew on it: rules on the colours of an overview."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Saturation (of 255) from which on tissue begins, whatever Otsu's threshold says: an overview that
# is tissue all over, or nowhere, has no two groups to tell apart.
PALEST, DEEPEST = 8, 20
MEDIAN = 5  # pixels of the filter that takes out specks
SMALLEST_MM2 = 0.01  # areas and holes of less are dust, and gaps between cells
# Degrees of hue that neither haematoxylin nor eosin have: green to light blue.
PEN_HUES = (70.0, 215.0)
BLUE_HUES = (215.0, 245.0)  # of ink where it is brighter than nuclei are
PEN_SATURATION, BLUE_SATURATION, BLUE_VALUE = 80, 140, 150
BLACK = 50  # value (of 255) of ink and of what was not scanned


@dataclass(frozen=True)
class TissueMask:
    """Masks of an overview.

    Parameters
    ----------
    tissue, pen : bool (row, column)
        No pixel is in both.
    threshold : float
        Saturation, of 255.
    """

    tissue: np.ndarray
    pen: np.ndarray
    threshold: float


def find_tissue(rgb: np.ndarray, mpp: float) -> TissueMask:
    """Return where an overview has tissue, and where marks of a pen.

    Tissue is more saturated than glass: above Otsu's threshold (1979) of the saturation, kept
    between two fixed ones. Green, light blue, bright blue and black marks are found; red ones are
    not told from eosin and blood.

    Parameters
    ----------
    rgb : uint8 (row, column, 3)
    mpp : float
        Microns per pixel of the overview; about 8.
    """
    hue, saturation, value = hsv(rgb)
    saturation = ndimage.median_filter(saturation, size=MEDIAN, mode="nearest")
    threshold = float(np.clip(otsu(saturation), PALEST, DEEPEST))
    coloured = (hue >= PEN_HUES[0]) & (hue < PEN_HUES[1]) & (saturation > PEN_SATURATION)
    blue = (hue >= BLUE_HUES[0]) & (hue < BLUE_HUES[1])
    blue &= (saturation > BLUE_SATURATION) & (value > BLUE_VALUE)
    pen = coloured | blue | (value < BLACK)
    smallest = max(round(SMALLEST_MM2 * 1e6 / mpp**2), 1)
    pen = larger_parts(pen, smallest)
    tissue = larger_parts((saturation > threshold) & ~pen, smallest)
    tissue = ~larger_parts(~tissue, smallest) & ~pen
    return TissueMask(tissue, pen, threshold)


def hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hue in degrees, saturation and value of 255, each float32 (row, column).

    Examples
    --------
    >>> [float(one[0, 0]) for one in hsv(np.array([[[0, 255, 0]]], np.uint8))]
    [120.0, 255.0, 255.0]
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    most, least = rgb.max(-1).astype(np.float32), rgb.min(-1).astype(np.float32)
    span = np.maximum(most - least, 1e-9)
    hue = np.where(
        most == red,
        (green - blue) / span % 6,
        np.where(most == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    hue = np.where(most > least, 60 * hue, 0)
    return hue, 255 * (most - least) / np.maximum(most, 1), most


def otsu(values: np.ndarray) -> int:
    """Return the threshold (0 to 255) above which values are the upper of two groups (Otsu 1979).

    It is the one of the largest variance between the groups, the first of several.
    """
    counts = np.bincount(np.clip(values, 0, 255).astype(np.uint8).ravel(), minlength=256)
    below = np.cumsum(counts).astype(np.float64)
    total = np.cumsum(counts * np.arange(256.0))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = total / below - (total[-1] - total) / above
        between = np.nan_to_num(below * above * difference**2)
    return int(np.argmax(between))


def larger_parts(mask: np.ndarray, smallest: int) -> np.ndarray:
    """Return the connected parts of a mask (row, column) that have at least so many pixels."""
    labels, _ = ndimage.label(mask)
    keep = np.bincount(labels.ravel()) >= smallest
    keep[0] = False
    return np.asarray(keep[labels])

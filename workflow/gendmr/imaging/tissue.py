"""Tissues of one scan by its own intensities, with classes for voxels that hold two of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from gendmr.errors import ImageError

LEVELS = 256
# A voxel of two tissues is a mean of both; the share is taken in as many steps.
STEPS = 12
PURE = 3
CLASSES = 5
ITERATIONS = 60
# Start of k-means: places in the cumulated histogram. Start of the weights: see `TissueModel`.
STARTS = (0.1, 0.45, 0.85)
WEIGHTS = (0.15, 0.35, 0.3, 0.1, 0.1)
# Largest standard deviation of fluid, by that of grey matter; painted heads have up to 1.1.
FLUID_SPREAD = 1.25
# Of the way from grey to white matter: where the fit of a region's grey matter begins.
GREY_STARTS = (0.0, 0.4, 0.7)
# A start other than the brain's must explain the region clearly better, log likelihood per voxel:
# nuclei do by 0.1 to 0.3, and between nearly equal solutions noise would choose.
CLEAR_GAIN = 0.05
FEWEST_VOXELS = 1000
# Of the same way: what grey matter of a region may be.
BRIGHTNESS = (-0.2, 0.85)
# Expected of a nucleus: mostly its own tissue; as bright as white matter, as sure as by this share
# of its voxels.
NUCLEUS_WEIGHTS, NUCLEUS_STRENGTH = (0.03, 0.8, 0.07, 0.05, 0.05), 2.0
# About as bright as a region's median: within this share of that way.
SIMILAR = 0.3
# Volume, mm3, at which the brightness of a region in the scan counts as much as the template's.
ANCHOR_MM3 = 1000.0
# About as dark as cortex in the template: below this.
DARK = 0.25


@dataclass(frozen=True)
class TissueModel:
    """Mixture of cerebrospinal fluid, grey and white matter, and of voxels that hold two.

    A voxel with the share a of one tissue and 1 - a of the next has their mean intensity; a is
    spread evenly over 0 to 1 (Laidlaw 1998, doi:10.1109/42.668699; Van Leemput 2003,
    doi:10.1109/TMI.2002.806587).

    Attributes
    ----------
    means, spreads : (..., 3) float64
        Intensity of fluid, grey and white matter: mean and standard deviation. Several models that
        are fitted side by side have a leading axis.
    weights : (..., 5) float64
        Shares of fluid, grey, white, fluid with grey, grey with white.
    top : float
        Upper end of the `LEVELS` steps of intensity, which begin at 0.
    """

    means: np.ndarray
    spreads: np.ndarray
    weights: np.ndarray
    top: float

    @property
    def levels(self) -> np.ndarray:
        """Intensity in the middle of each level, (levels,)."""
        return (np.arange(LEVELS) + 0.5) * (self.top / LEVELS)

    def level_of(self, values: np.ndarray) -> np.ndarray:
        """Return the number of the level of each intensity."""
        return np.clip(values * (LEVELS / self.top), 0, LEVELS - 1).astype(np.uint8)

    def place_of(self, values: np.ndarray) -> np.ndarray:
        """Return how far intensities are from darkness (0) by fluid (1) and grey (2) to white (3).

        The same place in the scans of two people is the same mixture of tissues.
        """
        return np.asarray(np.interp(values, [0, *self.means], [0, 1, 2, 3]), np.float32)

    @cached_property
    def densities(self) -> np.ndarray:
        """Density of each class at each level, (..., levels, 5); equal where all vanish."""
        share = (np.arange(STEPS) + 0.5) / STEPS
        x = self.levels[:, None]
        means, squares = self.means[..., None, :], self.spreads[..., None, :] ** 2
        columns = [_normal(x, means, self.spreads[..., None, :])]
        for low in range(PURE - 1):
            pair = slice(low, low + 1), slice(low + 1, low + 2)
            mixed, spread = (
                (1 - share) * moment[..., pair[0]] + share * moment[..., pair[1]]
                for moment in (means, squares)
            )  # (..., 1, steps)
            columns.append(_normal(x, mixed, np.sqrt(spread)).mean(axis=-1, keepdims=True))
        return np.concatenate(columns, axis=-1)

    @property
    def evidence(self) -> np.ndarray:
        """Density of the mixture at each level, (..., levels)."""
        return np.asarray((self.densities @ self.weights[..., None])[..., 0])

    @cached_property
    def fractions(self) -> np.ndarray:
        """Expected share of each tissue in a voxel of each level, (levels, 3); rows add up to 1."""
        joint = self.densities * self.weights
        result = joint[:, :PURE].copy()
        share = (np.arange(STEPS) + 0.5) / STEPS
        x = self.levels[:, None]
        for low in range(PURE - 1):
            means = (1 - share) * self.means[low] + share * self.means[low + 1]
            squares = (1 - share) * self.spreads[low] ** 2 + share * self.spreads[low + 1] ** 2
            parts = _normal(x, means, np.sqrt(squares)) * self.weights[PURE + low] / STEPS
            result[:, low] += parts @ (1 - share)
            result[:, low + 1] += parts @ share
        return np.asarray(result / result.sum(axis=1, keepdims=True))

    @property
    def by_tissue(self) -> np.ndarray:
        """Density at each level given a tissue, mixed voxels shared among both, (levels, 3)."""
        halves = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5]])
        shares = halves * self.weights[:, None]
        return np.asarray(self.densities @ (shares / shares.sum(axis=0)))


def fit_tissues(values: np.ndarray) -> TissueModel:
    """Fit the mixture to the intensities of a brain, by k-means and expectation-maximisation.

    Parameters
    ----------
    values : (n,)
        Intensities within the brain mask, free of bias, 0 or more.

    Raises
    ------
    ImageError
        There are not three tissues: too few voxels, or intensities all alike.
    """
    top = float(np.percentile(values, 99.5)) * 1.15 if values.size else 0.0
    if values.size < FEWEST_VOXELS or top <= 0:
        raise _no_tissues(f"{values.size} voxels of intensities up to {top:.3g}")
    blank = TissueModel(np.zeros(PURE), np.ones(PURE), np.array(WEIGHTS), top)
    counts = np.bincount(blank.level_of(values), minlength=LEVELS).astype(float)
    x = blank.levels
    means = np.interp(STARTS, np.cumsum(counts) / counts.sum(), x)
    for _ in range(ITERATIONS):
        nearest = np.abs(x[:, None] - means).argmin(axis=1)
        sizes = np.bincount(nearest, weights=counts, minlength=PURE)
        if (sizes == 0).any():
            raise _no_tissues("fewer than three groups of intensities")
        means = np.bincount(nearest, weights=counts * x, minlength=PURE) / sizes
    squares = np.bincount(nearest, weights=counts * (x - means[nearest]) ** 2, minlength=PURE)
    # Voxels of two tissues lie in these groups and widen them.
    spreads = np.maximum(0.6 * np.sqrt(squares / sizes), top / LEVELS)
    model = replace(blank, means=means, spreads=spreads)
    for _ in range(ITERATIONS):
        model = _refined(model, counts)
        # Fluid is one medium. Where a mask leaves little of it, its class would else spread below
        # the whole of grey matter and take a part of that.
        narrow = np.minimum(model.spreads[0], FLUID_SPREAD * model.spreads[1])
        model = replace(model, spreads=np.array([narrow, *model.spreads[1:]]))
    if not (np.diff(model.means) > 0).all():
        raise _no_tissues("fewer than three groups of intensities")
    return model


def brightness_of(
    image: np.ndarray, labels: np.ndarray, brain: np.ndarray, model: TissueModel, regions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure how bright each region is, on the way from grey (0) to white matter (1).

    Parameters
    ----------
    image : (i, j, k)
        Intensities free of bias.
    labels : (i, j, k) int
        Row of the region plus one, 0 for none.
    brain : (i, j, k) bool
    model : TissueModel
    regions : int

    Returns
    -------
    brightness : (regions,) float64
        Median over the voxels of a region that are no fluid; NaN where there are none.
    voxels : (regions,) int64
        How many these are.
    alike : (regions,) float64
        Share of all voxels of the region within `SIMILAR` of the median.
    """
    fluid, low, high = model.means
    brightness, alike = np.full(regions, np.nan), np.zeros(regions)
    voxels = np.zeros(regions, np.int64)
    for row, box in enumerate(ndimage.find_objects(labels, max_label=regions)):
        if box is None:
            continue
        values = image[box][(labels[box] == row + 1) & brain[box]]
        solid = values[values > (fluid + low) / 2]
        voxels[row] = solid.size
        if solid.size:
            middle = float(np.median(solid))
            brightness[row] = (middle - low) / (high - low)
            alike[row] = float((np.abs(values - middle) < SIMILAR * (high - low)).mean())
    return brightness, voxels, alike


def anchored(brightness: np.ndarray, mm3: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Return the brightness expected of each region: as in the scan, drawn to that in the template.

    What is about as dark as cortex in the template gets 0, whatever the scan shows: a rim of fluid
    would darken it, and then count as grey. NaN where the template tells nothing.
    """
    measured = np.where(np.isnan(brightness), 0.0, brightness)
    mixed = (measured * mm3 + template * ANCHOR_MM3) / (mm3 + ANCHOR_MM3)
    return np.asarray(np.where(template < DARK, 0.0, mixed))


def fit_nucleus(
    model: TissueModel, counts: np.ndarray, brightness: float, *, rounds: int = 15
) -> TissueModel:
    """Return the mixture of a region whose brightness is known: its own shares of tissues.

    Without these expectations a region nearly as bright as white matter would be explained as
    voxels between cortex and white matter.

    Parameters
    ----------
    counts : (levels,)
        Voxels of the region by level, weighted by how much each belongs to it.
    brightness : float
        Of its grey matter, on the way from the brain's grey (0) to its white matter (1).
    """
    fluid, low, high = model.means
    place = np.clip(brightness, *BRIGHTNESS)
    region = replace(
        model,
        means=np.array([fluid, low + place * (high - low), high]),
        weights=np.array(NUCLEUS_WEIGHTS),
    )
    # As dark as cortex it is told from white matter without.
    strength = NUCLEUS_STRENGTH * max(0.0, float(place))
    expected = strength * counts.sum() * region.weights
    x = model.levels
    for _ in range(rounds if counts.sum() > 0 else 0):
        joint = region.densities * region.weights
        joint *= (counts / np.maximum(joint.sum(axis=1), 1e-300))[:, None]
        square = float(joint[:, 1] @ (x - region.means[1]) ** 2) / max(joint[:, 1].sum(), 1e-9)
        # Cortex, which decides the brain's spread, is the more varied.
        spreads = model.spreads * [1, np.clip(np.sqrt(square) / model.spreads[1], 0.5, 1), 1]
        sizes = joint.sum(axis=0) + expected
        region = replace(region, weights=sizes / sizes.sum(), spreads=spreads)
    return region


def fit_region(model: TissueModel, counts: np.ndarray, *, rounds: int = 15) -> TissueModel:
    """Return the mixture of one region: its own shares of tissues and its own grey matter.

    Deep nuclei are brighter than cortex, up to nearly white matter. Fluid and white matter stay as
    in the whole brain.

    Parameters
    ----------
    counts : (levels,)
        Voxels of the region by level, weighted by how much each belongs to it.
    """
    if counts.sum() <= 0:
        return model
    low, high = model.means[1], model.means[2]
    bounds = tuple(low + place * (high - low) for place in BRIGHTNESS)
    # As much as the fit of a few hundred voxels away from that of the brain would be noise.
    anchor = 0.02 * counts.sum()
    # From all starts side by side: models of a few hundred numbers cost calls, not arithmetic.
    starts = np.array(GREY_STARTS)
    region = replace(
        model,
        means=np.stack([[model.means[0], low + place * (high - low), high] for place in starts]),
        spreads=np.tile(model.spreads, (len(starts), 1)),
        weights=np.tile(model.weights, (len(starts), 1)),
    )
    widest = np.array([np.inf, 1.3, np.inf]) * model.spreads
    for _ in range(rounds):
        region = _refined(region, counts, only_grey=True, bounds=bounds, anchor=anchor)
        region = replace(region, spreads=np.minimum(region.spreads, widest))
    fit = np.log(region.evidence) @ counts / counts.sum()  # (start,)
    best = int((fit - CLEAR_GAIN * (starts > 0)).argmax())
    return replace(
        region,
        means=region.means[best],
        spreads=region.spreads[best],
        weights=region.weights[best],
    )


def _refined(
    model: TissueModel,
    counts: np.ndarray,
    *,
    only_grey: bool = False,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    anchor: float = 0.0,
) -> TissueModel:
    """One step of expectation and maximisation, of one model or of several side by side."""
    x = model.levels[:, None]
    joint = model.densities * model.weights[..., None, :]  # (..., levels, 5)
    joint *= (counts / np.maximum(joint.sum(axis=-1), 1e-300))[..., None]
    sizes = joint.sum(axis=-2)
    weights = (sizes + anchor / CLASSES) / (sizes.sum(axis=-1, keepdims=True) + anchor)
    size = np.maximum(sizes[..., :PURE], 1e-9)
    means = (joint[..., :PURE] * x).sum(axis=-2) / size
    squares = (joint[..., :PURE] * (x - means[..., None, :]) ** 2).sum(axis=-2) / size
    spreads = np.sqrt(np.maximum(squares, (model.top / LEVELS) ** 2))
    if only_grey:
        refitted = np.array([False, True, False]) & (size > anchor)
        means = np.where(refitted, np.clip(means, *bounds), model.means)
        spreads = np.where(refitted, spreads, model.spreads)
    return replace(model, means=means, spreads=spreads, weights=weights)


def _normal(x: np.ndarray, means: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    # The floor keeps levels far from all tissues with the nearest of them.
    distance = np.minimum(((x - means) / spreads) ** 2, 200.0)
    return np.asarray(np.exp(-0.5 * distance) / spreads)


def _no_tissues(reason: str) -> ImageError:
    return ImageError(
        f"no three tissues in the brain: {reason}",
        cause="not a T1w image of a brain, or intensities cut off",
        next_step="look at the scan and its brain mask",
    )

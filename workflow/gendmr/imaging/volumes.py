"""Volumes of regions, summed in the scan's own space.

The labels carried to the scan say where a region is likely, the intensities what is there: a voxel
belongs to a region by both (Fischl 2002, doi:10.1016/S0896-6273(02)00339-X; Puonti 2016,
doi:10.1016/j.neuroimage.2016.09.011), and of it counts the share of the region's tissue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from gendmr.imaging.atlas import TISSUES
from gendmr.imaging.fusion import CarriedLabels
from gendmr.imaging.hypointensities import hypointensities
from gendmr.imaging.tissue import (
    LEVELS,
    TissueModel,
    anchored,
    brightness_of,
    fit_nucleus,
    fit_region,
)

# Standard deviations by which a carried label is uncertain, mm, and the shares of both: mostly
# right, sometimes off by as much as ventricles of other people are larger.
NEAR_MM, FAR_MM, FAR_SHARE, FAR_ELSEWHERE = 1.5, 5.0, 0.03, 0.1
TRUNCATE = 3.0
# Where labels were fitted to the scan.
REFINED_MM = 1.0
# Larger voxels hold fluid and white matter at once, and do not show the wall between them.
WALL_MM = 1.6
# Ventricles in the prior: deep below the mask, probably fluid; others have larger ones.
DEEP_MM, DEEP_FLUID, DEEP_REACH_MM, COARSE_MM = 18.0, 0.4, 12.0, 3.0
RIM_MM = 3.0
# Of the way from grey to white matter: darker regions of one brightness are nuclei.
NUCLEUS_BELOW = 0.85


@dataclass(frozen=True)
class _Region:
    row: int
    box: tuple[slice, ...]
    # How likely each voxel of the box belongs to it by the carried labels alone.
    soft: np.ndarray
    own: TissueModel


def region_volumes(
    image: np.ndarray,
    brain: np.ndarray,
    carried: CarriedLabels,
    priors: np.ndarray,
    deep: np.ndarray,
    model: TissueModel,
    tissues: Sequence[str],
    brightness: np.ndarray,
    zooms: np.ndarray,
    *,
    refined: bool,
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Measure each region's tissue in a scan, and share each voxel among the tissues.

    Parameters
    ----------
    image : (i, j, k) float32
        Intensities free of bias.
    brain : (i, j, k) bool
    carried : CarriedLabels
        Labels carried to the scan.
    priors : (3, i, j, k) float32
        The template's probabilities of `TISSUES` carried to the scan: what is likely where no
        region is.
    deep : (i, j, k) bool
        The reach of the template's ventricles (`reach_of_ventricles`), carried to the scan.
    model : TissueModel
        Of the whole brain.
    tissues : sequence of str, one per region
        Which tissue of a region counts, one of `TISSUES`.
    brightness : (regions,)
        Of regions that are of one brightness in the template, on the way from grey (0) to white
        matter (1); NaN of the others.
    zooms : (3,)
        Voxel size, mm.
    refined : bool
        Labels of regions of one brightness were fitted to the scan (`refinement`).

    Returns
    -------
    volumes : (regions,) float64
        mm3.
    fractions : (3, i, j, k) float32
        Share of each of `TISSUES` in each voxel; they add up to 1 in the brain.
    hypointense : float or None
        White matter as dark as grey matter, mm3 (`hypointensities`); None where voxels are too
        large to tell it.
    """
    level = model.level_of(image)
    labels = carried.likeliest
    scan_brightness, voxels, _ = brightness_of(image, labels, brain, model, len(tissues))
    brightness = anchored(scan_brightness, voxels * float(np.prod(zooms)), brightness)
    near = np.where(np.isfinite(brightness) & refined, REFINED_MM, NEAR_MM)
    regions = _regions(carried, brain, level, model, tissues, brightness, near, zooms)
    free = {"csf": _free_fluid(labels, deep, tissues, zooms)}
    free["grey"] = free["white"] = labels == 0
    loose = REFINED_MM if refined else NEAR_MM
    unlabelled = np.stack(
        [
            _soft(prior * free[tissue], zooms, near=loose, far=FAR_ELSEWHERE * (tissue == "csf"))
            for prior, tissue in zip(priors, TISSUES, strict=True)
        ]
    )
    fractions = _fractions(level, regions, unlabelled, model) * brain
    _split_walls(fractions, deep, image, model, zooms)
    hypointense = _restore_white(
        fractions, image, brain, labels, tissues, brightness, priors, model, zooms
    )
    # Of the tissue in a voxel, each region of this tissue gets the share that it is likely to have.
    densities = {region.row: region.own.by_tissue.astype(np.float32) for region in regions}
    elsewhere = model.by_tissue.astype(np.float32)
    volumes = np.zeros(len(tissues))
    for number, tissue in enumerate(TISSUES):
        total = unlabelled[number] * elsewhere[:, number][level]
        members = [region for region in regions if tissues[region.row] == tissue]
        for region in members:
            total[region.box] += region.soft * densities[region.row][:, number][level[region.box]]
        scaled = fractions[number] / np.maximum(total, 1e-30)
        for region in members:
            joint = region.soft * densities[region.row][:, number][level[region.box]]
            volumes[region.row] = float((joint * scaled[region.box]).sum(dtype=np.float64))
    return volumes * float(np.prod(zooms)), fractions, hypointense


def reach_of_ventricles(fluid: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Where ventricles and deep cisterns are or may reach to: around the deep parts of the fluid.

    Decided once, in the template: what is deep could differ between two scans of one person.

    Parameters
    ----------
    fluid : (i, j, k)
        Probability of fluid in the template.
    brain : (i, j, k) bool
        Mask of the template.
    zooms : (3,)
        Voxel size, mm.
    """
    steps = np.maximum(1, np.round(COARSE_MM / np.asarray(zooms))).astype(int)
    thinned = tuple(slice(None, None, step) for step in steps)
    sampling = np.asarray(zooms) * steps
    depth = ndimage.distance_transform_edt(np.pad(brain[thinned], 1), sampling=sampling)
    core = (fluid[thinned] > DEEP_FLUID) & (depth[1:-1, 1:-1, 1:-1] > DEEP_MM)
    if not core.any():
        return np.zeros(brain.shape, bool)
    near = ndimage.distance_transform_edt(~core, sampling=sampling) <= DEEP_REACH_MM
    for axis, step in enumerate(steps):
        near = near.repeat(step, axis=axis)
    return np.asarray(near[tuple(slice(0, length) for length in brain.shape)])


def _free_fluid(
    labels: np.ndarray, deep: np.ndarray, tissues: Sequence[str], zooms: np.ndarray
) -> np.ndarray:
    """Where fluid may belong to no region.

    Atlases draw cortex over its sulci: fluid there is of no region. The template's fluid next to
    the label of a ventricle is the ventricle's, which ends elsewhere in each person.
    """
    rows = [row + 1 for row, tissue in enumerate(tissues) if tissue == "csf"]
    if not rows:
        return np.ones(labels.shape, bool)
    fluid = np.isin(labels, rows)
    rim = ndimage.binary_dilation(
        fluid & deep, iterations=max(1, round(RIM_MM / float(np.mean(zooms))))
    )
    return np.asarray(~fluid & ~(rim & deep))


def _regions(
    carried: CarriedLabels,
    brain: np.ndarray,
    level: np.ndarray,
    model: TissueModel,
    tissues: Sequence[str],
    brightness: np.ndarray,
    near: np.ndarray,
    zooms: np.ndarray,
) -> list[_Region]:
    regions = []
    for row, box in enumerate(carried.boxes(len(tissues))):
        if box is None:
            continue
        reach = TRUNCATE * (FAR_MM if tissues[row] == "csf" else NEAR_MM)
        pads = np.ceil(reach / np.asarray(zooms)).astype(int)
        wide = tuple(
            slice(max(0, part.start - pad), part.stop + pad)
            for part, pad in zip(box, pads, strict=True)
        )
        soft = (
            _soft(
                carried.share(row, wide),
                zooms,
                near=near[row],
                far=FAR_SHARE * (tissues[row] == "csf"),
            )
            * brain[wide]
        )
        counts = np.bincount(level[wide].ravel(), weights=soft.ravel(), minlength=LEVELS)
        if tissues[row] != "grey":
            region_model = model
        elif np.isfinite(brightness[row]):
            region_model = fit_nucleus(model, counts, float(brightness[row]))
        else:
            region_model = fit_region(model, counts)
        regions.append(_Region(row, wide, soft, region_model))
    return regions


def _fractions(
    level: np.ndarray, regions: list[_Region], unlabelled: np.ndarray, model: TissueModel
) -> np.ndarray:
    """Share of each tissue in each voxel, (3, i, j, k): by the mixtures of the regions there."""
    evidence = unlabelled.sum(axis=0) * model.evidence.astype(np.float32)[level]
    table = model.fractions.astype(np.float32)
    result = np.stack([evidence * table[:, number][level] for number in range(len(TISSUES))])
    for region in regions:
        levels = level[region.box]
        joint = region.soft * region.own.evidence.astype(np.float32)[levels]
        evidence[region.box] += joint
        fractions = region.own.fractions.astype(np.float32)
        for number in range(len(TISSUES)):
            result[number][region.box] += joint * fractions[:, number][levels]
    return np.asarray(result / np.maximum(evidence, 1e-30))


def _split_walls(
    fractions: np.ndarray,
    deep: np.ndarray,
    image: np.ndarray,
    model: TissueModel,
    zooms: np.ndarray,
) -> None:
    """Share out, in place, voxels that only look grey: those between ventricle and white matter.

    Where both are next to a voxel there is no room for a nucleus.
    """
    half = (np.asarray(zooms) <= WALL_MM).astype(int)
    if not half.any() or not deep.any():
        return
    # Only what is deep is shared out, and nothing beyond the next voxel tells.
    box = tuple(
        slice(max(0, side.start - 1), side.stop + 1)
        for side in ndimage.find_objects(deep.astype(np.uint8))[0]
    )
    part = fractions[(slice(None), *box)]
    fluid, white = (
        ndimage.maximum_filter((part[number] > 0.5).astype(np.uint8), 2 * half + 1) > 0
        for number in (0, 2)
    )
    wall = fluid & white & (part[1] > 0) & deep[box]
    low, high = model.means[0], model.means[2]
    share = np.clip((image[box][wall] - low) / (high - low), 0, 1)
    part[:, wall] = part[:, wall].sum(axis=0) * np.stack([1 - share, 0 * share, share])


def _restore_white(
    fractions: np.ndarray,
    image: np.ndarray,
    brain: np.ndarray,
    labels: np.ndarray,
    tissues: Sequence[str],
    brightness: np.ndarray,
    priors: np.ndarray,
    model: TissueModel,
    zooms: np.ndarray,
) -> float | None:
    """Count, in place, white matter that is dark for white; return how much it is, mm3."""
    if (np.asarray(zooms) > WALL_MM).any():
        return None
    # Whatever counts of a region: the ventral diencephalon is white matter, and dark as a nucleus.
    dark = (np.array(tissues) == "grey") | (brightness < NUCLEUS_BELOW)
    grey = np.concatenate([[False], dark])[labels] & brain
    share, lesions = hypointensities(image, grey, fractions, priors[2], model, np.asarray(zooms))
    fractions[2][lesions] += fractions[1][lesions]
    fractions[1][lesions] = 0
    return float(share.sum(dtype=np.float64) * np.prod(zooms))


def _soft(part: np.ndarray, zooms: np.ndarray, *, near: float, far: float = 0.0) -> np.ndarray:
    part = part.astype(np.float32, copy=False)
    soft = ndimage.gaussian_filter(part, near / np.asarray(zooms), truncate=TRUNCATE)
    if far:
        wide = ndimage.gaussian_filter(part, FAR_MM / np.asarray(zooms), truncate=TRUNCATE)
        soft = (1 - far) * soft + far * wide
    return np.asarray(soft)

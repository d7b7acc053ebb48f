"""Labels fitted to the intensities of a scan, after registration.

An average brain shows the borders of deep structures faintly, and registration stops some
millimetres short of them. Here the carried atlas moves on until what it expects at each place is
what the scan shows there (the idea of Ashburner 2005, doi:10.1016/j.neuroimage.2005.02.018, and of
Puonti 2016, doi:10.1016/j.neuroimage.2016.09.011). Cortex folds differently in each person and is
left to registration: only what lies deep below the mask of the brain moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from gendmr.config.imaging import Preset
from gendmr.imaging.atlas import TISSUES
from gendmr.imaging.scan import Scan, resample, thin
from gendmr.imaging.tissue import TissueModel, anchored, brightness_of

# Nuclei between grey and white matter: classes of their own, by steps of this way.
STEP = 0.2
NUCLEI = tuple(np.arange(1, round(1 / STEP)) * STEP)
# What the atlas expects is certain within this, mm, and never entirely.
BLUR_MM, LEAST = 1.0, 1e-3
# Moved is fully what lies deeper than both, and nothing above the first, mm.
SHALLOW_MM, DEEP_MM = 6.0, 12.0
# Likewise by the distance from structures of one brightness.
CLOSE_MM, FAR_MM = 4.0, 12.0
# Smoothing at voxels of 2 mm, mm: of each step, and of the whole displacement.
STEP_SIGMA_MM, TOTAL_SIGMA_MM, SIGMA_VOXEL_MM = 4.0, 1.8, 2.0
# Longest step before it is smoothed, voxels, and what makes up for the smoothing.
LONGEST, GAIN = 0.5, 2.0
MARGIN, TRUNCATE, TINY = 4, 3.0, 1e-4


def refine(
    image: Scan,
    brain: np.ndarray,
    labels: np.ndarray,
    priors: np.ndarray,
    model: TissueModel,
    tissues: Sequence[str],
    template: np.ndarray,
    preset: Preset,
) -> np.ndarray:
    """Return how the carried labels move to where the scan shows their structures.

    Parameters
    ----------
    image : Scan
        Intensities free of bias.
    brain : (i, j, k) bool
        Mask on the same grid.
    labels : (a, b, c) int
        Labels carried to this grid, thinned to the preset's `registration_mm`: row of the region
        plus one, 0 for none.
    priors : (3, a, b, c) float32
        Probabilities of `TISSUES` carried to the thinned grid.
    model : TissueModel
        Of the whole brain.
    tissues : sequence of str, one per region
        One of `TISSUES`.
    template : (regions,)
        Brightness of regions that are of one brightness in the template; NaN of the others, which
        do not tell where their borders are.
    preset : Preset

    Returns
    -------
    (a, b, c, 3) float32
        What is looked up in the carried labels for a place of the scan lies this far away, mm,
        RAS+.
    """
    coarse = thin(image, preset.registration_mm)
    inside = thin(Scan(brain.astype(np.float32), image.affine), preset.registration_mm).data > 0.5
    weight = _weight(inside, labels, tissues, template, coarse.zooms)
    axes = coarse.affine[:3, :3] / coarse.zooms
    shift = np.zeros((3, *labels.shape), np.float32)
    moved = labels
    stages = zip(preset.refinement.iterations, preset.refinement.shrink, strict=True)
    for iterations, shrink in stages:
        members, tables = _classes(coarse, moved, inside, model, tissues, template)
        level = model.level_of(image.data)
        shown = [
            thin(Scan(table[level] * brain, image.affine), preset.registration_mm).data
            for table in tables
        ]
        expected = _expected(members, labels, priors)
        grids = [
            [thin(Scan(part, coarse.affine), preset.registration_mm * shrink) for part in parts]
            for parts in (shown, expected, [weight], shift)
        ]
        grid = grids[0][0]
        observed, atlas, mask, start = (np.stack([part.data for part in parts]) for parts in grids)
        moving = _follow(observed, atlas, mask[0], start, grid.zooms, iterations)
        shift = np.stack(
            [
                resample(Scan(part, grid.affine), coarse.affine, labels.shape, order=1)
                for part in moving
            ]
        )
        moved = look_up(labels, shift, coarse.zooms)
    return np.asarray(np.moveaxis(shift, 0, -1) @ axes.T, np.float32)


def look_up(labels: np.ndarray, shift: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Return the nearest label at each place after a displacement along the axes, (3, ...) mm."""
    places = np.indices(labels.shape, np.float32) + shift / _column(zooms)
    nearest = [
        np.clip(np.rint(place), 0, length - 1).astype(np.int32)
        for place, length in zip(places, labels.shape, strict=True)
    ]
    return np.asarray(labels[tuple(nearest)])


def _weight(
    inside: np.ndarray,
    labels: np.ndarray,
    tissues: Sequence[str],
    template: np.ndarray,
    zooms: np.ndarray,
) -> np.ndarray:
    """How much a voxel counts: deep in the brain, and near what tells where its borders are."""
    telling = np.isfinite(template) | (np.array(tissues) == "csf")
    labelled = np.concatenate([[False], telling])[labels] & inside
    if not labelled.any():
        return np.zeros(labels.shape, np.float32)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=zooms)[1:-1, 1:-1, 1:-1]
    away = ndimage.distance_transform_edt(~labelled, sampling=zooms)
    deep = np.clip((depth - SHALLOW_MM) / (DEEP_MM - SHALLOW_MM), 0, 1)
    near = np.clip((FAR_MM - away) / (FAR_MM - CLOSE_MM), 0, 1)
    return np.asarray(deep * near, np.float32)


def _classes(
    coarse: Scan,
    labels: np.ndarray,
    inside: np.ndarray,
    model: TissueModel,
    tissues: Sequence[str],
    template: np.ndarray,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """How much of each region is of each class, and shares of classes by level.

    Classes are `TISSUES`, then those of `NUCLEI` that a region has. A brightness between two
    classes is expected as a mixture of both, because a threshold between them would make two scans
    of one person differ. A region of which the template's tissues tell more is of no class. The
    share of a class at a level of intensity is its density by the sum of all.

    Returns
    -------
    members : (regions, classes) float32
    shares : list of (levels,) float32, one per class
    """
    brightness, voxels, _ = brightness_of(coarse.data, labels, inside, model, len(tissues))
    places = anchored(brightness, voxels * coarse.voxel_mm3, template) / STEP
    # From grey matter by way of the nuclei to white matter.
    ladder = np.array([1, *range(len(TISSUES), len(TISSUES) + len(NUCLEI)), 2])
    members = np.zeros((len(tissues), len(TISSUES) + len(NUCLEI)), np.float32)
    for row, tissue in enumerate(tissues):
        if tissue == "csf":
            members[row, 0] = 1
        elif np.isfinite(places[row]):
            place = float(np.clip(places[row], 0, len(ladder) - 1))
            lower = min(int(place), len(ladder) - 2)
            members[row, ladder[lower : lower + 2]] = lower + 1 - place, place - lower
    low, high = model.means[1:]
    densities = [model.by_tissue[:, number] for number in range(len(TISSUES))]
    present = np.asarray(members.any(axis=0))
    present[: len(TISSUES)] = True
    for place in np.array(NUCLEI)[present[len(TISSUES) :]]:
        means = np.array([model.means[0], low + place * (high - low), high])
        densities.append(replace(model, means=means).by_tissue[:, 1])
    total = np.maximum(sum(densities), 1e-12)
    return members[:, present], [(density / total).astype(np.float32) for density in densities]


def _expected(members: np.ndarray, labels: np.ndarray, priors: np.ndarray) -> list[np.ndarray]:
    """Probability of each class at each voxel, by the atlas."""
    table = np.concatenate([np.zeros_like(members[:1]), members])
    untold = 1 - table.sum(axis=1)
    expected = []
    for number in range(table.shape[1]):
        share = table[:, number][labels]
        if number < len(TISSUES):
            share += untold[labels] * priors[number]
        expected.append(share)
    total = np.maximum(sum(expected), 1e-3)
    return [np.asarray(share / total, np.float32) for share in expected]


def _follow(
    shown: np.ndarray,
    expected: np.ndarray,
    weight: np.ndarray,
    shift: np.ndarray,
    zooms: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """Climb the log likelihood of what is shown, by smooth steps along its gradient.

    Parameters
    ----------
    shown, expected : (classes, i, j, k) float32
        Share of each class by the intensities, and probability by the atlas.
    weight : (i, j, k) float32
        How much a voxel counts.
    shift : (3, i, j, k) float32
        Start, mm along the axes.

    Returns
    -------
    (3, i, j, k) float32
    """
    shift = shift.copy()
    if not weight.any():
        return shift
    box = tuple(
        slice(max(0, part.start - MARGIN), part.stop + MARGIN)
        for part in ndimage.find_objects((weight > 0).astype(np.uint8))[0]
    )
    scale = np.sqrt(max(1.0, float(zooms.mean()) / SIGMA_VOXEL_MM))
    atlas = _smooth(expected, BLUR_MM / zooms)
    observed = shown[(slice(None), *box)] * weight[box]
    longest = LONGEST * float(zooms.mean())
    part = shift[(slice(None), *box)]
    corner = _column(np.array([side.start for side in box]))
    grid = np.indices(part.shape[1:], np.float32) + corner
    for _ in range(iterations):
        warped = np.maximum(sampled(atlas, grid + part / _column(zooms)), LEAST)
        ratio = observed / (np.einsum("cijk,cijk->ijk", observed, warped) + TINY)
        force = np.stack(
            [
                np.einsum("cijk,cijk->ijk", ratio, np.gradient(warped, zoom, axis=axis + 1))
                for axis, zoom in enumerate(zooms)
            ]
        )
        step = force / ((force**2).sum(axis=0) + 1 / (2 * longest) ** 2)
        part = part + GAIN * _smooth(step, STEP_SIGMA_MM * scale / zooms)
        part = _smooth(part, TOTAL_SIGMA_MM * scale / zooms)
    shift[(slice(None), *box)] = part
    return shift


def sampled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate several maps at once, linearly; beyond the rim, the value at the rim.

    Parameters
    ----------
    values : (maps, i, j, k) float32
    places : (3, a, b, c) float32
        Voxel indices.

    Returns
    -------
    (maps, a, b, c) float32
    """
    # Imported late, because the command line does without it.
    import torch
    from torch.nn.functional import grid_sample

    torch.set_num_threads(1)
    lengths = np.array(values.shape[1:], np.float32)
    scaled = 2 * places / _column(np.maximum(lengths - 1, 1)) - 1
    # Places are told from the last axis to the first, from -1 to 1.
    grid = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scaled[::-1], 0, -1), np.float32))
    maps = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    result = grid_sample(
        maps[None], grid[None], mode="bilinear", padding_mode="border", align_corners=True
    )
    return np.asarray(result[0].numpy())


def _smooth(field: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    return np.stack(
        [ndimage.gaussian_filter(part, sigmas, truncate=TRUNCATE) for part in field]
    ).astype(np.float32)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None, None]

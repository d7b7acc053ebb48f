"""White matter that is as dark as grey matter: lesions, told from grey matter by where they lie.

A T1w scan shows hypointensities of white matter (of small vessels, of demyelination) about as dark
as grey matter. An island of such voxels within white matter, away from nuclei and fluid, is white
matter nevertheless. What touches cortex, nuclei or ventricles is not told from them.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gendmr.imaging.tissue import TissueModel

# Of the way from grey (0) to white matter (1): darker than this an island begins. Smoothing
# against noise before, mm.
DARKER_THAN, SMOOTH_MM = 0.6, 0.7
# Smaller islands are noise or vessels; larger ones are no islands.
LEAST_MM3, MOST_MM3 = 15.0, 30_000.0
# Around an island this share must be white matter, by the scan and by the template.
SURROUNDED, EXPECTED, SHELL_MM = 0.8, 0.5, 2.0
# The claustrum lies this close to the putamen, and is grey; fluid is blurred as far.
NUCLEI_MM, FLUID_MM = 5.0, 2.0
RIM = 1


def hypointensities(
    image: np.ndarray,
    brain: np.ndarray,
    nuclei: np.ndarray,
    fractions: np.ndarray,
    white: np.ndarray,
    model: TissueModel,
    zooms: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find islands of dark voxels in white matter.

    Parameters
    ----------
    image : (i, j, k) float32
        Intensities free of bias.
    brain : (i, j, k) bool
    nuclei : (i, j, k) bool
        Where the atlas has deep grey matter.
    fractions : (3, i, j, k) float32
        Share of fluid, grey and white matter in each voxel.
    white : (i, j, k) float32
        The template's probability of white matter, carried to the scan.
    model : TissueModel
        Of the whole brain.
    zooms : (3,)
        Voxel size, mm.

    Returns
    -------
    share : (i, j, k) float32
        How much of each voxel is lesion: the darkness of the middle of its island is whole.
    islands : (i, j, k) bool
        Islands with their rim: grey matter there is white matter.
    """
    low, high = model.means[1:]
    place = (image - low) / (high - low)
    smooth = ndimage.gaussian_filter(place.astype(np.float32), SMOOTH_MM / zooms)
    dark = brain & (smooth < DARKER_THAN)
    numbers, _ = ndimage.label(dark)
    sizes = np.bincount(numbers.ravel()) * float(np.prod(zooms))
    allowed = (sizes >= LEAST_MM3) & (sizes <= MOST_MM3)
    allowed[0] = False
    barred = _near(nuclei, NUCLEI_MM, zooms) | _near(fractions[0] > 0.5, FLUID_MM, zooms)
    allowed[np.unique(numbers[barred])] = False
    share = np.zeros(image.shape, np.float32)
    islands = np.zeros(image.shape, bool)
    pad = np.ceil(SHELL_MM / zooms).astype(int) + 1
    boxes = ndimage.find_objects(numbers)
    for number in np.flatnonzero(allowed):
        box = tuple(
            slice(max(0, part.start - wide), part.stop + wide)
            for part, wide in zip(boxes[number - 1], pad, strict=True)
        )
        island = numbers[box] == number
        around = _within(island, SHELL_MM, zooms)
        shell = around & ~ndimage.binary_dilation(island, iterations=RIM)
        surrounded = float((fractions[2][box][shell] > 0.5).mean())
        if surrounded < SURROUNDED or float(white[box][around].mean()) < EXPECTED:
            continue
        wide_island = ndimage.binary_dilation(island, iterations=RIM)
        depth = ndimage.distance_transform_edt(np.pad(island, 1))[1:-1, 1:-1, 1:-1]
        core = float(np.median(place[box][island & (depth >= min(2.0, depth.max()))]))
        part = np.clip((1 - place[box]) / (1 - core), 0, 1) * wide_island
        share[box] = np.maximum(share[box], part)
        islands[box] |= wide_island
    return share, islands


def _near(mask: np.ndarray, mm: float, zooms: np.ndarray) -> np.ndarray:
    """Whether a box of this half-width holds something of a mask."""
    size = 2 * np.rint(mm / zooms).astype(int) + 1
    return np.asarray(ndimage.maximum_filter(mask.astype(np.uint8), size) > 0)


def _within(mask: np.ndarray, mm: float, zooms: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=zooms) <= mm)

"""White matter that is as dark as grey matter: lesions, told from grey matter by where they lie.

A T1w scan shows hypointensities of white matter (of small vessels, of demyelination) about as dark
as grey matter. Such voxels where atlas and template have white matter, away from cortex and nuclei,
are white matter nevertheless, be it around ventricles or within white matter. What touches cortex
or nuclei is not told from them.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gendmr.imaging.tissue import TissueModel

# Of the way from grey (0) to white matter (1): darker than this is a lesion. Smoothing against
# noise before, mm.
DARKER_THAN, SMOOTH_MM = 0.6, 0.7
# Smaller ones are noise or vessels.
LEAST_MM3 = 15.0
# Around a lesion this share must be white matter or fluid, and be white in the template.
SURROUNDED, EXPECTED, SHELL_MM = 0.7, 0.5, 2.0
# Labels of grey matter are uncertain by this, and the claustrum lies as close to the putamen.
GREY_MM = 3.0
RIM = 1


def hypointensities(
    image: np.ndarray,
    grey: np.ndarray,
    fractions: np.ndarray,
    white: np.ndarray,
    model: TissueModel,
    zooms: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find what is dark in white matter, away from where the atlas has grey matter.

    Parameters
    ----------
    image : (i, j, k) float32
        Intensities free of bias.
    grey : (i, j, k) bool
        Where the atlas has cortex and nuclei.
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
        How much of each voxel is lesion: the darkness of the middle of its lesion is whole.
    lesions : (i, j, k) bool
        Lesions with their rim: grey matter there is white matter.
    """
    low, high = model.means[1:]
    place = ((image - low) / (high - low)).astype(np.float32)
    smooth = ndimage.gaussian_filter(place, SMOOTH_MM / zooms)
    barred = _near(grey, GREY_MM, zooms)
    numbers, count = ndimage.label((smooth < DARKER_THAN) & (fractions[1] > 0.5) & ~barred)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1) * float(np.prod(zooms))
    share = np.zeros(image.shape, np.float32)
    lesions = np.zeros(image.shape, bool)
    pad = np.ceil(SHELL_MM / zooms).astype(int) + 1
    for number, place_of_box in enumerate(ndimage.find_objects(numbers), start=1):
        if sizes[number] < LEAST_MM3:
            continue
        box = tuple(
            slice(max(0, part.start - wide), part.stop + wide)
            for part, wide in zip(place_of_box, pad, strict=True)
        )
        lesion = numbers[box] == number
        around = _within(lesion, SHELL_MM, zooms)
        wide_lesion = ndimage.binary_dilation(lesion, iterations=RIM)
        shell = around & ~wide_lesion
        surrounded = float((fractions[1][box][shell] < 0.5).mean())
        if surrounded < SURROUNDED or float(white[box][around].mean()) < EXPECTED:
            continue
        depth = ndimage.distance_transform_edt(np.pad(lesion, 1))[1:-1, 1:-1, 1:-1]
        core = float(np.median(place[box][lesion & (depth >= min(2.0, depth.max()))]))
        rim = wide_lesion & ~barred[box]
        part = np.clip((1 - place[box]) / (1 - core), 0, 1) * rim * (1 - fractions[0][box])
        share[box] = np.maximum(share[box], part)
        lesions[box] |= rim
    return share, lesions


def _near(mask: np.ndarray, mm: float, zooms: np.ndarray) -> np.ndarray:
    """Whether a box of this half-width holds something of a mask."""
    size = 2 * np.rint(mm / zooms).astype(int) + 1
    return np.asarray(ndimage.maximum_filter(mask.astype(np.uint8), size) > 0)


def _within(mask: np.ndarray, mm: float, zooms: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=zooms) <= mm)

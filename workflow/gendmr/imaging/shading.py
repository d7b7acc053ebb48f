"""What N4 leaves of the slow change of brightness, told from the brightness of tissues.

N4 sharpens the histogram of the whole brain and stops before strong shading is gone: a brain stem
or a nucleus then looks like another tissue. Once tissues are known, each voxel of grey or white
matter tells by how much it is brighter than its tissue (Wells 1996, doi:10.1109/42.511747).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gendmr.imaging.scan import Scan, resample, thin
from gendmr.imaging.tissue import PURE, TissueModel, fit_tissues

# Standard deviation of the neighbourhood over which voxels are averaged, and voxels of the grid on
# which that is done, mm.
SIGMA_MM, GRID_MM = 12.0, 4.1
# Weight, by the mean of the brain, of the assumption that nothing is left: decides where neither
# grey nor white matter is near.
ANCHOR = 0.02


def without_shading(image: Scan, brain: np.ndarray, rounds: int) -> np.ndarray:
    """Return intensities after the rest of the shading was divided out.

    Parameters
    ----------
    image : Scan
        Corrected by N4, 0 outside of the brain.
    brain : (i, j, k) bool
        Mask on the same grid.
    rounds : int
        How often tissues and shading are fitted in turn.

    Returns
    -------
    (i, j, k) float32

    Raises
    ------
    ImageError
        There are not three tissues.
    """
    data = np.asarray(image.data, np.float32)
    for _ in range(rounds):
        model = fit_tissues(data[brain])
        level = model.level_of(data)
        excess, weight = (
            thin(Scan(table[level] * brain, image.affine), GRID_MM) for table in _by_level(model)
        )
        sigmas = SIGMA_MM / excess.zooms
        around = ndimage.gaussian_filter(weight.data, sigmas)
        anchor = ANCHOR * float(weight.data[weight.data > 0].mean())
        field = ndimage.gaussian_filter(excess.data, sigmas) / (around + anchor)
        shading = resample(Scan(field, excess.affine), image.affine, data.shape, order=1)
        data = np.asarray(data * np.exp(-shading), np.float32)
    return data


def _by_level(model: TissueModel) -> tuple[np.ndarray, np.ndarray]:
    """Weighted excess over the tissue's brightness, logarithm, and its weight, each (levels,).

    Fluid is too dark to tell, and a voxel of two tissues is of any brightness between them.
    """
    joint = model.densities * model.weights
    weights = joint[:, 1:PURE] / joint.sum(axis=1, keepdims=True)
    weights *= (model.means[1:] / model.spreads[1:]) ** 2
    apart = np.log(model.levels)[:, None] - np.log(model.means[1:])
    excess = (weights * apart).sum(axis=1)
    return excess.astype(np.float32), weights.sum(axis=1).astype(np.float32)

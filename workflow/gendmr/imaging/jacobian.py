"""Local volume change of a spatial mapping."""

from __future__ import annotations

import numpy as np


def determinant(displacement: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Jacobian determinant of ``x -> x + u(x)`` by central differences.

    Parameters
    ----------
    displacement : (i, j, k, 3)
        u in mm, RAS+, on the grid of the template.
    affine : (4, 4)
        Voxel indices -> mm, RAS+, of that grid.

    Returns
    -------
    (i, j, k) float64
        Volume in the scan per volume in the template: above 1 where the scan is the larger.
    """
    # Derivatives by voxel index (last axis), then by mm: du/dx = du/di . di/dx
    by_index = np.stack(
        [np.stack(np.gradient(displacement[..., c]), axis=-1) for c in range(3)], axis=-2
    )
    by_mm = by_index @ np.linalg.inv(affine[:3, :3])
    return np.asarray(np.linalg.det(by_mm + np.eye(3)))

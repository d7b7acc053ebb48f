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
    # Derivatives by voxel index, then by mm: du/dx = du/di . di/dx
    by_mm = np.linalg.inv(affine[:3, :3])
    rows = []
    for component in range(3):
        by_index = np.gradient(displacement[..., component])
        row = [sum(by_index[i] * by_mm[i, m] for i in range(3)) for m in range(3)]
        row[component] = row[component] + 1
        rows.append(row)
    # Written out, for a general determinant of a million small matrices takes five times as long.
    (a, b, c), (d, e, f), (g, h, i) = rows
    return np.asarray(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

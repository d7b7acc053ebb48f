"""A label atlas of named regions on the grey matter of the template."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import AtlasError, first_few
from gendmr.files.tables import write_table
from gendmr.simulate.nifti import ALIGNED, write_nifti
from gendmr.simulate.reference import read_regions
from gendmr.simulate.template import read_template

STEP = 2  # template voxels to one of the atlas: 2 mm
GREY = 0.4  # least share of grey matter in a labelled voxel


def make_atlas(regions_path: Path | str, labels_path: Path | str, table_path: Path | str) -> None:
    """Write the atlas and its table (`index`, `region`, `hemisphere`).

    Raises
    ------
    AtlasError
        A region contains no grey matter.
    """
    regions = read_regions(regions_path)
    grey, affine = read_template("gm")
    grey = grey[::STEP, ::STEP, ::STEP]
    affine = affine @ np.diag([STEP, STEP, STEP, 1.0])
    labels = assign(grey >= GREY, affine, regions)
    counts = np.bincount(labels.ravel(), minlength=len(regions) + 1)[1:]
    empty = regions.loc[counts == 0, "region"]
    if len(empty):
        raise AtlasError(
            f"{regions_path}: {len(empty)} regions contain no grey matter: {first_few(empty)}",
            cause="a centroid outside the brain, or far nearer to another region's",
            next_step="correct x, y, z (mm, MNI152) or radius",
        )
    write_nifti(labels_path, labels, affine, ALIGNED)
    table = pd.DataFrame(
        {
            "index": np.arange(1, len(regions) + 1),
            "region": regions["region"],
            "hemisphere": regions["hemisphere"],
        }
    )
    write_table(table_path, table)


def assign(mask: np.ndarray, affine: np.ndarray, regions: pd.DataFrame) -> np.ndarray:
    """Label each voxel of a mask by the nearest centroid, if that is within its radius.

    Parameters
    ----------
    mask : ndarray of bool, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to mm.
    regions : pandas.DataFrame
        `x`, `y`, `z`, `radius` in mm.

    Returns
    -------
    ndarray of int16, shape (i, j, k)
        1 to the number of regions in the order of the table; 0 elsewhere.
    """
    voxels = np.argwhere(mask)
    places = voxels @ affine[:3, :3].T + affine[:3, 3]
    centroids = regions[["x", "y", "z"]].to_numpy(dtype=float)
    distances = np.stack([np.linalg.norm(places - centroid, axis=1) for centroid in centroids])
    nearest = distances.argmin(axis=0)
    within = distances.min(axis=0) <= regions["radius"].to_numpy(dtype=float)[nearest]
    labels = np.zeros(mask.shape, dtype=np.int16)
    labels[tuple(voxels[within].T)] = nearest[within] + 1
    return labels

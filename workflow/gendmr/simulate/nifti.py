"""Writing NIfTI files with the same bytes each time."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

from gendmr.files.atomic import atomic_path

ALIGNED, SCANNER = 2, 1  # NIfTI codes: aligned to a template; scanner coordinates


def write_nifti(
    path: Path | str, values: np.ndarray, affine: np.ndarray, code: int, unit: float = 1.0
) -> None:
    """Write an int16 image as .nii.gz with sform and qform, without a time in the gzip header.

    Parameters
    ----------
    path : Path or str
    values : ndarray of int16, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel to mm, R+ A+ S+.
    code : int
        `ALIGNED` or `SCANNER`.
    unit : float
        What a value of 1 stands for: readers multiply by it.
    """
    image = nib.Nifti1Image(values.astype(np.int16, copy=False), affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    image.header.set_xyzt_units("mm")
    if unit != 1:
        image.header.set_slope_inter(unit, 0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=4, mtime=0))

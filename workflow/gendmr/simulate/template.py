"""The MNI152 template (2009a, symmetric) that comes with the wheel of nilearn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from gendmr.errors import InputFileError


def read_template(kind: Literal["t1", "gm", "wm"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the skull-stripped T1w image, or the grey- or white-matter map.

    Returns
    -------
    values : ndarray of float32, shape (197, 233, 189)
        0 to 1.
    affine : ndarray, shape (4, 4)
        Voxel to mm, R+ A+ S+; 1 mm voxels.

    Raises
    ------
    InputFileError
        The wheel does not carry the template.
    """
    # The package is found, not imported: that would cost seconds.
    spec = find_spec("nilearn")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("nilearn")
    path = folder / f"datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="nilearn is missing, or of a version without the MNI152 template",
            next_step="install nilearn 0.13 as in envs/simulate.yaml",
        )
    image = nib.load(path)
    return np.asarray(image.dataobj, dtype=np.float32) / 255, np.asarray(image.affine)

"""Images of FreeSurfer (MGH) and Analyze as NIfTI, so that one set of checks judges them all."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from gendmr.errors import ImageError, InputFileError
from gendmr.imaging.header import (
    MOST_TRAILING,
    contents_of,
    damaged,
    load_nifti,
    refuse_many_voxels,
)

MGH_BYTES = 284  # of the header; voxels follow
RAS_FLAG = slice(28, 30)  # bytes that say whether there is an affine
WITHOUT_AXES = (
    "The Analyze header holds no affine: axes are taken as the format defines them (left to the"
    " right of the image, LAS). Look at the picture; left and right cannot be checked."
)


def load_image(path: Path) -> tuple[bytes, nib.Nifti1Header, list[str]]:
    """Return the bytes of an image as NIfTI, its header, and notes on what was converted.

    NIfTI stays as it is. MGH (`.mgz`, `.mgh`) keeps its affine. Of Analyze (`.hdr` with `.img`)
    the affine comes from the NIfTI header or the `.mat` file of SPM where there is one.

    Raises
    ------
    InputFileError
        The file is missing, empty, damaged, or of another format.
    ImageError
        The header declares more voxels than a head has, or an MGH file has no orientation.
    StorageError
        The disk or the network failed while the file was read.
    """
    name = path.name.casefold()
    if name.endswith((".mgz", ".mgh", ".mgh.gz")):
        return *_as_nifti(path, *_read_mgh(path)), ["Read from MGH, with its affine."]
    if name.endswith(".hdr"):
        return _load_pair(path)
    raw, header = load_nifti(path)
    return raw, header, []


def _as_nifti(path: Path, data: np.ndarray, affine: np.ndarray) -> tuple[bytes, nib.Nifti1Header]:
    try:
        image = nib.Nifti1Image(data, affine)
    except (HeaderDataError, ValueError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    image.set_sform(affine, code=1)
    image.set_qform(None, code=0)
    image.header.set_xyzt_units("mm")
    raw = image.to_bytes()
    return raw, nib.Nifti1Header(raw[:348], check=False)


def _read_mgh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    raw = contents_of(path)
    try:
        stream = io.BytesIO(raw)
        zipped = raw[:2] == b"\x1f\x8b"
        with gzip.GzipFile(fileobj=stream) if zipped else stream as opened:
            start = opened.read(MGH_BYTES)
            header = nib.freesurfer.mghformat.MGHHeader.from_fileobj(io.BytesIO(start))
            shape = tuple(int(n) for n in header["dims"])
            if int(header["version"]) != 1 or min(shape) < 1:
                raise damaged(path, f"version {int(header['version'])}, dimensions {shape}")
            dtype = header.get_data_dtype()
            refuse_many_voxels(path, shape, dtype.itemsize)
            needed = math.prod(shape) * dtype.itemsize
            body = opened.read(needed + MOST_TRAILING)
    except (OSError, EOFError, zlib.error, WrapStructError, HeaderDataError, KeyError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    if len(body) < needed:
        raise damaged(path, f"{needed - len(body)} bytes fewer than the header declares")
    # nibabel replaces an orientation that is not there by a default.
    if not int.from_bytes(start[RAS_FLAG], "big"):
        raise ImageError(
            f"{path}: the header holds no affine (goodRASFlag is 0)",
            cause="converted from a format that does not know left and right",
            next_step="convert the scan again from DICOM: mri_convert, dcm2niix",
        )
    values = np.frombuffer(body[:needed], dtype=dtype).reshape(shape, order="F")
    data = values.astype(dtype.newbyteorder("="))
    return data[..., 0] if shape[3] == 1 else data, np.asarray(header.get_affine(), dtype=float)


def _load_pair(path: Path) -> tuple[bytes, nib.Nifti1Header, list[str]]:
    contents_of(path)
    if not path.with_suffix(".img").is_file():
        raise InputFileError(
            f"{path}: no voxels beside this header",
            cause="an Analyze image is two files, .hdr and .img, and one was not copied",
            next_step=f"ls -lL {path.parent}; copy the .img too",
        )
    try:
        image = nib.load(path)
        shape = tuple(int(n) for n in image.shape)
        refuse_many_voxels(path, shape, image.get_data_dtype().itemsize)
        data, affine = np.asarray(image.dataobj), np.asarray(image.affine, dtype=float)
    except (
        *(ImageFileError, WrapStructError, HeaderDataError, KeyError, EOFError, zlib.error),
        *(OSError, ValueError, ArithmeticError),
    ) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    if isinstance(image, nib.Nifti1Pair):
        coded = int(image.header["sform_code"]) > 0 or int(image.header["qform_code"]) > 0
        notes = ["Read from a pair of NIfTI files, with its affine."]
    else:
        coded = path.with_suffix(".mat").is_file()
        notes = ["Read from Analyze, with the affine of its .mat file."]
    if not coded and isinstance(image, nib.Nifti1Pair):
        raise ImageError(
            f"{path}: the header holds no affine (sform_code and qform_code are both 0)",
            cause="converted by a script; left and right are unknown",
            next_step="convert the scan again from DICOM (dcm2niix)",
        )
    raw, header = _as_nifti(path, data, affine)
    return raw, header, notes if coded else [WITHOUT_AXES]

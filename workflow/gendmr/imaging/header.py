"""The bytes of a NIfTI file: its header, its values and its affine, each checked."""

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

from gendmr.errors import ImageError, InputFileError, StorageError

# Beyond it even the squares of lengths are no numbers.
ENDLESS = 1e15
# sform and qform agree where no corner of the image lies farther apart.
APART_MM = 0.5
# Voxel sizes are written twice, and rounded by some software.
ZOOM_TOLERANCE = 0.02
LAST_CODE = 5
# A head at 0.35 mm has 210 million voxels. More is no scan of one, and would fill the memory.
MOST_VOXELS = 300_000_000
HEADER_BYTES = 540
# Of what follows the voxels no more is read than is needed to say that there is something.
MOST_TRAILING = 65_536
# Extensions of a header (text of a scanner, a history) measure kilobytes.
MOST_OFFSET = 100_000_000
LFS_POINTER = b"version https://git-lfs.github.com/spec"
ANNEX_POINTER, MOST_POINTER = b"/annex/objects/", 32_768
UNITS = {0: ("mm", 1.0), 1: ("metres", 1000.0), 2: ("mm", 1.0), 3: ("micrometres", 0.001)}
RESTORE = "convert the scan again from DICOM (dcm2niix)"


def load_nifti(path: Path) -> tuple[bytes, nib.Nifti1Header]:
    """Return the bytes of an image and its header, as it stands: nibabel would mend it.

    Raises
    ------
    InputFileError
        The file is missing, empty, damaged, or not NIfTI.
    ImageError
        The header declares more voxels than a head has; no voxel was unpacked.
    StorageError
        The disk or the network failed while the file was read.
    """
    raw = contents_of(path)
    try:
        # nibabel would stop reading before the checksum at the end: damage would pass unseen.
        stream = io.BytesIO(raw)
        with gzip.GzipFile(fileobj=stream) if path.suffix == ".gz" else stream as opened:
            start = opened.read(HEADER_BYTES)
            header = _header(path, start)
            # A few megabytes can unpack to many gigabytes: the header bounds what is read.
            needed = _declared_bytes(header)
            body = opened.read(max(0, needed - len(start)) + MOST_TRAILING)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    size = len(start) + len(body)
    if size != needed:
        words = (
            f"{needed - size} bytes fewer"
            if size < needed
            else f"{size - needed} bytes more"
            if size < needed + MOST_TRAILING
            else f"at least {MOST_TRAILING} bytes more"
        )
        raise damaged(path, f"{words} than the header declares")
    return start + body, header


def contents_of(path: Path) -> bytes:
    """Return the bytes of a file that holds an image.

    Raises
    ------
    InputFileError
        The file is missing, empty, or a pointer to data that were not fetched.
    StorageError
        The disk or the network failed.
    """
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such image",
            cause="the path is wrong, or a link whose target was not fetched (git-annex, DataLad)",
            next_step=f"ls -lL {path}",
        )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path}: could not be read ({error})",
            cause="no permission, or the disk or the network failed",
            next_step=f"ls -lL {path}; then give the same command again",
        ) from error
    if not raw:
        raise InputFileError(f"{path}: the file is empty", next_step="restore it and run again")
    if raw.startswith(LFS_POINTER) or (len(raw) < MOST_POINTER and ANNEX_POINTER in raw):
        lfs = raw.startswith(LFS_POINTER)
        raise InputFileError(
            f"{path}: a pointer of {'Git LFS' if lfs else 'git-annex'}, not the image",
            cause="the repository was cloned without its large files",
            next_step="git lfs pull" if lfs else f"datalad get {path}",
        )
    return raw


def _header(path: Path, raw: bytes) -> nib.Nifti1Header:
    sizes = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    second = 540 in sizes
    size = 540 if second else 348
    if size not in sizes or len(raw) < size:
        raise damaged(path, f"{len(raw)} bytes that begin with {raw[:4]!r} are no image")
    magic = raw[4:8] if second else raw[344:348]
    if magic != (b"n+2\0" if second else b"n+1\0"):
        raise InputFileError(
            f"{path}: not NIfTI (magic {magic!r})",
            cause="an older format without a reliable orientation, or a damaged header",
            next_step=RESTORE,
        )
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    try:
        header = kind(raw[:size], check=False)
        _check_header(path, header)
    except (HeaderDataError, WrapStructError, ValueError, ArithmeticError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    return header


def _check_header(path: Path, header: nib.Nifti1Header) -> None:
    counts = [int(n) for n in header["dim"]]
    shape = counts[1 : 1 + counts[0]] if 1 <= counts[0] <= 7 else []
    if not shape or min(shape) < 1:
        raise damaged(path, f"impossible dimensions {counts}")
    try:
        item = header.get_data_dtype().itemsize
    except KeyError:
        raise damaged(path, f"unknown type of data {int(header['datatype'])}") from None
    offset = float(header["vox_offset"])
    if not 348 <= offset <= MOST_OFFSET:
        raise damaged(path, f"data at byte {offset:g}")
    if 8 * item != int(header["bitpix"]):
        raise damaged(path, f"{header['bitpix']} bits a voxel, but values of {8 * item}")
    codes = {name: int(header[name]) for name in ("sform_code", "qform_code")}
    if not all(0 <= code <= LAST_CODE for code in codes.values()):
        raise damaged(path, f"unknown codes {codes}")
    # It mirrors the third axis of the qform: 1, -1, or 0, which means 1.
    mirror = float(header["pixdim"][0])
    if codes["qform_code"] and mirror not in {-1.0, 0.0, 1.0}:
        raise damaged(path, f"pixdim[0] is {mirror:g}, not 1 or -1")
    zooms = np.asarray(header["pixdim"][1:4], dtype=float)
    if not (np.isfinite(zooms).all() and (zooms >= 0).all()):
        raise damaged(path, f"impossible voxel sizes {zooms.tolist()}")
    refuse_many_voxels(path, tuple(shape), item)


def refuse_many_voxels(path: Path, shape: tuple[int, ...], item: int) -> None:
    """Refuse more voxels than a head has, by the header alone.

    Parameters
    ----------
    path : Path
    shape : tuple of int
    item : int
        Bytes of a value.

    Raises
    ------
    ImageError
    """
    if math.prod(shape) > MOST_VOXELS:
        raise ImageError(
            f"{path}: {' x '.join(map(str, shape))} voxels, {math.prod(shape) * item / 1e9:.1f} GB"
            f" when unpacked; at most {MOST_VOXELS / 1e6:.0f} million voxels are read",
            cause="no T1w image of a head, or a file made to fill the memory",
            next_step="name a T1w image of one volume; or thin it: mri_convert -vs 0.5 0.5 0.5",
        )


def _declared_bytes(header: nib.Nifti1Header) -> int:
    voxels = math.prod(int(length) for length in header.get_data_shape())
    return int(header["vox_offset"]) + voxels * int(header.get_data_dtype().itemsize)


def damaged(path: Path, why: str) -> InputFileError:
    """Return the error of a file that is no image or was cut off."""
    return InputFileError(
        f"{path}: not readable as an image ({why})",
        cause="a download or copy that broke off, or another format under this name",
        next_step=f"fetch it again; test with: gzip -t {path}",
    )


def values_of(path: Path, raw: bytes, header: nib.Nifti1Header) -> np.ndarray:
    """Return the values of the voxels, float32, after slope and intercept of the header."""
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    try:
        # What does not fit into 32 bits becomes infinite and is refused as such.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(kind.from_bytes(raw).dataobj, dtype=np.float32)
    except (ImageFileError, HeaderDataError, OSError, ValueError, ArithmeticError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error


def affine_of(path: Path, header: nib.Nifti1Header) -> tuple[np.ndarray, list[str]]:
    """Choose the affine, mm, by the table of `docs/reference/images.md`; return it and notes."""
    scode, qcode = int(header["sform_code"]), int(header["qform_code"])
    if scode <= 0 and qcode <= 0:
        raise ImageError(
            f"{path}: the header holds no affine (sform_code and qform_code are both 0)",
            cause="converted from Analyze or written by a script; left and right are unknown",
            next_step=f"{RESTORE}; do not guess the orientation",
        )
    sform = header.get_sform() if scode > 0 else None
    qform = _qform(header) if qcode > 0 else None
    name, code = ("sform", scode) if scode > 0 else ("qform", qcode)
    affine = sform if scode > 0 else qform
    if affine is None or not _invertible(affine):
        raise ImageError(
            f"{path}: the {name} of the header is not a valid affine",
            cause="written by a script, or the header is damaged",
            next_step=RESTORE,
        )
    notes = [f"The affine is the {name} (code {code})."]
    if scode > 0 and qcode > 0:
        notes += _compared(path, affine, qform, header.get_data_shape()[:3])
    unit, factor = UNITS.get(int(header["xyzt_units"]) & 7, UNITS[0])
    notes += _compared_zooms(path, affine, np.asarray(header["pixdim"][1:4], dtype=float), unit)
    affine = np.asarray(affine, dtype=float)
    if factor != 1:
        affine[:3] *= factor
        notes.append(f"The header counts in {unit}: converted to mm.")
    return affine, notes


def _qform(header: nib.Nifti1Header) -> np.ndarray | None:
    try:
        qform = header.get_qform()
    except (ValueError, HeaderDataError):
        return None
    return np.asarray(qform, dtype=float) if _invertible(qform) else None


def _compared(
    path: Path, sform: np.ndarray, qform: np.ndarray | None, shape: tuple[int, ...]
) -> list[str]:
    """Compare a valid sform with the qform beside it."""
    if qform is None:
        return ["The qform is not a valid affine; it was not used."]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    apart = float(np.abs((sform - qform) @ np.vstack([corners, np.ones(8)])).max())
    if apart <= APART_MM:
        return []
    # From the world of the sform to that of the qform: a mirror, or right becomes left.
    between = qform[:3, :3] @ np.linalg.inv(sform[:3, :3])
    if np.linalg.det(between) < 0 or between[0, 0] <= 0:
        raise ImageError(
            f"{path}: sform and qform of the header disagree on left and right",
            cause="one of them was changed, or the voxels were flipped, by a script",
            next_step=f"{RESTORE}; or, where one is known to be right, write it over the other"
            " (fslorient -copysform2qform, -copyqform2sform)",
        )
    return [f"The qform differs from the sform by up to {apart:.1f} mm; it was not used."]


def _compared_zooms(path: Path, affine: np.ndarray, zooms: np.ndarray, unit: str) -> list[str]:
    lengths = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
    if (zooms == 0).all():
        return ["The header gives no voxel size; that of the affine is used."]
    if (np.abs(zooms - lengths) > ZOOM_TOLERANCE * lengths).any():
        raise ImageError(
            f"{path}: voxels of {lengths_text(lengths)} {unit} by the affine, but"
            f" {lengths_text(zooms)} by `pixdim`",
            cause="resampled or cropped by a script that changed one and kept the other: volumes"
            " would be wrong",
            next_step=RESTORE,
        )
    return []


def lengths_text(lengths: np.ndarray) -> str:
    """Return lengths with four digits: `1 x 1 x 1.2`."""
    return " x ".join(f"{length:.4g}" for length in lengths)


def _invertible(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all() or np.abs(affine).max() > ENDLESS:
        return False
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return bool((lengths > 0).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * lengths.prod())

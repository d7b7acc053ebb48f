"""Reading a scan: the header is believed only where a written table says so."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from scipy import ndimage

from gendmr.errors import ImageError, InputFileError
from gendmr.files.atomic import atomic_path

ZOOM_MM = (0.2, 6.0)
EXTENT_MM = (60.0, 600.0)


@dataclass(frozen=True)
class Scan:
    """A three-dimensional image.

    Attributes
    ----------
    data : (i, j, k) float32
        Intensities.
    affine : (4, 4) float64
        Voxel indices -> millimetres, RAS+.
    notes : tuple of str
        What was found and done, one sentence each.
    """

    data: np.ndarray
    affine: np.ndarray
    notes: tuple[str, ...] = field(default=())

    @property
    def zooms(self) -> np.ndarray:
        """Voxel size along each axis, mm."""
        return np.asarray(np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, mm3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def noting(self, *sentences: str) -> Scan:
        """Return the same scan with more notes."""
        return replace(self, notes=(*self.notes, *sentences))


def read_scan(path: Path | str) -> Scan:
    """Read a T1w image and check all that can be wrong with it.

    The affine is chosen from the NIfTI header:

    ============  ============  ==========================================
    `sform_code`  `qform_code`  affine
    ============  ============  ==========================================
    above 0       any           sform; a qform that differs is noted
    0             above 0       qform
    0             0             none: refused, left and right are unknown
    ============  ============  ==========================================

    Axes are flipped and swapped to RAS+ order by that affine; nothing is resampled, except where
    the affine has shears, which registration cannot express.

    Raises
    ------
    InputFileError
        The file is missing, empty, damaged, or not NIfTI.
    ImageError
        No valid affine, not three-dimensional, values not finite, constant, or an implausible size.
    """
    path = Path(path)
    image = _load(path)
    shape = image.shape
    notes: list[str] = []
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        notes.append(f"Dimensions of length 1 after the third were dropped from {shape}.")
    elif len(shape) != 3:
        raise ImageError(
            f"{path}: not a three-dimensional image, but {' x '.join(map(str, shape))}",
            cause="a series of volumes (functional, diffusion, multi-echo) or a single slice",
            next_step="name a T1w image, or extract one volume: fslroi, mrconvert",
        )
    if image.get_data_dtype().fields is not None or image.get_data_dtype().kind not in "iuf":
        raise ImageError(
            f"{path}: values are {image.get_data_dtype()}, not numbers",
            cause="a colour or complex image",
            next_step="name a T1w image of plain intensities",
        )
    affine, found = _affine(path, image.header)
    notes += found
    data = _values(path, image).reshape(shape[:3])
    _check_values(path, data)
    _check_size(path, data.shape, affine)
    if data.min() < 0:
        share = float((data < 0).mean())
        notes.append(f"Values below 0 ({share:.2%} of voxels) were set to 0.")
        data = np.maximum(data, 0)
    axes = "".join(nib.aff2axcodes(affine))
    if axes != "RAS":
        notes.append(f"Axes {axes} were flipped and swapped to RAS; nothing was resampled.")
        turned = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
        data, affine = np.asarray(turned.dataobj), turned.affine
    scan = Scan(np.ascontiguousarray(data, dtype=np.float32), np.asarray(affine, float))
    return _without_shear(scan).noting(*notes)


def _load(path: Path) -> nib.Nifti1Image:
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such image",
            cause="the path is wrong, or a link whose target was not fetched (git-annex, DataLad)",
            next_step=f"ls -lL {path}",
        )
    if path.stat().st_size == 0:
        raise InputFileError(f"{path}: the file is empty", next_step="restore it and run again")
    try:
        image = _unpacked(path) if path.suffix == ".gz" else nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(image, (nib.Nifti1Image, nib.Nifti2Image)):
        raise InputFileError(
            f"{path}: {type(image).__name__}, not NIfTI",
            cause="an older format without a reliable orientation",
            next_step="convert the scan again from DICOM: dcm2niix",
        )
    return image


def _unpacked(path: Path) -> nib.Nifti1Image:
    # nibabel stops reading before the checksum at the end, so that damage would pass unseen.
    raw = gzip.decompress(path.read_bytes())
    if len(raw) < 348:
        raise ImageFileError(f"{len(raw)} bytes are no image")
    second = 540 in (int.from_bytes(raw[:4], "little"), int.from_bytes(raw[:4], "big"))
    return (nib.Nifti2Image if second else nib.Nifti1Image).from_bytes(raw)


def _damaged(path: Path, error: Exception) -> InputFileError:
    return InputFileError(
        f"{path}: not readable as NIfTI ({type(error).__name__}: {error})",
        cause="a download or copy that broke off, or another format under this name",
        next_step=f"fetch it again; test with: gzip -t {path}",
    )


def _values(path: Path, image: nib.Nifti1Image) -> np.ndarray:
    try:
        return np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _damaged(path, error) from error


def _affine(path: Path, header: nib.Nifti1Header) -> tuple[np.ndarray, list[str]]:
    scode, qcode = int(header["sform_code"]), int(header["qform_code"])
    if scode <= 0 and qcode <= 0:
        raise ImageError(
            f"{path}: the header holds no affine (sform_code and qform_code are both 0)",
            cause="converted from Analyze or written by a script; left and right are unknown",
            next_step="convert the scan again from DICOM (dcm2niix); do not guess the orientation",
        )
    qform = None
    if qcode > 0:
        try:
            qform = header.get_qform()
        except (ValueError, HeaderDataError):
            qform = None
    name = "sform" if scode > 0 else "qform"
    affine = header.get_sform() if scode > 0 else qform
    if affine is None or not _invertible(affine):
        raise ImageError(
            f"{path}: the {name} of the header is not a valid affine",
            cause="written by a script, or the header is damaged",
            next_step="convert the scan again from DICOM (dcm2niix)",
        )
    affine = np.asarray(affine, dtype=float)
    code = scode if scode > 0 else qcode
    notes = [f"The affine is the {name} (code {code})."]
    if scode > 0 and qform is not None:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in header.get_data_shape()[:3]]))
        corners = np.vstack([corners.reshape(3, -1), np.ones(8)])
        apart = float(np.abs((affine - qform) @ corners).max())
        if apart > 0.5:
            flip = np.linalg.det(affine[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0
            notes.append(
                f"The qform differs from it by up to {apart:.1f} mm"
                + (" and mirrors the image" if flip else "")
                + "; it was not used."
            )
    return affine, notes


def _invertible(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return bool((lengths > 0).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * lengths.prod())


def _check_values(path: Path, data: np.ndarray) -> None:
    if data.size == 0:
        raise ImageError(f"{path}: no voxels", next_step="restore the image")
    wrong = int(data.size - np.isfinite(data).sum())
    if wrong:
        raise ImageError(
            f"{path}: {wrong} of {data.size} voxels are NaN or infinite",
            cause="a division by zero in an earlier step, or NaN used as background",
            next_step=f"replace them where they are background: fslmaths {path.name} -nan fixed",
        )
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise ImageError(
            f"{path}: every voxel is {low:g}",
            cause="an empty export, or a mask that removed everything",
            next_step="look at the image and export it again",
        )
    if high <= 0:
        raise ImageError(
            f"{path}: no voxel is above 0 (values {low:g} to {high:g})",
            cause="not an intensity image",
            next_step="look at the image and export it again",
        )


def _check_size(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> None:
    zooms = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    extent = zooms * np.asarray(shape)
    zoom_text = " x ".join(f"{z:.4g}" for z in zooms)
    extent_text = " x ".join(f"{e:.4g}" for e in extent)
    if (zooms < ZOOM_MM[0]).any() or (zooms > ZOOM_MM[1]).any():
        raise ImageError(
            f"{path}: voxels of {zoom_text} mm; between {ZOOM_MM[0]} and {ZOOM_MM[1]} are allowed",
            cause="metres or micrometres taken for millimetres, or a localiser",
            next_step="correct the affine, or name the T1w image",
        )
    if (extent < EXTENT_MM[0]).any() or (extent > EXTENT_MM[1]).any():
        raise ImageError(
            f"{path}: the image measures {extent_text} mm; a head needs {EXTENT_MM[0]:g} to"
            f" {EXTENT_MM[1]:g}",
            cause="a slab or a phantom, or an affine in other units",
            next_step="name an image of the whole brain",
        )


def _without_shear(scan: Scan) -> Scan:
    cosines = scan.affine[:3, :3] / scan.zooms
    if np.abs(cosines.T @ cosines - np.eye(3)).max() < 1e-3:
        return scan
    zoom = float(scan.zooms.min())
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in scan.data.shape])).reshape(3, -1)
    world = scan.affine[:3, :3] @ corners + scan.affine[:3, 3:]
    low, high = world.min(axis=1), world.max(axis=1)
    affine = np.diag([zoom, zoom, zoom, 1.0])
    affine[:3, 3] = low
    shape = tuple(int(n) for n in np.ceil((high - low) / zoom) + 1)
    return Scan(
        resample(scan, affine, shape, order=1).astype(np.float32),
        affine,
        (*scan.notes, f"The affine has shears: resampled to an upright grid of {zoom:.2f} mm."),
    )


def resample(scan: Scan, affine: np.ndarray, shape: tuple[int, ...], *, order: int) -> np.ndarray:
    """Bring an image to another grid by the affines alone; outside is 0.

    Parameters
    ----------
    affine : (4, 4)
        Of the new grid.
    shape : (3,)
        Of the new grid.
    order : int
        0 nearest neighbour (labels), 1 linear.
    """
    matrix = np.linalg.inv(scan.affine) @ affine
    return np.asarray(
        ndimage.affine_transform(
            scan.data, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=order
        )
    )


def thin(scan: Scan, voxel_mm: float) -> Scan:
    """Average blocks of whole voxels, as many as fit into `voxel_mm`; nothing is interpolated.

    Sums are kept: the mean times the volume of the grid stays the same.
    """
    factors = [max(1, int(voxel_mm / zoom + 1e-6)) for zoom in scan.zooms]
    if max(factors) == 1:
        return scan
    blocks = [-(-n // f) for n, f in zip(scan.data.shape, factors, strict=True)]
    padding = [(0, b * f - n) for b, f, n in zip(blocks, factors, scan.data.shape, strict=True)]
    whole = np.pad(scan.data, padding)
    (a, b, c), (p, q, r) = blocks, factors
    data = whole.reshape(a, p, b, q, c, r).mean(axis=(1, 3, 5), dtype=np.float32)
    affine = scan.affine.copy()
    affine[:3, :3] = scan.affine[:3, :3] * factors
    affine[:3, 3] += scan.affine[:3, :3] @ ((np.array(factors) - 1) / 2)
    sizes = " x ".join(f"{z:.2f}" for z in Scan(data, affine).zooms)
    text = f"Blocks of {p} x {q} x {r} voxels were averaged to {sizes} mm."
    return Scan(data, affine, (*scan.notes, text))


def crop(scan: Scan, box: tuple[slice, ...], margin: int) -> Scan:
    """Keep a box and `margin` voxels of zeros around it."""
    low = np.array([part.start for part in box])
    affine = scan.affine.copy()
    affine[:3, 3] += scan.affine[:3, :3] @ (low - margin)
    return Scan(np.pad(scan.data[box], margin), affine, scan.notes)


def write_image(
    path: Path | str, data: np.ndarray, affine: np.ndarray, *, scale: float | None = None
) -> None:
    """Write NIfTI with sform and qform alike, atomically, the same bytes each time.

    Parameters
    ----------
    scale : float, optional
        Store whole numbers of this unit in 16 bits instead of the values themselves.
    """
    if scale is None:
        image = nib.Nifti1Image(data, affine)
    else:
        # nibabel stores whole numbers as they are and leaves the unit to the header.
        limit = np.iinfo(np.int16).max
        whole = np.clip(np.rint(data / scale), -limit, limit).astype(np.int16)
        image = nib.Nifti1Image(whole, affine)
        image.header.set_slope_inter(scale, 0)
    image.set_sform(affine, code=2)
    image.set_qform(affine, code=2)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def read_image(path: Path | str) -> Scan:
    """Read an image that this stage wrote."""
    image = _load(Path(path))
    return Scan(_values(Path(path), image), np.asarray(image.affine, dtype=float))

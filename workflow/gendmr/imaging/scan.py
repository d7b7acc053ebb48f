"""Reading a scan: the header is believed only where docs/reference/images.md says so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from gendmr.errors import ImageError, InputFileError, ToolError
from gendmr.files.atomic import atomic_path
from gendmr.files.seal import verify
from gendmr.imaging.formats import load_image
from gendmr.imaging.header import RESTORE, affine_of, lengths_text, load_nifti, values_of

ZOOM_MM = (0.2, 6.0)
EXTENT_MM = (60.0, 600.0)
# Scanners count from the isocentre: nothing real lies this far from it.
FAR_MM = 10_000.0
# Fewer different intensities than this are labels, not a scan.
FEWEST_VALUES = 16
SAMPLE = 500_000
# Standard scores have a spread of 1, and of a brain or a head a third or more lies below 0.
SCORES_BELOW_ZERO = 0.2
SCORES_SPREAD = 3.0


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

    The affine is chosen from the NIfTI header by the table of `docs/reference/images.md`: the
    sform where there is one, else the qform; refused where there is none, where the one that
    counts is no affine, and where both are valid and disagree on left and right. Units other than
    millimetres are converted; voxel sizes must agree with the affine.

    Axes are flipped and swapped to RAS+ order by that affine; nothing is resampled, except where
    the affine has shears, which registration cannot express.

    Raises
    ------
    InputFileError
        The file is missing, empty, damaged, or neither NIfTI nor MGH nor Analyze.
    ImageError
        No valid affine, not three-dimensional, values not finite, constant, or an implausible size.
    StorageError
        The disk or the network failed while the file was read.
    """
    path = Path(path)
    raw, header, notes = load_image(path)
    shape = header.get_data_shape()
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        notes.append(f"Dimensions of length 1 after the third were dropped from {shape}.")
    elif len(shape) != 3:
        raise ImageError(
            f"{path}: not a three-dimensional image, but {' x '.join(map(str, shape))}",
            cause="a series of volumes (functional, diffusion, multi-echo) or a single slice",
            next_step="name a T1w image, or extract one volume: fslroi, mrconvert",
        )
    dtype = header.get_data_dtype()
    if dtype.fields is not None or dtype.kind not in "iuf":
        raise ImageError(
            f"{path}: values are {dtype}, not numbers",
            cause="a colour or complex image",
            next_step="name a T1w image of plain intensities",
        )
    affine, affine_notes = affine_of(path, header)
    notes += affine_notes
    data = values_of(path, raw, header).reshape(shape[:3])
    _check_values(path, data)
    _refuse_scores(path, data)
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


def refuse_labels(scan: Scan, path: Path | str) -> None:
    """Refuse an image that holds a handful of values: a mask or a segmentation named T1w.

    Raises
    ------
    ImageError
        Fewer than 16 different values above 0 among half a million voxels.
    """
    some = scan.data.ravel()[:: max(1, scan.data.size // SAMPLE)]
    values = np.unique(some[some > 0])
    if values.size < FEWEST_VALUES:
        raise ImageError(
            f"{path}: only {values.size} different values above 0",
            cause="a mask or a segmentation under the name of a T1w image",
            next_step="name the T1w image itself",
        )


def content_of(scan: Scan) -> str:
    """Return a checksum of voxels and affine: equal for the same scan in any file."""
    digest = hashlib.sha256(np.ascontiguousarray(scan.data).data)
    digest.update(np.round(scan.affine, 4).tobytes())
    return digest.hexdigest()


def _refuse_scores(path: Path, data: np.ndarray) -> None:
    """Refuse standard scores: values around 0, in units of their spread.

    Cutting off what is below 0 would remove half of the brain. The background, where it is one
    value, does not count.
    """
    if data.min() >= 0:
        return
    background = data.ravel()[0]
    values = data[data != background]
    low = float((values < 0).mean())
    if low > SCORES_BELOW_ZERO and float(values.std()) < SCORES_SPREAD:
        raise ImageError(
            f"{path}: intensities are standard scores (z-scores): mean {values.mean():.2f},"
            f" standard deviation {values.std():.2f}, {low:.0%} of the voxels below 0",
            cause="normalised by other software (a z-score per image)",
            next_step="name the T1w image as it was before, with intensities from 0 upwards",
        )


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
    if (zooms < ZOOM_MM[0]).any() or (zooms > ZOOM_MM[1]).any():
        raise ImageError(
            f"{path}: voxels of {lengths_text(zooms)} mm; between {ZOOM_MM[0]} and {ZOOM_MM[1]} are"
            " allowed",
            cause="metres or micrometres taken for millimetres, or a localiser",
            next_step="correct affine and units of the header, or name the T1w image",
        )
    if (extent < EXTENT_MM[0]).any() or (extent > EXTENT_MM[1]).any():
        raise ImageError(
            f"{path}: the image measures {lengths_text(extent)} mm; a head needs"
            f" {EXTENT_MM[0]:g} to {EXTENT_MM[1]:g}",
            cause="a slab or a phantom, or an affine in other units",
            next_step="name an image of the whole brain",
        )
    away = float(np.abs(affine[:3, 3]).max())
    if away > FAR_MM:
        raise ImageError(
            f"{path}: the affine puts the image {away:.3g} mm from the origin",
            cause="written by a script, or the header is damaged",
            next_step=RESTORE,
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
    """Read an image that this stage wrote.

    Raises
    ------
    ToolError
        It is not what was written: a scan is never blamed for that.
    InputFileError
        It was damaged after it was written.
    """
    verify(path)
    try:
        raw, header = load_nifti(Path(path))
        return Scan(
            values_of(Path(path), raw, header), np.asarray(header.get_best_affine(), dtype=float)
        )
    except InputFileError as error:
        raise ToolError(
            f"an image that this stage wrote is not readable: {error.what}",
            cause="no space left on the disk, or a program of ANTs broke off",
            next_step="df -h; then give the same command again",
        ) from error

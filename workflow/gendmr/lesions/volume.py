"""Files of one person to an array of channels and slices, with the label map on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.config.lesions import LesionsSection
from gendmr.errors import ImageError, InputFileError, ModalityError, first_few
from gendmr.lesions.people import SliceFiles

APART_MM = 0.5  # corners of image and mask that lie farther apart are of two grids
KINDS = ("uint8", "uint16")  # kept as they are; others become float32


@dataclass(frozen=True)
class RawVolume:
    """What the files of a person hold.

    Parameters
    ----------
    image : uint8, uint16 or float32 (channel, slice, row, column)
    labels : int (slice, row, column)
        Values of the mask.
    slice_number : int64 (slice,)
    voxel_size : float64 (3,)
        Distance of slices, rows and columns, mm; NaN is unknown.
    affine : float64 (4, 4)
        From (column, row, slice) to mm, right, anterior, superior; NaN is unknown.
    """

    image: np.ndarray
    labels: np.ndarray
    slice_number: np.ndarray
    voxel_size: np.ndarray
    affine: np.ndarray


def read_person(participant: str, files: SliceFiles, section: LesionsSection) -> RawVolume:
    """Read the images and the mask of a person.

    Raises
    ------
    InputFileError
        A file is missing or damaged.
    ModalityError
        Slices or masks are missing, sizes or channels differ, or masks hold no whole numbers.
    ImageError
        A NIfTI file has no affine, or image and mask are of two grids.
    """
    if section.tif is None:
        return _read_nifti(files, section)
    return _read_tif(participant, files, section)


def _read_tif(participant: str, files: SliceFiles, section: LesionsSection) -> RawVolume:
    numbers = sorted(files.images)
    for words, wrong in (
        ("images without mask", sorted(set(numbers) - set(files.masks))),
        ("masks without image", sorted(set(files.masks) - set(numbers))),
        ("slices missing", sorted({*range(numbers[0], numbers[-1] + 1)} - {*numbers})
         if numbers else []),
    ):  # fmt: skip
        if wrong:
            raise ModalityError(
                f"{participant}: {len(wrong)} {words}: numbers {first_few(wrong)}",
                cause="files that were not copied, or deleted because they show no lesion",
                next_step="restore them (a mask of zeros where there is no lesion), or name the"
                " person in `lesions: exclude:`",
            )
    images = [_pixels(files.images[number][0]) for number in numbers]
    labels = [_one_label(files.masks[number]) for number in numbers]
    expected = images[0].shape
    for number, image, mask in zip(numbers, images, labels, strict=True):
        path = files.images[number][0]
        if image.ndim != 3 or len(image) != len(section.channels):
            raise ModalityError(
                f"{path}: {len(image) if image.ndim == 3 else 1} channels, and `channels` names"
                f" {len(section.channels)}",
                cause="a grey picture, or colours with transparency, where channels are meant",
                next_step="name the channels that the files have in `lesions: channels:`",
            )
        if image.shape != expected or image.dtype != images[0].dtype:
            raise ModalityError(
                f"{path}: {image.dtype} of {image.shape[1:]} pixels, the first slice is"
                f" {images[0].dtype} of {expected[1:]}",
                cause="slices of two series in one folder",
                next_step="leave the slices of one series in the folder",
            )
        if mask.shape != image.shape[1:]:
            raise _another_size(files.masks[number], mask.shape, image.shape[1:])
    has_voxel_size = section.voxel_size is not None
    return RawVolume(
        image=_typed(np.stack(images, axis=1), participant),
        labels=np.stack(labels),
        slice_number=np.array(numbers, dtype=np.int64),
        voxel_size=np.array(
            section.voxel_size if has_voxel_size else [np.nan] * 3, dtype=np.float64
        ),
        affine=np.full((4, 4), np.nan),
    )


def _pixels(path: str) -> np.ndarray:
    """Return a slice (channel, row, column)."""
    import tifffile

    try:
        pixels: np.ndarray = tifffile.imread(path)
    except Exception as error:
        raise InputFileError(
            f"{path}: not readable as TIFF ({type(error).__name__}: {error})",
            cause="a file that was cut, missing, or compressed in a way that needs imagecodecs",
            next_step="restore it, or save it without compression",
        ) from error
    if pixels.ndim == 2:
        return pixels[None]
    # Colours come last in most files, and first where planes are stored apart.
    return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 and pixels.shape[-1] <= 4 else pixels


def _one_label(path: str) -> np.ndarray:
    """Return a mask (row, column) that may be stored as a grey picture or as equal colours."""
    pixels = _pixels(path)
    if pixels.ndim != 3 or any((channel != pixels[0]).any() for channel in pixels[1:]):
        raise ModalityError(
            f"{path}: a mask of {pixels.shape} values that differ by channel",
            cause="a picture with an outline where a mask is meant",
            next_step="save the mask as one channel of whole numbers",
        )
    return _whole(pixels[0], path)


def _read_nifti(files: SliceFiles, section: LesionsSection) -> RawVolume:
    paths, mask_path = files.images[0], files.masks[0]
    loaded = [_canonical(path) for path in paths]
    mask, mask_affine = _canonical(mask_path)
    volumes: list[np.ndarray] = []
    for path, (values, affine) in zip(paths, loaded, strict=True):
        expected = 3 if len(section.channels) == 1 or len(paths) > 1 else 4
        if values.ndim != expected or (expected == 4 and values.shape[3] != len(section.channels)):
            raise ModalityError(
                f"{path}: an image of {_size(values.shape)}, and `channels` names"
                f" {len(section.channels)}",
                cause="another number of channels, or one file for each channel",
                next_step="correct `lesions: channels:`, or write {channel} into `lesions: nifti:`",
            )
        if values.shape[:3] != mask.shape:
            raise _another_size(mask_path, mask.shape, values.shape[:3])
        _refuse_apart(mask_path, mask_affine, path, affine, mask.shape)
        volumes += [values[..., place] for place in range(values.shape[3])] if expected == 4 else [
            values
        ]  # fmt: skip
    affine = loaded[0][1]
    return RawVolume(
        image=_typed(np.stack([values.transpose(2, 1, 0) for values in volumes]), paths[0]),
        labels=_whole(mask, mask_path).transpose(2, 1, 0),
        slice_number=np.arange(mask.shape[2], dtype=np.int64),
        voxel_size=np.sqrt((affine[:3, :3] ** 2).sum(axis=0))[::-1].copy(),
        affine=affine,
    )


def _canonical(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels from left, posterior and inferior on, and their affine, mm."""
    import nibabel as nib

    if not Path(path).is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="images without a mask, the reverse, or a channel that was not fetched",
            next_step="restore it, or name the person in `lesions: exclude:`",
        )
    try:
        image: Any = nib.load(path)
        codes = int(image.header["sform_code"]), int(image.header["qform_code"])
        image = nib.as_closest_canonical(image)
        values = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, dtype=np.float64)
    except Exception as error:
        raise InputFileError(
            f"{path}: not readable as NIfTI ({type(error).__name__}: {error})",
            cause="a file that was cut, or of another format",
            next_step="fetch it again",
        ) from error
    if max(codes) <= 0 or not np.isfinite(affine).all():
        raise ImageError(
            f"{path}: the header holds no affine (sform_code and qform_code are both 0)",
            cause="converted from Analyze or written by a script; left and right are unknown",
            next_step="convert it again from DICOM (dcm2niix); do not guess the orientation",
        )
    return values, affine


def _refuse_apart(
    mask: str, mask_affine: np.ndarray, path: str, affine: np.ndarray, shape: tuple[int, ...]
) -> None:
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1)
    apart = np.abs((mask_affine - affine) @ np.vstack([corners, np.ones(8)])).max()
    if apart > APART_MM:
        raise ImageError(
            f"{mask}: lies up to {apart:.1f} mm from {path}",
            cause="a mask drawn on another image, or of another space",
            next_step="resample the mask to the grid of the image, or name the person in"
            " `lesions: exclude:`",
        )


def _another_size(path: str, size: tuple[int, ...], expected: tuple[int, ...]) -> ModalityError:
    return ModalityError(
        f"{path}: a mask of {_size(size)} beside an image of {_size(expected)}",
        cause="a mask that was drawn on another image, or a resampled one",
        next_step="restore the mask of this image, or name the person in `lesions: exclude:`",
    )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _whole(values: np.ndarray, path: str) -> np.ndarray:
    whole = np.rint(values) if np.isfinite(values).all() else np.full(1, np.nan)
    if values.dtype.kind not in "biuf" or not np.isfinite(whole).all() or (whole != values).any():
        raise ModalityError(
            f"{path}: a mask with values that are no whole numbers",
            cause="probabilities, or labels that were interpolated when the mask was resampled",
            next_step="resample labels by nearest neighbour, or cut probabilities at one half",
        )
    return np.asarray(whole, dtype=np.int64)


def _typed(image: np.ndarray, where: str) -> np.ndarray:
    image = image if image.dtype.name in KINDS else image.astype(np.float32)
    if not np.isfinite(image).all():
        raise ModalityError(
            f"{where}: {int((~np.isfinite(image)).sum())} voxels are no finite numbers",
            cause="a division by 0 in some program before",
            next_step="restore the image, or name the person in `lesions: exclude:`",
        )
    return image

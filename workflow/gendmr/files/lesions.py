"""What the stage `lesions` writes: measures of lesions, and the volumes that they are measured in.

Volumes lie in one HDF5 file with a group for each participant, compressed slice by slice, so that
single slices are read without the others:

- `image` (channel, slice, row, column), as the files hold it;
- `mask` (slice, row, column), uint8, 1 is lesion;
- `channel_known` (channel,), int8, 0 where a channel is constant or a copy of another;
- `normalisation` (channel, 4), float64: lower and upper limit, mean and SD after clipping to them;
- `slice_number` (slice,), int64, of the source;
- `voxel_size` (3,), float64, mm, distance of slices, rows and columns; NaN is unknown;
- `affine` (4, 4), float64, from (column, row, slice) to mm, right, anterior, superior; NaN is
  unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.errors import ModalityError, first_few
from gendmr.files.atomic import atomic_path
from gendmr.files.datasets import CHECKED, Schema, Variable, no_infinity
from gendmr.files.opening import opened

if TYPE_CHECKING:
    import h5py

LESIONS: Schema = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "lesion": Variable(("lesion",), "text", "", "what was measured of the lesions"),
    "unit": Variable(("lesion",), "text", "", "unit of the measure"),
    "value": Variable(
        ("participant", "lesion"), "float64", "",
        "in the unit of the measure; NaN where the channel is missing or there is no lesion",
        no_infinity,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class LesionVolume:
    """Images and mask of a person.

    Parameters
    ----------
    image : uint8, uint16 or float32 (channel, slice, row, column)
    mask : uint8 (slice, row, column)
        1 is lesion.
    slice_number : int64 (slice,)
    channel_known : bool (channel,)
    normalisation : float64 (channel, 4)
        Lower and upper limit, mean and SD after clipping.
    voxel_size : float64 (3,)
        Distance of slices, rows and columns, mm; NaN is unknown.
    affine : float64 (4, 4)
        From (column, row, slice) to mm; NaN is unknown.
    """

    image: np.ndarray
    mask: np.ndarray
    slice_number: np.ndarray
    channel_known: np.ndarray
    normalisation: np.ndarray
    voxel_size: np.ndarray
    affine: np.ndarray

    def normalised(self) -> np.ndarray:
        """Return the intensities in SDs of the volume, float32; 0 in channels that are not known.

        Returns
        -------
        float32 (channel, slice, row, column)
        """
        return normalised(self.image, self.normalisation, self.channel_known)


def normalised(
    image: np.ndarray, normalisation: np.ndarray, channel_known: np.ndarray
) -> np.ndarray:
    """Return intensities in SDs of the volume from which `normalisation` was taken.

    Parameters
    ----------
    image : number (channel, ...)
        A volume, some slices or one slice of it.
    normalisation : float64 (channel, 4)
        Lower and upper limit, mean and SD after clipping to them.
    channel_known : bool (channel,)

    Returns
    -------
    float32, shape of image
        0 in channels that are not known.

    Raises
    ------
    ModalityError
        The statistics are missing: a slice alone does not have those of its volume.
    """
    if normalisation.shape != (len(image), 4) or not np.isfinite(normalisation).all():
        raise ModalityError(
            f"{len(image)} channels without the statistics of their volume (limits, mean, SD)",
            cause="a slice alone: the statistics of a slice are not those of its volume",
            next_step="run the stage `lesions` on the person's whole volume",
        )
    shape = (len(image),) + (1,) * (image.ndim - 1)
    low, high, mean, deviation = (column.reshape(shape) for column in normalisation.T)
    scaled = (np.clip(image, low, high) - mean) / np.where(deviation > 0, deviation, 1.0)
    return np.where(channel_known.reshape(shape), scaled, 0.0).astype(np.float32)


class VolumeWriter:
    """Writes volumes one after the other, so that one is in memory at a time."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def write(self, participant: str, volume: LesionVolume) -> None:
        """Add the volume of a participant."""
        group = self._file.create_group(participant)
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True, **CHECKED}
        plane = volume.mask.shape[1:]
        group.create_dataset("image", data=volume.image, chunks=(1, 1, *plane), **packed)
        group.create_dataset("mask", data=volume.mask, chunks=(1, *plane), **packed)
        group.create_dataset("channel_known", data=volume.channel_known.astype(np.int8))
        for name in ("normalisation", "slice_number", "voxel_size", "affine"):
            group.create_dataset(name, data=getattr(volume, name))


@contextmanager
def volume_writer(path: Path | str, channels: tuple[str, ...]) -> Iterator[VolumeWriter]:
    """Give a writer of volumes; the file is in its place when all are written."""
    import h5py

    with atomic_path(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["channels"] = list(channels)
        yield VolumeWriter(file)


def read_volume(
    path: Path | str, participant: str, slices: np.ndarray | None = None
) -> LesionVolume:
    """Return the volume of a participant, or some of its slices.

    Parameters
    ----------
    path : Path or str
        `lesions/volumes.h5`.
    participant : str
    slices : int (n,), optional
        Places, counted from 0; all where there is none.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    ModalityError
        It has no such participant.
    """
    path = Path(path)
    with opened(path, "run the rule collect_lesions") as file:
        names = list(file)
        if participant in names:
            group = file[participant]
            order = np.arange(len(group["mask"])) if slices is None else np.asarray(slices)
            return LesionVolume(
                image=np.stack([group["image"][:, place] for place in order], axis=1),
                mask=np.stack([group["mask"][place] for place in order]),
                slice_number=group["slice_number"][:][order],
                channel_known=group["channel_known"][:].astype(bool),
                normalisation=group["normalisation"][:],
                voxel_size=group["voxel_size"][:],
                affine=group["affine"][:],
            )
    raise ModalityError(
        f"{path}: no participant {participant!r}; there are {first_few(names)}",
        cause="a misspelt label, or somebody whose images were refused: see quality.tsv beside it",
        next_step="name one of these",
    )

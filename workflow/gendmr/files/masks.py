"""Predicted masks of held-out people beside predictions.tsv: one HDF5 file for each fold.

A group for each participant, compressed:

- `predicted`, `truth` (slice, row, column), uint8, 1 is lesion, in the size of the true mask;
- `slice_number` (slice,), int64, of the source;
- `voxel_size` (3,), float64, mm, distance of slices, rows and columns; NaN is unknown;
- `affine` (4, 4), float64, from (column, row, slice) to mm, right, anterior, superior; NaN is
  unknown;
- `picture` (channel, row, column), float32, SDs of the volume: the slice at `place` (an attribute)
  with most of the true lesion, or of the predicted one, in the size that the methods read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gendmr.errors import ModalityError, first_few
from gendmr.files.atomic import atomic_path
from gendmr.files.datasets import CHECKED
from gendmr.files.opening import opened


@dataclass(frozen=True)
class PredictedMask:
    """The masks of one held-out person; see the module.

    Parameters
    ----------
    participant : str
    predicted, truth : bool (slice, row, column)
    slice_number : int64 (slice,)
    voxel_size : float64 (3,)
    affine : float64 (4, 4)
    place : int
        Slice of the picture, counted from 0.
    picture : float32 (channel, row, column)
    """

    participant: str
    predicted: np.ndarray
    truth: np.ndarray
    slice_number: np.ndarray
    voxel_size: np.ndarray
    affine: np.ndarray
    place: int
    picture: np.ndarray


def write_masks(path: Path | str, masks: Iterable[PredictedMask]) -> None:
    """Write masks one person after the other, the same bytes each time."""
    import h5py

    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        for predicted_mask in masks:
            group = file.create_group(predicted_mask.participant)
            packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True, **CHECKED}
            for name in ("predicted", "truth"):
                mask = getattr(predicted_mask, name).astype(np.uint8)
                group.create_dataset(name, data=mask, chunks=(1, *mask.shape[1:]), **packed)
            for name in ("slice_number", "voxel_size", "affine", "picture"):
                group.create_dataset(name, data=getattr(predicted_mask, name))
            group.attrs["place"] = predicted_mask.place


def read_mask(path: Path | str, participant: str) -> PredictedMask:
    """Return the masks of a participant.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    ModalityError
        It has no such participant.
    """
    with opened(Path(path), "run the stage training again") as file:
        names = list(file)
        if participant in names:
            group = file[participant]
            return PredictedMask(
                participant,
                group["predicted"][:].astype(bool),
                group["truth"][:].astype(bool),
                group["slice_number"][:],
                group["voxel_size"][:],
                group["affine"][:],
                int(group.attrs["place"]),
                group["picture"][:],
            )
    raise ModalityError(
        f"{path}: no participant {participant!r}; there are {first_few(names)}",
        cause="somebody who is held out in another fold",
        next_step="look into predictions.tsv of the other folds",
    )

"""Declaration of the modality `slice`."""

from __future__ import annotations

import numpy as np

from gendmr.files.datasets import Variable, no_infinity
from gendmr.modalities.base import Modality


def zero_or_one(values: np.ndarray) -> str | None:
    """Refuse what is neither 0, 1 nor missing (-1)."""
    wrong = int((~np.isin(values, (-1, 0, 1))).sum())
    return f"{wrong} values are neither 0 nor 1" if wrong else None


SCHEMA = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "slice": Variable(("slice",), "text", "", "place in the volume, counted from 1"),
    "channel": Variable(("channel",), "text", "", "channel of the image"),
    "slice_number": Variable(
        ("participant", "slice"), "int64", "", "as the source numbers them; -1 is no slice"
    ),
    "channel_known": Variable(
        ("participant", "channel"), "int8", "", "0 where constant or a copy of another channel",
        zero_or_one,
    ),
    "voxel_size": Variable(
        ("participant", "axis"), "float64", "mm",
        "distance of slices, rows and columns of the mask; NaN is unknown",
    ),
    "affine": Variable(
        ("participant", "affine_row", "affine_column"), "float64", "",
        "from (column, row, slice) of the mask to mm, R+ A+ S+; NaN is unknown",
    ),
    "image": Variable(
        ("participant", "slice", "channel", "row", "column"), "float32", "SD of the volume",
        "resized; 0 in channels that are not known; NaN is no slice", no_infinity,
    ),
    "mask": Variable(
        ("participant", "slice", "mask_row", "mask_column"), "int8", "",
        "1 is lesion, 0 is not, -1 lies outside of the volume; not resized", zero_or_one,
    ),
}  # fmt: skip
MODALITY = Modality(
    name="slice",
    label="volumes in slices",
    instance="slice",
    schema=SCHEMA,
    main="image",
    named=("slice",),
)

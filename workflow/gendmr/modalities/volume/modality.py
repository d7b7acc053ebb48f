"""Declaration of the modality `volume`."""

from __future__ import annotations

from gendmr.files.datasets import Variable
from gendmr.modalities.base import Modality

SCHEMA = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "volume": Variable(("volume",), "text", "", "voxel: its centre as x_y_z, mm"),
    "x": Variable(("volume",), "float64", "mm", "centre, MNI, R+"),
    "y": Variable(("volume",), "float64", "mm", "centre, MNI, A+"),
    "z": Variable(("volume",), "float64", "mm", "centre, MNI, S+"),
    "i": Variable(("volume",), "int64", "", "place along x in the grid, counted from 0"),
    "j": Variable(("volume",), "int64", "", "place along y"),
    "k": Variable(("volume",), "int64", "", "place along z"),
    "atlas_region": Variable(
        ("volume",), "text", "", "region of the atlas; n/a outside of all", None, True
    ),
    "density": Variable(
        ("participant", "volume"), "float32", "", "grey matter as the map has it; NaN is missing"
    ),
}
MODALITY = Modality(
    name="volume",
    label="grey-matter maps",
    instance="voxel",
    schema=SCHEMA,
    main="density",
    named=("volume", "x", "y", "z"),
)

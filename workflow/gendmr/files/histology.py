"""The schema of bags of patches: of the stage that makes them, and of the modality."""

from __future__ import annotations

from gendmr.files.datasets import Variable, no_infinity

PATCHES = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "patch": Variable(("patch",), "text", "", "place in the bag: row-column, counted from 0"),
    "x": Variable(
        ("participant", "patch"), "float32", "pixels", "left edge on the slide; NaN is unknown"
    ),
    "y": Variable(
        ("participant", "patch"), "float32", "pixels", "upper edge on the slide; NaN is unknown"
    ),
    "slide": Variable(
        ("participant", "patch"),
        "int16",
        "",
        "number of the slide among those of the person, counted from 0; -1 is an empty place",
    ),
    "source": Variable(
        ("participant", "patch"),
        "int32",
        "",
        "number of the patch in the file of its slide, counted from 0; -1 is an empty place",
    ),
    "embedding": Variable(
        ("participant", "patch", "feature"),
        "float16",
        "",
        "features of the patch; NaN is an empty place",
        no_infinity,
    ),
}

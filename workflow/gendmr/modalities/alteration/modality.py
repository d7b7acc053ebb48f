"""Declaration of the modality `alteration`."""

from __future__ import annotations

from gendmr.files.datasets import Variable, no_infinity
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="alteration",
    label="alterations",
    instance="alteration",
    schema={
        "participant": Variable(("participant",), "text", "", "participant_id"),
        "alteration": Variable(("alteration",), "text", "", "column of the table"),
        "level": Variable(
            ("participant", "alteration"),
            "float64",
            "",
            "0 and 1 of a mutation, copy-number class; NaN is missing",
            no_infinity,
        ),
    },
    main="level",
    named=("alteration",),
)

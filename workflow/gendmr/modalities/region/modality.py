"""Declaration of the modality `region`."""

from __future__ import annotations

from gendmr.files.datasets import Variable, not_negative
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="region",
    label="images",
    instance="region",
    schema={
        "volume": Variable(
            ("participant", "region"), "float64", "mm3", "modulated grey matter", not_negative
        ),
        "mean": Variable(("participant", "region"), "float64", "", "mean modulated density"),
        "spread": Variable(("participant", "region"), "float64", "", "SD of modulated density"),
        "icv": Variable(("participant",), "float64", "mm3", "intracranial volume", not_negative),
        "participant": Variable(("participant",), "text", "", "participant_id"),
        "region": Variable(("region",), "text", "", "region name"),
        "hemisphere": Variable(("region",), "text", "", "L, R or B (both)"),
        "x": Variable(("region",), "float64", "mm", "centroid, template space, R+"),
        "y": Variable(("region",), "float64", "mm", "centroid, template space, A+"),
        "z": Variable(("region",), "float64", "mm", "centroid, template space, S+"),
    },
    main="volume",
    named=("region",),
    measures=("volume", "mean", "spread"),
)

"""Tables of brain regions: what imaging and simulation write, and the modality `region` reads."""

from __future__ import annotations

from gendmr.files.datasets import Schema, Variable, not_negative

REGIONS: Schema = {
    "volume": Variable(
        ("participant", "region"),
        "float64",
        "mm3",
        "its tissue in the scan",
        not_negative,
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
}

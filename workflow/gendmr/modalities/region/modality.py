"""Declaration of the modality `region`."""

from __future__ import annotations

from gendmr.files.regions import REGIONS
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="region",
    label="images",
    instance="region",
    schema=REGIONS,
    main="volume",
    agreeing={"units": "bring measurements in mm3"},
    named=("region",),
    measures=("volume", "mean", "spread"),
)

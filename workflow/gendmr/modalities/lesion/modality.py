"""Declaration of the modality `lesion`."""

from __future__ import annotations

from gendmr.files.lesions import LESIONS
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="lesion",
    label="lesions",
    instance="measure of lesions",
    schema=LESIONS,
    main="value",
    named=("lesion", "unit"),
)

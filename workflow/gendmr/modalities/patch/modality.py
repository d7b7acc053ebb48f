"""Declaration of the modality `patch`."""

from __future__ import annotations

from gendmr.files.histology import PATCHES
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="patch",
    label="slides",
    instance="patch",
    schema=PATCHES,
    main="embedding",
    named=("patch",),
    kinds=("slide",),
)

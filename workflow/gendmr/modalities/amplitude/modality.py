"""Declaration of the modality `amplitude`."""

from __future__ import annotations

from gendmr.files.connectivity import AMPLITUDES
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="amplitude",
    label="amplitudes",
    instance="amplitude",
    schema=AMPLITUDES,
    main="log_sd",
    named=("amplitude", "domain"),
)

"""Declaration of the modality `expression`."""

from __future__ import annotations

from gendmr.files.expression import EXPRESSION
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="expression",
    label="expression",
    instance="gene",
    schema=EXPRESSION,
    main="level",
    named=("expression",),
)

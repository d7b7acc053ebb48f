"""Declaration of the modality `edge`."""

from __future__ import annotations

from gendmr.files.connectivity import EDGES
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="edge",
    label="connectomes",
    instance="edge",
    schema=EDGES,
    main="correlation",
    named=("edge", "first", "second", "first_domain", "second_domain"),
    against="amplitude",
)

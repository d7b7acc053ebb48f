"""Reads connectomes from what the stage `connectivity` measured."""

from __future__ import annotations

from gendmr.modalities.edge.modality import MODALITY
from gendmr.modalities.measured import MeasuredSource

SOURCE = MeasuredSource(MODALITY, stage="connectivity", dataset="edge")

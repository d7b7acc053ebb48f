"""Reads measures of lesions from what the stage `lesions` measured."""

from __future__ import annotations

from gendmr.modalities.lesion.modality import MODALITY
from gendmr.modalities.measured import MeasuredSource

SOURCE = MeasuredSource(MODALITY, stage="lesions", dataset="lesion")

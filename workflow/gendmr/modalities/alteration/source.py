"""Alterations from a table."""

from __future__ import annotations

from gendmr.modalities.alteration.modality import MODALITY
from gendmr.modalities.table import TableSource

SOURCE = TableSource(MODALITY)

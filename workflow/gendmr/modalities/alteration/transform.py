"""Alterations within a fold: in SDs of the training people."""

from __future__ import annotations

from dataclasses import dataclass

from gendmr.modalities.alteration.modality import MODALITY
from gendmr.modalities.array import ArrayTransform


@dataclass(frozen=True)
class AlterationTransform(ArrayTransform):
    """See `ArrayTransform`; what is the same in half of the people has no limits."""

    modality = MODALITY


TRANSFORM = AlterationTransform

"""Measures of lesions in SDs of the training people."""

from __future__ import annotations

from gendmr.modalities.array import ArrayTransform
from gendmr.modalities.lesion.modality import MODALITY


class LesionTransform(ArrayTransform):
    """Measures in SDs of the training people; missing (copied channel, no lesion) is the mean."""

    modality = MODALITY


TRANSFORM = LesionTransform

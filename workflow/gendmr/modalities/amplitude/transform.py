"""Amplitudes in SDs of the training people."""

from __future__ import annotations

from gendmr.modalities.amplitude.modality import MODALITY
from gendmr.modalities.array import ArrayTransform


class AmplitudeTransform(ArrayTransform):
    """Logarithms of amplitudes in SDs of the training people; missing is their mean."""

    modality = MODALITY


TRANSFORM = AmplitudeTransform

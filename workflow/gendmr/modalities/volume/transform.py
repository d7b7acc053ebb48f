"""Voxels in SDs of the training people."""

from __future__ import annotations

from gendmr.modalities.array import ArrayTransform
from gendmr.modalities.volume.modality import MODALITY


class VolumeTransform(ArrayTransform):
    """Grey matter of each voxel in SDs of the training people; missing is their mean."""

    modality = MODALITY


TRANSFORM = VolumeTransform

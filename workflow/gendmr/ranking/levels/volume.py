"""Voxels of grey-matter maps, and the regions of an atlas in which they lie."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gendmr.files.tables import MISSING
from gendmr.ranking.levels.grouped import GroupedLevel

REGION = "atlas_region"


class VolumeLevel(GroupedLevel):
    """Voxels as they are, and regions; see `gendmr.ranking.levels.base.Level`."""

    groups_table: ClassVar[str] = "volume_regions"
    group_key: ClassVar[str] = REGION
    size_column: ClassVar[str] = "n_voxel"

    def groups_of(self, columns: np.ndarray) -> list[str]:
        """Return the region of each voxel; none where there is no atlas, or outside of it."""
        if REGION not in self.file.instances:
            return [""] * len(columns)
        names = self.file.instances.iloc[columns][REGION].astype(str)
        return names.replace(MISSING, "").tolist()


LEVEL = VolumeLevel

"""The section `volume` of `modalities`: maps of grey matter, voxel by voxel."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gendmr.config.imaging import AtlasFiles
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.listed import listed_files

GREY_MM3 = 2.0e6  # of voxels in which the template has a tenth of grey matter or more


class VolumeSection(ModalitySection):
    """Maps of grey matter in MNI space, at one resolution, where a template has grey matter."""

    table: str | None = None
    """Path of a table with `participant_id` and `file`: a NIfTI map of each person, relative to the
    table, such as CAT12's `mwp1*.nii`. Absent: the modulated maps that the stage `imaging` made of
    the people's scans."""
    resolution: float = Field(default=4.0, ge=1.0, le=8.0)
    """Edge of a voxel, mm. Maps are smoothed to it before they are sampled."""
    atlas: AtlasFiles | None = None
    """Regions into which voxels are put when they are ranked. Absent: those of the stage `imaging`
    where the maps are, else none."""

    place: ClassVar[int] = 3

    @property
    def voxels(self) -> int:
        """Number of voxels that are read, to a few percent."""
        return round(GREY_MM3 / self.resolution**3)

    def most(self, instances: int, groups: int | None = None) -> int:
        """Return how many voxels a fold reads: the resolution alone decides it."""
        return self.voxels

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory: voxels as read, as prepared and as designed, in double precision."""
        return 32.0 * people * self.voxels

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        if self.table is None:
            template = f"{results}/imaging/template"
            sources = {"quality": f"{results}/imaging/quality.tsv"}
            if self.atlas is None:
                return sources | {
                    "labels": f"{template}/atlas.nii.gz",
                    "regions": f"{template}/regions.tsv",
                }
        else:
            sources = {"table": self.table}
        if self.atlas is not None:
            sources["labels"] = self.atlas.labels
            if self.atlas.table is not None:
                sources["regions"] = self.atlas.table
        return sources

    def user_files(self) -> tuple[str, ...]:
        """Return those that the user brings: their checksums are recorded."""
        atlas = () if self.atlas is None else (self.atlas.labels, self.atlas.table)
        return tuple(path for path in (self.table, *atlas) if path is not None)

    def people_files(self) -> list[str]:
        """Return the maps that the table lists; none where the table is not there yet.

        Raises
        ------
        InputFileError, TableError
            The table is malformed.
        """
        if self.table is None or not Path(self.table).is_file():
            return []
        return [str(path) for path in listed_files(self.table).values()]

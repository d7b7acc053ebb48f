"""The section `volume` of `modalities`: maps of grey matter, voxel by voxel."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gendmr.config.modalities.base import ModalitySection
from gendmr.files.listed import listed_files


class VolumeSection(ModalitySection):
    """Maps of grey matter in MNI space, at one resolution, where a template has grey matter."""

    table: str
    """Path of a table with `participant_id` and `file`: a NIfTI map of each person, relative to the
    table. CAT12's `mwp1*.nii`, or the modulated maps that the stage `imaging` keeps."""
    resolution: float = Field(default=4.0, ge=1.0, le=8.0)
    """Edge of a voxel, mm. Maps are smoothed to it before they are sampled."""

    place: ClassVar[int] = 3

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {"table": self.table}

    def user_files(self) -> tuple[str, ...]:
        """Return those that the user brings: their checksums are recorded."""
        return (self.table,)

    def people_files(self) -> list[str]:
        """Return the maps that the table lists; none where the table is not there yet.

        Raises
        ------
        InputFileError, TableError
            The table is malformed.
        """
        if not Path(self.table).is_file():
            return []
        return [str(path) for path in listed_files(self.table).values()]

"""The section `alteration` of `modalities`: mutations and copy numbers from a table."""

from __future__ import annotations

from typing import ClassVar

from gendmr.config.modalities.base import ModalitySection


class AlterationSection(ModalitySection):
    """A table of mutations (0, 1) and copy numbers (such as -2 to 2), a column each."""

    table: str
    """Path of the table: `participant_id`, then one column per alteration, such as `EGFR_cnv`."""

    place: ClassVar[int] = 3

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {"table": self.table}

    def user_files(self) -> tuple[str, ...]:
        """Return those that the user brings: their checksums are recorded."""
        return (self.table,)

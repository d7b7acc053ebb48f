"""The section `amplitude` of `modalities`: how the amplitudes of signals enter a fold."""

from __future__ import annotations

from typing import Any, ClassVar

from gendmr.config.modalities.base import ModalitySection


class AmplitudeSection(ModalitySection):
    """Logarithms of the SD of regional signals: what a claim about connectivity is held against."""

    place: ClassVar[int] = 3
    stage: ClassVar[str | None] = "connectivity"

    @classmethod
    def measured_by(cls, stage: Any, named: bool) -> bool:
        """Return whether the stage reads signals."""
        return bool(stage.has_signals)

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "amplitude": f"{results}/connectivity/amplitudes.nc",
            "quality": f"{results}/connectivity/quality.tsv",
        }

"""The section `lesion` of `modalities`: how measures of lesions enter a fold."""

from __future__ import annotations

from typing import ClassVar, Self

from gendmr.config.modalities.base import ModalitySection


class LesionSection(ModalitySection):
    """Sizes, parts and contrasts of lesions: nothing to choose."""

    place: ClassVar[int] = 4
    stage: ClassVar[str | None] = "lesions"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "lesion": f"{results}/lesions/measures.nc",
            "quality": f"{results}/lesions/quality.tsv",
        }

"""The section `region` of `modalities`: how region measurements enter a fold."""

from __future__ import annotations

from typing import ClassVar, Self

from gendmr.config.modalities.base import ModalitySection


class RegionSection(ModalitySection):
    """Region measurements in a fold: adjusted and scaled by training people alone."""

    icv: bool = True
    """Regress intracranial volume out of the measurements."""
    covariates: tuple[str, ...] = ("age",)
    """Columns of participants.tsv regressed out of the measurements, with one slope for all classes
    of the outcome; those that a cohort lacks are an error."""

    customary: ClassVar[bool] = True
    place: ClassVar[int] = 1
    stage: ClassVar[str | None] = "imaging"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "regions": f"{results}/imaging/regions.nc",
            "quality": f"{results}/imaging/quality.tsv",
        }

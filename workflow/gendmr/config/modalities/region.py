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
    of the outcome; those that `cohort.covariates` lacks are an error. Without it: age, where the
    cohort has it."""

    customary: ClassVar[bool] = True
    place: ClassVar[int] = 1
    stage: ClassVar[str | None] = "imaging"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def with_covariates(self, declared: tuple[str, ...]) -> Self:
        """Return the section without the default covariates that a cohort lacks."""
        if "covariates" in self.model_fields_set:
            return self
        covariates = tuple(name for name in self.covariates if name in declared)
        return self.model_copy(update={"covariates": covariates})

    def named_covariates(self) -> tuple[str, ...]:
        """Return the covariates that are regressed out."""
        return self.covariates

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "regions": f"{results}/imaging/regions.nc",
            "quality": f"{results}/imaging/quality.tsv",
        }

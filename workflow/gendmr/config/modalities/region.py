"""The section `region` of `modalities`: how region measurements enter a fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import ConfigurationError, first_few


class RegionSection(ModalitySection):
    """Region measurements in a fold: adjusted and scaled by training people alone."""

    icv: bool = True
    """Regress intracranial volume out of the measurements."""
    covariates: tuple[str, ...] = ("age",)
    """Columns of participants.tsv regressed out of the measurements, with one slope for all classes
    of the outcome; those that `cohort.covariates` lacks are an error. Without it: age, where the
    cohort has it."""

    harmonise: str | None = None
    """Column of participants.tsv, `site` or `scanner`, whose effects on mean and spread of every
    measurement are removed by ComBat, fitted on the training people of a fold; head size and
    `covariates` keep what they explain. People of a site of fewer than 5 training people keep their
    values, and a note says so. What site and outcome share is removed with the site."""

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
        return (*self.covariates, *([self.harmonise] if self.harmonise else []))

    def check_cohort(self, cohort: CohortSection) -> None:
        """Refuse to harmonise by what is no label, or by what folds hold out as a whole.

        Raises
        ------
        ConfigurationError
        """
        if self.harmonise is None:
            return
        if self.harmonise not in cohort.categorical:
            raise ConfigurationError(
                f"modalities.region.harmonise = {self.harmonise!r}: not in cohort.categorical,"
                f" which has {first_few(cohort.categorical)}",
                cause="a measurement, or a column of labels that was not declared as such",
                next_step="name a column of labels, and add it to cohort.covariates and"
                " cohort.categorical",
            )
        if self.harmonise == cohort.fold_by:
            raise ConfigurationError(
                f"modalities.region.harmonise and cohort.fold_by are both {self.harmonise!r}: who"
                " is held out is then of a site that no training person is of",
                cause="nothing can be learned about a site from others",
                next_step="take out modalities.region.harmonise, or cohort.fold_by",
            )

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.harmonise is not None and self.harmonise in self.covariates:
            yield (
                f"`harmonise` and `covariates` both name {self.harmonise}: name it in `harmonise`"
                " alone"
            )

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "regions": f"{results}/imaging/regions.nc",
            "quality": f"{results}/imaging/quality.tsv",
        }

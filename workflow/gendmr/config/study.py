"""The whole configuration of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from gendmr.config.annotation import AnnotationSection
from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.genotypes import GenotypesSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.ranking import RankingSection
from gendmr.config.report import ReportSection
from gendmr.config.simulate import SimulateSection
from gendmr.config.tracking import TrackingSection
from gendmr.config.training import TrainingSection
from gendmr.errors import ConfigurationError, first_few


class Study(Section):
    """One study: what goes in, and how each stage treats it."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    """Name of the study, and of its folder in results/."""
    seed: int = Field(ge=0)
    """All randomness derives from this number."""
    simulate: SimulateSection | None = None
    """Present: the cohort is simulated; absent: the inputs below are yours."""
    genotypes: GenotypesSection
    annotation: AnnotationSection
    imaging: ImagingSection | None = None
    """Absent: a study of genotypes only."""
    cohort: CohortSection
    training: TrainingSection
    ranking: RankingSection = RankingSection()
    tracking: TrackingSection = TrackingSection()
    report: ReportSection = ReportSection()

    @classmethod
    def parse(cls, value: str | Path | dict[str, Any], *, where: str = "") -> Self:
        """Validate as `Section.parse` does, and what one section says of another.

        Raises
        ------
        ConfigurationError
            As `Section.parse`; or `report.reference` is no method of the study.
        """
        study = super().parse(value, where=where)
        reference = study.report.reference
        if reference is not None and reference not in study.training.methods:
            raise ConfigurationError(
                f"report.reference = {reference!r}: no such method; the study has"
                f" {first_few(study.training.methods, 30)}",
                cause="a misspelt name, or a method that was taken out of training.methods",
                next_step="name one of these, or leave report.reference out",
            )
        return study

    def tables(self) -> list[str]:
        """Return the files that the study is given, but for genotypes and images."""
        imaging, sets = self.imaging, self.ranking.enrichment
        named = [
            self.annotation.genes,
            self.cohort.participants,
            *(imaging.files() if imaging else ()),
            *((imaging.measurements, imaging.places) if imaging else ()),
            *((*sets.sets, *sets.loci) if sets else ()),
            self.report.truth,
        ]
        return [path for path in named if path]

    @model_validator(mode="after")
    def _images_as_simulated(self) -> Self:
        if self.simulate and self.imaging:
            simulated = self.simulate.imaging == "measurements"
            if simulated != (self.imaging.measurements is not None):
                raise ValueError(
                    "`simulate: imaging:` is "
                    + ("measurements" if simulated else "t1w")
                    + ", so the section `imaging` needs "
                    + ("`measurements`, not `bids`" if simulated else "`bids`, not `measurements`")
                )
        return self

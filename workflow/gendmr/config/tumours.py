"""The section `simulate.tumours`: expression and slides with planted truth."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from gendmr.config.base import Section


class TumoursSection(Section):
    """A cohort with two latent factors, of the tumour and of its environment.

    Each factor is seen in genes of its families and in a neighbourhood of patches, with errors of
    their own; both drive a diagnosis of four classes (high or low in each factor), a grade of
    three (thirds of their sum) and a hazard.
    """

    genes: int = Field(600, ge=60, le=5000)
    """Genes of the matrix: a fifth in the tumour's families, two fifths in the environment's."""
    planted: float = Field(0.2, gt=0.0, le=1.0)
    """Share of the genes of a family that carry its factor."""
    loading: float = Field(0.7, ge=0.0, le=0.95)
    """Mean correlation of a planted gene with what expression sees of its factor."""
    expression_reads: float = Field(0.5, ge=0.0, le=1.0)
    """Squared correlation of a factor with what expression sees of it."""
    slides_read: float = Field(0.5, ge=0.0, le=1.0)
    """Squared correlation of a factor with what slides see of it."""
    features: int = Field(32, ge=8, le=2048)
    """Length of a patch."""
    patches: tuple[int, int] = (80, 200)
    """Fewest and most patches of a slide."""
    neighbourhood: float = Field(0.15, gt=0.0, le=0.4)
    """Share of the patches of a slide that are in the neighbourhood of one factor."""
    contrast: float = Field(2.0, ge=0.0, le=10.0)
    """How far patches of a neighbourhood lie from the others, in SDs of a patch."""
    slide_noise: float = Field(0.15, ge=0.0, le=10.0)
    """SD of what each slide adds to all of its patches, in SDs of a patch."""
    second_slide: float = Field(0.2, ge=0.0, le=1.0)
    """Share of people with two slides."""
    effect: float = Field(1.5, ge=0.0, le=5.0)
    """Log hazard ratio per SD of the sum of both factors."""
    clarity: float = Field(10.0, gt=0.0, le=50.0)
    """Variance of what decides the classes, over that of the noise in it."""
    censoring: float = Field(0.5, ge=0.0, lt=0.95)
    """Share of people whose time is censored, about."""
    hospital_stain: float = Field(0.0, ge=0.0, le=10.0)
    """SD of what each hospital adds to all patches of its slides, in SDs of a patch."""
    hospital_batch: float = Field(0.0, ge=0.0, le=10.0)
    """SD of what each hospital adds to genes, in SDs of a gene."""
    hospital_confounding: float = Field(0.0, ge=0.0, le=10.0)
    """How strongly bad outcomes go to the later hospitals: with stain or batch, a short cut."""
    shuffled: bool = False
    """Slides of somebody else: nothing that they say is true of the person."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        low, high = self.patches
        if not 4 <= low <= high <= 20000:
            yield "patches: two numbers, 4 <= fewest <= most <= 20000"

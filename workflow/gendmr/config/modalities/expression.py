"""The section `expression` of `modalities`: how expression enters a fold."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from gendmr.config.modalities.base import ModalitySection


class ExpressionModalitySection(ModalitySection):
    """Expression in a fold: transformed, filtered, clipped and scaled by training people alone."""

    transformation: Literal["auto", "none"] = "auto"
    """`auto`: log2(x + 1) of what is on a linear scale; `none`: numbers as they are."""
    clip: float | None = Field(default=5.0, gt=0)
    """Robust SDs (interquartile range / 1.349) from the median of the training people beyond which
    a number is drawn in, so that no single value makes a scale. Genes without interquartile range
    are left alone."""
    variance: float = Field(default=1.0, gt=0, le=1)
    """Share of genes that stay: those with the largest variance in the training people, after
    transformation and clipping. Of z-scores the variance says nothing."""
    by_platform: bool = False
    """Means and SDs by platform; people of a platform without training people get those of all."""

    place: ClassVar[int] = 2
    stage: ClassVar[str | None] = "expression"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "expression": f"{results}/expression/expression.nc",
            "attrition": f"{results}/expression/attrition.tsv",
        }

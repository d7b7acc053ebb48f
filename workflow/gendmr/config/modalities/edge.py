"""The section `edge` of `modalities`: how connectomes enter a fold."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from gendmr.config.modalities.base import ModalitySection


class EdgeSection(ModalitySection):
    """Correlations of pairs of regions in a fold."""

    space: Literal["fisher_z", "correlation", "partial", "tangent"] = "fisher_z"
    """What methods read: Fisher z, the correlations, partial correlations, or the tangent space at
    the geometric mean of the fold's training people."""

    place: ClassVar[int] = 2
    stage: ClassVar[str | None] = "connectivity"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "edge": f"{results}/connectivity/edges.nc",
            "quality": f"{results}/connectivity/quality.tsv",
        }

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory of a fold: matrices of all people, and what their logarithms take."""
        return 80.0 * people * instances

"""The section `patch` of `modalities`: how bags of patches enter a fold."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from gendmr.config.modalities.base import ModalitySection

FEATURES = 1024  # of most feature extractors; files tell the true number too late for a plan
PEOPLE = 32  # bags that stand in memory at a time, with what is computed from them


class PatchSection(ModalitySection):
    """Bags of patches in a fold."""

    scale: Literal["sd", "none"] = "sd"
    """Features in SDs of the patches of the training people, or as the feature extractor left them.
    """

    place: ClassVar[int] = 4
    shared: ClassVar[bool] = False
    stage: ClassVar[str | None] = "histology"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "patches": f"{results}/histology/patches.nc",
            "attrition": f"{results}/histology/attrition.tsv",
        }

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory of a fold: a batch of bags, however many people there are."""
        return 4.0 * PEOPLE * FEATURES * instances

"""What every modality has."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection


class ModalitySection(Section):
    """How a modality enters the cohort and a fold: an entry of `modalities`."""

    place: ClassVar[int] = 9
    """Place among the modalities in tables and texts; those of one place stand by name."""
    customary: ClassVar[bool] = False
    """Whether reports say that a study lacks it."""
    shared: ClassVar[bool] = True
    """Whether people share its instances; where not, only methods that name it can read it."""
    adjusts: ClassVar[bool] = False
    """Whether it offers covariates (ancestry components) to methods that do not read it."""
    stage: ClassVar[str | None] = None
    """Section of the study whose stage measures it: the study has the modality where it has that
    section. None: the study has it where `modalities` has an entry for it."""

    @classmethod
    def measured_by(cls, stage: Any, named: bool) -> bool:
        """Return whether the stage, as its section has it, measures the modality.

        Parameters
        ----------
        stage : Section
            The section of the study that `stage` names.
        named : bool
            Whether `modalities` has an entry for it.
        """
        return True

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made, by what they hold.

        Parameters
        ----------
        results : str
            `results/<study>`.
        """
        raise NotImplementedError

    def of_cohort(self) -> Self:
        """Return what decides the cohort's file: editing the rest of the section reruns no join."""
        return self

    def with_covariates(self, declared: tuple[str, ...]) -> Self:
        """Return the section for a cohort with these covariates.

        Defaults that it lacks are left out; what the configuration names stays.
        """
        return self

    def named_covariates(self) -> tuple[str, ...]:
        """Return the covariates that it reads: all of them must be declared in `cohort`."""
        return ()

    def check_cohort(self, cohort: CohortSection) -> None:
        """Refuse what does not fit the cohort.

        Raises
        ------
        ConfigurationError
        """

    def check_stage(self, where: str, stage: Any) -> None:
        """Refuse what the stage that measures the modality does not give.

        Parameters
        ----------
        where : str
            Place of the section in the configuration, for errors.
        stage : Section or None
            Section of the stage; None where the modality brings its own files.

        Raises
        ------
        ConfigurationError
        """

    def user_files(self) -> tuple[str, ...]:
        """Return those of its files that the user brings: their checksums are recorded."""
        return ()

    def people_files(self) -> list[str]:
        """Return the files of single people, one each, that the user brings; none by default.

        They are inputs of the rule that makes the cohort's file, and their checksums are recorded.
        """
        return []

    def most(self, instances: int, groups: int | None = None) -> int:
        """Return how many instances a fold reads at most, of those of the cohort.

        Parameters
        ----------
        instances : int
            Of the cohort.
        groups : int, optional
            What instances belong to (genes), where that is known.
        """
        return instances

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory that the modality takes in a fold.

        By default all values in double precision, as read and as prepared.

        Parameters
        ----------
        people, instances : int
            Of the cohort.
        """
        return 16.0 * people * instances

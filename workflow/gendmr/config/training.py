"""The section `training` of the configuration."""

from __future__ import annotations

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.config.methods import AnyMethod
from gendmr.config.modalities import NamedModalities
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.outcomes import AnyOutcome


class NullSection(Section):
    """Fits with permuted outcomes, from which p-values are counted."""

    permutations: int = Field(default=199, ge=0)
    """How many; the smallest p-value is one over this plus one. 0 runs no null, and the ranking
    then has no p-values. More can be added later: those that are there stay."""
    methods: tuple[str, ...] | None = None
    """Methods that get a null; without it, all that have attributions."""
    chunk: int = Field(default=100, ge=1, le=10_000)
    """Permutations of a job; a job that is stopped goes on where it was. One that fits nothing,
    since the ranking reads evidence that needs no fit, has ten times as many."""


class MethodOptions(Section):
    """One method with all that its jobs need of the configuration: what a training job is given."""

    method: AnyMethod
    """The method's own entry."""
    outcome: str = "diagnosis"
    """Name of the outcome that it learns."""
    task: AnyOutcome
    """The section of that outcome."""
    reads: tuple[str, ...]
    """Modalities that it reads, and `covariates`."""
    modalities: NamedModalities
    """Sections of the modalities that it reads, as it wants them."""
    covariates: tuple[str, ...] = ("age", "sex")
    """Columns of participants.tsv that associations are adjusted for."""
    optimisation: OptimisationSection | None = None
    """For networks."""

    @property
    def files(self) -> tuple[str, ...]:
        """Return the modalities whose files a job reads: of the method, and of the outcome."""
        outcome_modality = self.task.modality
        return tuple(
            dict.fromkeys([*self.modalities, *([outcome_modality] if outcome_modality else [])])
        )

    @property
    def left_files(self) -> tuple[str, ...]:
        """Return the files that a fold leaves besides those which every fold has."""
        return (*self.task.left_files, *self.method.left_files(self.reads))

    def code(self, job: str) -> tuple[str, ...]:
        """Return the modules that a job runs: those of no other member of the wings are among them.

        Parameters
        ----------
        job : str
            `training.fold` or `training.null`.
        """
        return (
            job,
            self.method.module,
            f"config.methods.{self.method.kind}",
            f"tasks.{self.task.kind}.task",
            f"config.outcomes.{self.task.kind}",
            *(f"modalities.{name}.transform" for name in self.modalities),
            *(f"config.modalities.{name}" for name in self.modalities),
        )


class TrainingSection(Section):
    """Settings of the stage `training`."""

    methods: dict[str, AnyMethod] = Field(default_factory=dict)
    """Methods by name, trained in the same folds; the name is their folder in results/. Without it:
    GenDMR where it can be trained, ridge on everything, on each modality and on covariates."""
    covariates: tuple[str, ...] = ("age", "sex")
    """Columns of participants.tsv that associations are adjusted for, within the fold, beside the
    ancestry components; those that `cohort.covariates` lacks are an error. Without it: age and sex,
    those that the cohort has. A ridge regression that reads nothing but `covariates` reads all of
    `cohort.covariates`."""
    optimisation: OptimisationSection = OptimisationSection()
    """How networks are trained; what a method says itself counts more."""
    null: NullSection = NullSection()
    """Permutations of the outcome."""

    @field_validator("methods")
    @classmethod
    def _names(cls, values: dict[str, AnyMethod]) -> dict[str, AnyMethod]:
        for name in values:
            alphanumeric = name.replace("-", "").replace("_", "").isalnum()
            if not alphanumeric or name.startswith("-") or len(name) > 40:
                raise ValueError(
                    f"{name!r} is not a name of a method: letters, digits, - and _, at most 40"
                )
        return values

"""What every method has: which outcome it learns, what it reads, what its jobs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.snp import SnpOverride, SnpSection
from gendmr.config.optimisation import OptimisationSection
from gendmr.files.intervals import parse_interval

M = TypeVar("M", bound=ModalitySection)
COVARIATES = "covariates"
Rates = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Measured cost of a job by rule (`train_fold`, `train_null`): `seconds`, `memory` and `disk`, each
a sum over what it grows with (`gendmr.estimate.size.drivers`)."""


@dataclass(frozen=True)
class Resources:
    """What the jobs of a method ask for at their first attempt.

    Parameters
    ----------
    gpus : int
        Used where there are some.
    memory_mb : int
        Beside what its modalities need: see `gendmr.config.resources.for_method`.
    minutes : int
    threads : int
    """

    gpus: int = 0
    memory_mb: int = 600
    minutes: int = 120
    threads: int = 1


class MethodSection(Section):
    """An entry of `training.methods`."""

    kind: str
    """Chooses the method."""
    outcome: str | None = None
    """Name of the outcome in `cohort.outcomes`; without it, the first."""
    reads: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Modalities that it reads, and `covariates` where it can; without it, all that it can read and
    the study has."""

    modality_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What this method wants otherwise than the study's `modalities`, by modality: `edge: {space:
    tangent}`."""

    shuffled: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """A control: people exchange what was measured of them, by modality, within the groups of the
    columns that are named (`snp: [diagnosis, site]`; `snp: []` among all), training, validation and
    held-out people apart. What the method then gains by the modality, it does not gain by knowing
    whose it is. Such a method is judged and not ranked."""

    tasks: ClassVar[tuple[str, ...]] = ("binary",)
    """Kinds of outcome that it can learn."""
    readable: ClassVar[tuple[str, ...] | None] = None
    """Modalities that it can read; None: any whose instances people share."""
    covariates: ClassVar[Literal["never", "always", "optional"]] = "never"
    """Whether `covariates` may stand in `reads`."""
    adjusted: ClassVar[bool] = True
    """Whether it uses covariates and ancestry components whatever it reads."""
    attributes: ClassVar[bool] = True
    """Whether it gives attributions, which are ranked."""
    resources: ClassVar[Resources] = Resources()
    rates: ClassVar[Rates] = {}
    """Without them the estimate says that the method was not measured."""
    network: ClassVar[bool] = False
    """Whether it is trained by `gendmr.engine`."""

    @property
    def ranked_by(self) -> dict[str, str]:
        """Return `score` and `aggregation` of its rankings; empty: those of the section `ranking`.

        They count where the configuration says neither.
        """
        return {}

    @property
    def module(self) -> str:
        """Module of the package that builds the method."""
        return f"methods.{self.kind}.method"

    @classmethod
    def unasked(cls, available: tuple[str, ...], task: str) -> dict[str, Self]:
        """Return the methods of this kind, by name, of a study that names no methods.

        Parameters
        ----------
        available : tuple of str
            Modalities of the study whose instances people share.
        task : str
            Kind of its first outcome.
        """
        return {}

    def reads_of(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Return what it reads in a study with these modalities, in the order of the study."""
        if self.reads is not None:
            return self.reads
        able = available if self.readable is None else self.readable
        names = tuple(name for name in available if name in able)
        return names + ((COVARIATES,) if self.covariates != "never" else ())

    def refitted_for(self, score: str) -> bool:
        """Return whether rankings by a score need fits with permuted outcomes.

        Parameters
        ----------
        score : str
            `ranking.score`.
        """
        return True

    def needs_covariates(self, available: tuple[str, ...]) -> bool:
        """Return whether covariates and ancestry components must be prepared."""
        return self.adjusted or COVARIATES in self.reads_of(available)

    def ranked(self, available: tuple[str, ...]) -> bool:
        """Return whether there is something to rank: attributions of a modality that it reads."""
        return (
            self.attributes
            and not self.shuffled
            and any(name != COVARIATES for name in self.reads_of(available))
        )

    def left_files(self, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return the files that it leaves of held-out people beside predictions.tsv of each fold.

        Parameters
        ----------
        reads : tuple of str
            Modalities that it reads.
        """
        return ()

    def check_cohort(self, cohort: CohortSection) -> None:
        """Refuse what the cohort does not have: a column of labels, say.

        Raises
        ------
        ConfigurationError
        """

    def check_stages(
        self, where: str, reads: tuple[str, ...], stages: Mapping[str, Section]
    ) -> None:
        """Refuse what the sections of stages lack and the method needs: families of genes, say.

        Parameters
        ----------
        where : str
            Its place in the configuration, for errors.
        reads : tuple of str
            Modalities that it reads.
        stages : mapping of str to Section
            Sections of the study by stage, those that measure.

        Raises
        ------
        ConfigurationError
        """

    def adapt(self, name: str, section: M) -> M:
        """Return a modality's section with what this method wants otherwise.

        Raises
        ------
        ConfigurationError
            `modality_options` has a key that the section has not.
        """
        changes = self.modality_options.get(name)
        if not changes:
            return section
        values = section.model_dump(mode="json") | changes
        return type(section).parse(values, where=f"modality_options.{name}")


class SnpReader(MethodSection):
    """What methods that read SNPs have besides."""

    exclude: tuple[str, ...] = ()
    """Genomic intervals whose SNPs this method does not see, such as `19:44000000-46500000`
    (chromosome, first and last base pair in the build of the study): what remains without the APOE
    region, say."""

    @property
    def snp_override(self) -> SnpOverride | None:
        """SNPs it takes in place of the study's selection; None takes the selection."""
        return None

    def adapt(self, name: str, section: M) -> M:
        """Return the section, that of SNPs with `exclude` and SNPs of the method's own."""
        section = super().adapt(name, section)
        if not isinstance(section, SnpSection):
            return section
        return section.model_copy(
            update={
                "exclude": (*section.exclude, *self.exclude),
                "override": self.snp_override or section.override,
            }
        )

    @field_validator("exclude")
    @classmethod
    def _intervals(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_interval(value)
        return values


class NetworkSection(MethodSection):
    """What methods have that are trained by `gendmr.engine`."""

    optimisation: OptimisationSection = Field(default_factory=OptimisationSection)
    """What this method wants otherwise than `training.optimisation`; keys that are left out are
    those of the study, then the defaults of the method."""

    network: ClassVar[bool] = True
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=2000)
    defaults: ClassVar[OptimisationSection] = OptimisationSection()
    """Defaults of the method."""

    def bytes_of_fit(self, instances: Mapping[str, int], people: int) -> float:
        """Return the memory of one fit that takes its steps together with others.

        Parameters
        ----------
        instances : mapping of str to int
            Instances that a fold can read, by modality.
        people : int
            To train on.
        """
        return 4.0 * people * max(sum(instances.values()), 1)

    @property
    def own_defaults(self) -> OptimisationSection:
        """Defaults of the method as it is configured: those of a preset or a design, say."""
        return self.defaults

    def optimised(self, study: OptimisationSection) -> OptimisationSection:
        """Return the optimisation: the method's own keys over the study's over the defaults."""
        overrides = {
            name: getattr(source, name)
            for source in (study, self.optimisation)
            for name in source.model_fields_set
        }
        return self.own_defaults.model_copy(update=overrides)

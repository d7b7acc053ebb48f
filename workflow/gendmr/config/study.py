"""The whole configuration of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, cast

from pydantic import Field

from gendmr.config.annotation import AnnotationSection
from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.connectivity import ConnectivitySection
from gendmr.config.cross_checks import cross_check
from gendmr.config.expression import ExpressionSection
from gendmr.config.genotypes import GenotypesSection
from gendmr.config.histology import HistologySection
from gendmr.config.imaging import ImagingSection
from gendmr.config.lesions import LesionsSection
from gendmr.config.mending import Reading, read_as_far
from gendmr.config.methods import KINDS as METHODS
from gendmr.config.methods import AnyMethod
from gendmr.config.methods.base import COVARIATES, NetworkSection
from gendmr.config.modalities import SECTIONS, ModalitiesSection, in_order
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.ranking import RankingSection
from gendmr.config.report import ReportSection
from gendmr.config.simulate import SimulateSection
from gendmr.config.tracking import TrackingSection
from gendmr.config.training import MethodOptions, TrainingSection
from gendmr.errors import Problems

MORE_WITHOUT_FITS = 10  # times as many permutations in a job that fits nothing
FIRST_STAGES = ("simulate", "genotypes", "annotation", "imaging")
# All stages before the cohort, in the order of data; each modality names the one that measures it.
DATA_STAGES = (
    *FIRST_STAGES,
    *sorted({section.stage for section in SECTIONS.values() if section.stage} - {*FIRST_STAGES}),
)


class Study(Section):
    """One study: what goes in, and how each stage treats it."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    """Name of the study, and of its folder in results/."""
    seed: int = Field(ge=0)
    """All randomness derives from this number."""
    simulate: SimulateSection | None = None
    """Present: the cohort is simulated; absent: the inputs below are yours."""
    genotypes: GenotypesSection | None = None
    """Absent: a study without genotypes."""
    annotation: AnnotationSection | None = None
    """Genes of the SNPs; needed with genotypes."""
    imaging: ImagingSection | None = None
    """Absent: a study without images."""
    expression: ExpressionSection | None = None
    """Absent: a study without expression."""
    histology: HistologySection | None = None
    """Absent: a study without slides."""
    connectivity: ConnectivitySection | None = None
    """Absent: a study without functional data."""
    lesions: LesionsSection | None = None
    """Absent: a study without masks of lesions."""
    modalities: ModalitiesSection = ModalitiesSection()
    """How each modality enters the cohort and a fold."""
    cohort: CohortSection
    training: TrainingSection = TrainingSection()
    ranking: RankingSection = RankingSection()
    tracking: TrackingSection = TrackingSection()
    report: ReportSection = ReportSection()

    @classmethod
    def parse(cls, value: str | Path | dict[str, Any], *, where: str = "") -> Self:
        """Validate as `Section.parse` does, and what one section says of another.

        Raises
        ------
        ConfigurationError
            As `Section.parse`, or a section does not fit another.
        SeveralErrors
            All that is wrong in the configuration, where it is more than one thing.
        """
        reading, problems = cls.examine(value, where=where)
        problems.refuse()
        return cast(Self, reading.section)

    @classmethod
    def examine(
        cls, value: str | Path | dict[str, Any], *, where: str = ""
    ) -> tuple[Reading[Self], Problems]:
        """Return the study, as far as its configuration can be read, and all that is wrong in it.

        Raises
        ------
        ConfigurationError
            There is no such file, or it holds something else than keys and values.
        """
        problems = Problems()
        mapping, where = cls.read_mapping(value, where)
        reading = read_as_far(cls, mapping, where or cls.__name__, problems)
        if reading.section is not None and reading.whole:
            reading.keep(cross_check(reading.section).errors, problems)
        return reading, problems

    # -- modalities --------------------------------------------------------------------------------

    def modality_sections(self) -> dict[str, ModalitySection]:
        """Return the sections of the modalities that the study has, by name."""
        sections: dict[str, ModalitySection] = {}
        for name, section in SECTIONS.items():
            entry: ModalitySection | None = getattr(self.modalities, name)
            stage = getattr(self, section.stage) if section.stage is not None else None
            measured = stage is not None and section.measured_by(stage, entry is not None)
            if measured or (section.stage is None and entry is not None):
                complete = entry if entry is not None else section()
                sections[name] = complete.with_covariates(self.cohort.covariates)
        return in_order(sections)

    def measuring_stages(self) -> list[str]:
        """Return the stages before the cohort that the study has, in the order of data."""
        idle = set() if self.genotypes is not None else {"annotation"}
        return [
            stage for stage in DATA_STAGES if stage not in idle and getattr(self, stage) is not None
        ]

    def readable(self, method: AnyMethod) -> tuple[str, ...]:
        """Return the modalities of the study that a method can read at all."""
        return tuple(
            name
            for name, section in self.modality_sections().items()
            if section.shared or name in (method.readable or ())
        )

    # -- methods -----------------------------------------------------------------------------------

    @property
    def methods(self) -> dict[str, AnyMethod]:
        """Methods by name: those configured, or those that fit the study."""
        if self.training.methods:
            return self.training.methods
        available = tuple(
            name for name, section in self.modality_sections().items() if section.shared
        )
        outcome = next(iter(self.cohort.outcomes.values()))
        methods: dict[str, AnyMethod] = {}
        for section in METHODS.values():
            methods |= section.unasked(available, outcome.kind)
        return methods

    def outcome_of(self, name: str) -> str:
        """Return the outcome that a method learns."""
        return self.methods[name].outcome or next(iter(self.cohort.outcomes))

    def method_options(self, name: str) -> MethodOptions:
        """Return the slice of one method: editing another method changes nothing in it."""
        method = self.methods[name]
        sections = self.modality_sections()
        readable = self.readable(method)
        reads = method.reads_of(readable)
        adjusted = method.needs_covariates(readable)
        optimisation = None
        if isinstance(method, NetworkSection):
            optimisation = method.optimised(self.training.optimisation)
        outcome = self.outcome_of(name)
        return MethodOptions(
            method=method,
            outcome=outcome,
            task=self.cohort.outcomes[outcome],
            reads=reads,
            modalities={
                modality: method.adapt(modality, section)
                for modality, section in sections.items()
                if modality in reads or (section.adjusts and adjusted)
            },
            covariates=self._covariates_of(method, reads),
            optimisation=optimisation,
        )

    def _covariates_of(self, method: AnyMethod, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return what a method adjusts for; a baseline of covariates alone reads all declared.

        It says what covariates can tell, so that none of them may be missing from it.
        """
        if reads == (COVARIATES,) and method.covariates == "optional":
            return self.cohort.covariates
        return self.adjusted_for

    @property
    def adjusted_for(self) -> tuple[str, ...]:
        """`training.covariates`; of its defaults those that the cohort has."""
        names = self.training.covariates
        if "covariates" in self.training.model_fields_set:
            return names
        return tuple(name for name in names if name in self.cohort.covariates)

    def ranked_methods(self) -> list[str]:
        """Return the methods whose attributions are ranked: of instances that people share."""
        shared = tuple(name for name, section in self.modality_sections().items() if section.shared)
        ranked = []
        for name, method in self.methods.items():
            readable = self.readable(method)
            if method.ranked(readable) and set(method.reads_of(readable)) & set(shared):
                ranked.append(name)
        return ranked

    def ranking_of(self, name: str) -> RankingSection:
        """Return the options of a method's tables: its own, or those of its kind."""
        method = self.methods.get(name)
        return self.ranking.of(name, None if method is None else method.ranked_by)

    def refits(self, name: str) -> bool:
        """Return whether a method's null fits it, or collects its evidence alone."""
        return self.methods[name].refitted_for(self.ranking_of(name).score)

    def null_methods(self) -> list[str]:
        """Return the methods whose ranking has p-values."""
        null, outcomes = self.training.null, self.cohort.outcomes
        ranked = self.ranked_methods() if null.permutations else []
        selected = [name for name in ranked if null.methods is None or name in null.methods]
        return [name for name in selected if outcomes[self.outcome_of(name)].exchangeable]

    def null_chunks(self, name: str) -> int:
        """Return the number of jobs of a method's null in each fold."""
        permutations = self.training.null.permutations
        return -(-permutations // self._null_chunk(name)) if name in self.null_methods() else 0

    def null_range(self, name: str, chunk: int) -> tuple[int, int]:
        """Return the first permutation of a chunk and how many: the last chunk may be smaller."""
        size = self._null_chunk(name)
        return chunk * size, min(size, self.training.null.permutations - chunk * size)

    def _null_chunk(self, name: str) -> int:
        """Return how many permutations a job has: without fits its start would cost most."""
        return self.training.null.chunk * (1 if self.refits(name) else MORE_WITHOUT_FITS)

    def tables(self) -> list[str]:
        """Return the files that the study is given, but for genotypes, images and folders."""
        imaging, sets = self.imaging, self.ranking.enrichment
        paths = [
            self.annotation.genes if self.annotation else None,
            self.cohort.participants,
            *(
                path
                for section in self.modality_sections().values()
                for path in section.user_files()
            ),
            *(imaging.files() if imaging else ()),
            *(self.expression.files() if self.expression else ()),
            *(self.connectivity.files() if self.connectivity else ()),
            *((*imaging.measured_files(folders=False), imaging.places) if imaging else ()),
            *(self.histology.files() if self.histology else ()),
            *((*sets.sets, *sets.loci) if sets else ()),
            self.report.truth,
        ]
        return [path for path in paths if path]

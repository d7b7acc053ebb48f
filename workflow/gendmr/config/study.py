"""The whole configuration of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from gendmr.config.annotation import AnnotationSection
from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.connectivity import ConnectivitySection
from gendmr.config.expression import ExpressionSection
from gendmr.config.genotypes import GenotypesSection
from gendmr.config.histology import HistologySection
from gendmr.config.imaging import ImagingSection
from gendmr.config.lesions import LesionsSection
from gendmr.config.methods import KINDS as METHODS
from gendmr.config.methods import AnyMethod
from gendmr.config.methods.base import COVARIATES, NetworkSection
from gendmr.config.methods_check import check_method
from gendmr.config.modalities import SECTIONS, ModalitiesSection, in_order
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.outcomes.base import refuse_unmeasured
from gendmr.config.ranking import RankingSection
from gendmr.config.report import ReportSection
from gendmr.config.simulate import SimulateSection
from gendmr.config.tracking import TrackingSection
from gendmr.config.training import MethodOptions, TrainingSection
from gendmr.errors import ConfigurationError, did_you_mean, first_few

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
            As `Section.parse`; or `report.reference` is no method of the study.
        """
        study = super().parse(value, where=where)
        study._check_simulated()
        study._check_modalities()
        refuse_unmeasured(study.cohort.outcomes, study.modality_sections())
        study._check_methods()
        study._check_covariates()
        reference = study.report.reference
        if reference is not None and reference not in study.methods:
            raise ConfigurationError(
                f"report.reference = {reference!r}: no such method; the study has"
                f" {first_few(study.methods, 30)}",
                cause="a misspelt name, or a method that was taken out of training.methods",
                next_step="name one of these, or leave report.reference out",
            )
        return study

    def _check_simulated(self) -> None:
        """Refuse a section `simulate` beside files that it does not make.

        Raises
        ------
        ConfigurationError
            A copied configuration of the demo, which would run the demo under another name.
        """
        if self.simulate is None:
            return
        folder, imaging = f"results/{self.study}/simulate/", self.imaging
        named = [self.cohort.participants, *(self.genotypes.inputs if self.genotypes else ())]
        named += [*filter(None, [imaging.bids]), *imaging.measured_paths] if imaging else []
        others = [path for path in named if path and f"/{folder}" not in f"/{path}"]
        if others:
            raise ConfigurationError(
                f"simulate: the study {self.study} makes its own cohort in {folder}, but"
                f" {len(others)} of its inputs lie elsewhere: {first_few(others)}",
                cause="a copied configuration of the demo that still has the section simulate",
                next_step="your own data: delete the section simulate and report.truth; another"
                f" simulated study: let all inputs begin with {folder}",
            )

    # -- modalities --------------------------------------------------------------------------------

    def modality_sections(self) -> dict[str, ModalitySection]:
        """Return the sections of the modalities that the study has, by name."""
        sections: dict[str, ModalitySection] = {}
        for name, section in SECTIONS.items():
            entry: ModalitySection | None = getattr(self.modalities, name)
            stage = getattr(self, section.stage) if section.stage is not None else None
            measured = stage is not None and section.measured_by(stage, entry is not None)
            if measured or (section.stage is None and entry is not None):
                whole = entry if entry is not None else section()
                sections[name] = whole.with_covariates(self.cohort.covariates)
        return in_order(sections)

    def measuring_stages(self) -> list[str]:
        """Return the stages before the cohort that the study has, in the order of data."""
        idle = set() if self.genotypes is not None else {"annotation"}
        return [
            stage for stage in DATA_STAGES if stage not in idle and getattr(self, stage) is not None
        ]

    def _readable(self, method: AnyMethod) -> tuple[str, ...]:
        """Return the modalities of the study that a method can read at all."""
        return tuple(
            name
            for name, section in self.modality_sections().items()
            if section.shared or name in (method.readable or ())
        )

    def _check_modalities(self) -> None:
        if self.genotypes is not None and self.annotation is None:
            raise ConfigurationError(
                "genotypes without a section annotation: SNPs need a table of genes",
                next_step="add annotation: genes: <gene.loc, glist or GTF>",
            )
        sections = self.modality_sections()
        if not sections:
            raise ConfigurationError(
                "the study has no modality: neither genotypes nor imaging, and no entry of"
                " modalities that brings its own files",
                next_step="add a section genotypes or imaging; config/config.yaml is an example",
            )
        idle = [
            name
            for name in self.modalities.model_fields_set
            if name not in sections and getattr(self.modalities, name) is not None
        ]
        if idle:
            raise ConfigurationError(
                f"modalities: {first_few(idle)}: the study has no section"
                f" {first_few(str(SECTIONS[name].stage) for name in idle)} that measures it",
                cause="a section that was deleted, or an entry too many",
                next_step="add the section, or take the entry out of modalities",
            )
        if self.cohort.require not in ("any", "all", *sections):
            raise ConfigurationError(
                f"cohort.require = {self.cohort.require!r}: no modality of the study; there are"
                f" {first_few(sections)}",
                next_step="set it to any, all, or one of these",
            )

    def _check_covariates(self) -> None:
        """Refuse covariates and strata that the cohort does not declare.

        Raises
        ------
        ConfigurationError
            They would be missing in the first fold, or when strata are made.
        """
        declared = self.cohort.covariates
        for where, names in {
            "training.covariates": self.adjusted_for,
            **{
                f"modalities.{name}.covariates": section.named_covariates()
                for name, section in self.modality_sections().items()
            },
        }.items():
            absent = [name for name in names if name not in declared]
            if absent:
                raise ConfigurationError(
                    f"{where} names {first_few(absent)}, not in cohort.covariates, which has"
                    f" {first_few(declared, 20) or 'none'}{did_you_mean(absent, declared)}",
                    cause="a misspelt name, or a column that cohort.covariates does not declare",
                    next_step=f"add it to cohort.covariates, or take it out of {where}",
                )
        checked: list[ModalitySection | AnyMethod] = [*self.modality_sections().values()]
        for section in (*checked, *self.methods.values()):
            section.check_cohort(self.cohort)
        by = [one for one in (self.cohort.group_by, self.cohort.fold_by) if one]
        known = [*declared, *by, *(["ancestry"] if self.genotypes else [])]
        unknown = [name for name in self.cohort.strata or () if name not in known]
        if unknown:
            raise ConfigurationError(
                f"cohort.strata names {first_few(unknown)}; there are"
                f" {first_few(known, 20)}{did_you_mean(unknown, known)}",
                cause="a misspelt name, a column that cohort.covariates does not declare, or"
                " ancestry in a study without genotypes",
                next_step="correct cohort.strata, or leave it out",
            )

    # -- methods -----------------------------------------------------------------------------------

    def _check_methods(self) -> None:
        """Refuse what would only show after training.

        Raises
        ------
        ConfigurationError
            A method names no outcome of the study, one that it cannot learn, a modality that the
            study lacks or it cannot read; or a null is asked of a method without attributions.
        """
        for name, method in self.methods.items():
            check_method(
                f"training.methods.{name}",
                method,
                outcome=self.outcome_of(name),
                cohort=self.cohort,
                available=tuple(self.modality_sections()),
                readable=self._readable(method),
            )
        ranked = self.ranked_methods()
        unknown = sorted(set(self.training.null.methods or ()) - set(ranked))
        if unknown:
            raise ConfigurationError(
                f"training.null.methods: {first_few(unknown)}: no method of that name has"
                f" attributions; there are {first_few(ranked, 20)}",
                cause="a misspelt name, or a method that reads covariates only",
                next_step="name some of these, or leave null.methods out",
            )

    @property
    def methods(self) -> dict[str, AnyMethod]:
        """Methods by name: those configured, or those that fit the study."""
        if self.training.methods:
            return self.training.methods
        available = tuple(name for name, one in self.modality_sections().items() if one.shared)
        outcome = next(iter(self.cohort.outcomes.values()))
        ridge = METHODS["ridge"]
        methods: dict[str, AnyMethod] = {}
        network = METHODS["gendmr"]
        if set(network.readable or ()) & set(available) and outcome.kind in network.tasks:
            methods["gendmr"] = network(kind="gendmr")
        methods["ridge"] = ridge(kind="ridge")
        for name in (*available, COVARIATES):
            methods[f"ridge-{name}"] = ridge(kind="ridge", reads=(name,))
        return methods

    def outcome_of(self, name: str) -> str:
        """Return the outcome that a method learns."""
        return self.methods[name].outcome or next(iter(self.cohort.outcomes))

    def method_options(self, name: str) -> MethodOptions:
        """Return the slice of one method: editing another method changes nothing in it."""
        method = self.methods[name]
        sections = self.modality_sections()
        readable = self._readable(method)
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
                one: method.adapt(one, section)
                for one, section in sections.items()
                if one in reads or (section.adjusts and adjusted)
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
            readable = self._readable(method)
            if method.ranked(readable) and set(method.reads_of(readable)) & set(shared):
                ranked.append(name)
        return ranked

    def null_methods(self) -> list[str]:
        """Return the methods whose ranking has p-values."""
        null, outcomes = self.training.null, self.cohort.outcomes
        ranked = self.ranked_methods() if null.permutations else []
        chosen = [name for name in ranked if null.methods is None or name in null.methods]
        return [name for name in chosen if outcomes[self.outcome_of(name)].exchangeable]

    def null_chunks(self, name: str) -> int:
        """Return the number of jobs of a method's null in each fold."""
        null = self.training.null
        return -(-null.permutations // null.chunk) if name in self.null_methods() else 0

    def tables(self) -> list[str]:
        """Return the files that the study is given, but for genotypes, images and folders."""
        imaging, sets = self.imaging, self.ranking.enrichment
        named = [
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

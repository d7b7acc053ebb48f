"""The section `training` of the configuration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gendmr.config.base import Section
from gendmr.config.methods import AnyMethod, GendmrMethod, RidgeMethod
from gendmr.errors import first_few


class SelectionSection(Section):
    """Which SNPs enter a fold: decided in the fold, by its training people only."""

    mode: Literal["genes", "fold_association", "both"] = "genes"
    """`genes`: SNPs that map to a gene, nearest to the gene first; `fold_association`: the
    smallest p-values of the training people, anywhere; `both`: SNPs that map to a gene, smallest
    p-values first."""
    genes: tuple[str, ...] = ()
    """Keep only these genes (`genes` and `both`); empty keeps all."""
    maximum: int = Field(default=5000, ge=1)
    """SNPs in all; where there are more, every gene gives up its last ones first."""
    per_gene: int = Field(default=10, ge=1)
    """SNPs per gene (`genes` and `both`)."""
    maf: float = Field(default=0.01, ge=0, le=0.5)
    """Smallest minor allele frequency in the training people."""
    missing: float = Field(default=0.1, ge=0, le=1)
    """Largest share of missing genotypes in the training people."""
    hwe: float = Field(default=1e-6, ge=0, le=1)
    """Smallest p-value of the exact Hardy-Weinberg test in the training controls; 0 keeps all."""
    r2: float = Field(default=0.8, gt=0, le=1)
    """Of two SNPs on a chromosome with a larger squared correlation only the first stays."""


class AdjustmentSection(Section):
    """What associations and region measurements are adjusted for, within the fold."""

    covariates: tuple[str, ...] = ("age", "sex")
    """Columns of participants.tsv; those that a cohort lacks are an error."""
    components: int = Field(default=4, ge=0, le=50)
    """Ancestry components, fitted on the training people and projected onto the others."""
    component_r2: float = Field(default=0.2, gt=0, le=1)
    """LD pruning of the variants that the components are made from."""
    component_variants: int = Field(default=20000, ge=100)
    """Variants for the components, evenly spread, before pruning."""
    icv: bool = True
    """Regress intracranial volume out of the region measurements."""
    region_covariates: tuple[str, ...] = ("age",)
    """Columns regressed out of the region measurements, with one slope for cases and controls."""


class OptimisationSection(Section):
    """How networks are trained."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak of the schedule (linear warm-up, then cosine)."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of weight matrices; biases, norms and shared embeddings are free of it."""
    embedding_decay: float = Field(default=30.0, ge=0)
    """Of embeddings per gene and per region, which start at zero."""
    prior_decay: float = Field(default=20.0, ge=0)
    """Of what a method starts with as its prior, and of departures from it: both may move by about
    one over this number."""
    epochs: int = Field(default=25, ge=1)
    """At most; an epoch passes once over the training people."""
    warmup: int = Field(default=2, ge=0)
    """Epochs of warm-up."""
    stopping: Literal["last_good", "best_auc"] = "last_good"
    """Which epoch is kept: the last one that the inner validation does not call worse than the best
    (by one standard error of the loss), or the one with the best AUC there."""
    patience: int = Field(default=8, ge=1)
    """Epochs that the rule does not keep before training stops."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a gradient."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of the bag vectors in front of the fused head."""
    token_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of SNPs hidden from the attention in a step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's products; weights, losses and the optimiser stay float32. bfloat16 is meant
    for GPUs and large nulls; on a CPU it is slower."""
    compiled: bool = False
    """Compile a step with torch.compile: it costs a minute or more at the start of every job and
    needs a C++ compiler, and is meant for nulls of many permutations on a GPU."""


class NullSection(Section):
    """Fits with permuted diagnoses, from which p-values are counted."""

    permutations: int = Field(default=199, ge=0)
    """How many; the smallest p-value is one over this plus one. 0 runs no null, and the ranking
    then has no p-values. More can be added later: those that are there stay."""
    methods: tuple[str, ...] | None = None
    """Methods that get a null; without it, all that rank SNPs or regions."""
    chunk: int = Field(default=100, ge=1, le=10_000)
    """Permutations of a job; a job that is stopped goes on where it was."""


class MethodOptions(Section):
    """One method with the shared settings it uses: what a training job is given."""

    method: AnyMethod = GendmrMethod()
    """The method's own entry."""
    selection: SelectionSection = SelectionSection()
    """SNPs of a fold."""
    adjustment: AdjustmentSection = AdjustmentSection()
    """Covariates and components."""
    optimisation: OptimisationSection | None = None
    """For networks."""


class TrainingSection(Section):
    """Settings of the stage `training`."""

    methods: dict[str, AnyMethod] = Field(
        default={
            "gendmr": GendmrMethod(),
            "ridge": RidgeMethod(),
            "ridge-snp": RidgeMethod(modalities=("snp",)),
            "ridge-region": RidgeMethod(modalities=("region",)),
            "ridge-covariates": RidgeMethod(modalities=("covariates",)),
        },
        min_length=1,
    )
    """Methods by name, trained in the same folds; the name is their folder in results/."""
    selection: SelectionSection = SelectionSection()
    """SNPs of a fold."""
    adjustment: AdjustmentSection = AdjustmentSection()
    """What associations and region measurements are adjusted for."""
    optimisation: OptimisationSection = OptimisationSection()
    """How networks are trained."""
    null: NullSection = NullSection()
    """Permutations of the diagnosis."""

    @field_validator("methods")
    @classmethod
    def _names(cls, values: dict[str, AnyMethod]) -> dict[str, AnyMethod]:
        for name in values:
            plain = name.replace("-", "").replace("_", "").isalnum()
            if not plain or name.startswith("-") or len(name) > 40:
                raise ValueError(
                    f"{name!r} is not a name of a method: letters, digits, - and _, at most 40"
                )
        return values

    @model_validator(mode="after")
    def _null(self) -> Self:
        ranked = [name for name, method in self.methods.items() if method.ranked]
        unknown = sorted(set(self.null.methods or ()) - set(ranked))
        if unknown:
            raise ValueError(
                f"null.methods: {first_few(unknown)}: no method of that name ranks SNPs or regions;"
                f" there are {first_few(ranked, 20)}"
            )
        return self

    @property
    def with_null(self) -> list[str]:
        """Methods whose ranking has p-values."""
        if not self.null.permutations:
            return []
        chosen = self.null.methods
        return [
            name
            for name, method in self.methods.items()
            if method.ranked and (chosen is None or name in chosen)
        ]

    def null_chunks(self, name: str) -> int:
        """Return the number of jobs of a method's null in each fold."""
        return -(-self.null.permutations // self.null.chunk) if name in self.with_null else 0

    def null_range(self, chunk: int) -> tuple[int, int]:
        """Return the first permutation of a chunk and how many: the last chunk may be smaller."""
        first = chunk * self.null.chunk
        return first, min(self.null.chunk, self.null.permutations - first)

    def method(self, name: str) -> MethodOptions:
        """Return the slice of one method: editing another method changes nothing in it."""
        entry = self.methods[name]
        return MethodOptions(
            method=entry,
            selection=self.selection,
            adjustment=self.adjustment,
            optimisation=self.optimisation if entry.gpus else None,
        )

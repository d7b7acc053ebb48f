"""The section `ranking` of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.files.shipped import shipped_file


class EnrichmentSection(Section):
    """Gene sets and known loci in which the ranking is asked for more than matched blocks hold."""

    sets: tuple[str, ...] = ()
    """GMT files: name, description and genes of one set a line, separated by tabs. Genes are named
    as in annotation/genes.tsv."""
    loci: tuple[str, ...] = ()
    """Tables of known loci: `chromosome` and `start` and `end`, or `position`; optionally `name`
    and `build`. The genes that the loci of one table touch are one set."""
    draws: int = Field(default=10_000, ge=99, le=1_000_000)
    """Matched draws: the smallest p is 1 / (draws + 1), so that a single one of S sets reaches
    q = 0.05 only with 20 S of them."""
    smallest: int = Field(default=5, ge=2)
    """Sets with fewer genes in the ranking are listed, not tested."""
    largest: int = Field(default=500, ge=2)
    """Sets with more genes in the ranking are listed, not tested."""
    window_kb: float = Field(default=50.0, ge=0, le=10_000)
    """A gene is touched by a locus given as a `position` when it lies within this many kilobases;
    intervals are taken as they are."""

    @field_validator("sets", "loci")
    @classmethod
    def _shipped(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(shipped_file, paths))

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if not self.sets and not self.loci:
            yield "name files in `sets` or `loci`, or leave `enrichment` out"
        stems = [Path(path).stem for path in (*self.sets, *self.loci)]
        if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
            yield f"two files are called {', '.join(twice)}: results are named by them"
        if self.smallest > self.largest:
            yield "smallest must not exceed largest"


class FiguresSection(Section):
    """How the ranking is drawn: what changes no number."""

    label: int = Field(default=12, ge=0, le=50)
    """Genes named in the figure along the genome."""


class MethodAggregation(Section):
    """How the SNPs of a gene become its score, for one method."""

    score: Literal["mean_abs", "abs_mean", "evidence"] | None = None
    """As for all methods, unless it is told."""
    aggregation: Literal["sum", "max", "mean", "squares", "bayes"] = "sum"
    """`max` of the statistics of single SNPs is the smallest p-value of a gene; `squares` of them
    is a gene-based sum test; `bayes` of their evidence is a gene's Bayes factor."""
    ld_weighting: bool = True
    """As for all methods."""
    neighbours_kb: float | None = Field(default=None, ge=0, le=10_000)
    """As for all methods, unless it is told."""


class RankingSection(Section):
    """How the signed held-out risk of SNPs and regions becomes a ranking."""

    score: Literal["mean_abs", "abs_mean", "evidence"] = "mean_abs"
    """Risk of one SNP or region over the held-out people of a fold. `mean_abs`: mean of
    |risk - its mean over these people|, what it adds to the differences between people;
    `abs_mean`: |mean risk|, which also counts what is the same for everybody. `evidence`, of
    methods that collect it: the log Bayes factor that all people but the held-out ones give
    an instance, whatever it adds to predictions; what one modality says already does not hide the
    other's."""
    aggregation: Literal["sum", "max", "mean", "squares", "bayes"] = "sum"
    """How the SNPs of a gene become the gene's score that is ranked; `score_max` is always
    written beside it. `max` is the largest of the SNPs' averages over folds. `mean` does not grow
    with the number of SNPs, `sum` and `squares` (of squared scores, without weights) do; p-values
    compare every gene with its own null. `bayes` is for `score: evidence`: the logarithm of the
    mean of the Bayes factors of the gene's SNPs, one of which is taken to carry its effect."""
    ld_weighting: bool = True
    """Divide the risk of each SNP by 1 + the sum of its r2 with the gene's other SNPs, so that a
    block of copies counts about once. r2 is of all genotyped people, without outcomes."""
    top_k: int = Field(default=25, ge=1, le=10_000)
    """Stability is the share of folds in which a gene or region is among the first `top_k`
    (regions: never more than a quarter of them)."""
    block_r2: float = Field(default=0.2, gt=0, le=1)
    """Genes are one LD block where SNPs of theirs have at least this r2, or are the same: then a
    signal of z = 5 in the one shows as z > 2 in the other. Smaller values join long chains: of 693
    genes of chromosome 10 in 1,000 real people, 0.2 makes 157 blocks with 42 genes at most, 0.05
    makes 80 with 92; 0.5 makes 219, again with 42."""
    block_window_kb: float = Field(default=250.0, ge=0, le=10_000)
    """SNPs farther apart than this join no genes, whatever their r2."""
    neighbours_kb: float = Field(default=0.0, ge=0, le=10_000)
    """0: a gene is ranked by its own SNPs. A number: by the mean score of its neighbourhood, in
    which a gene of the same chromosome counts by exp(-kilobases between them / number). For risk
    that lies in clusters of genes; genes beside a risk gene then share its score. The null is
    averaged alike. LD blocks are ranked by their own SNPs."""
    relative: bool = True
    """Before scores are compared with the null, divide those of every permutation, and of the data,
    by how large they typically are: attention is a share, and one strong gene would make all others
    look weaker than under the null."""
    tail: bool = False
    """Where fewer than 10 permutations reach a score, take the p-value from a generalised Pareto
    distribution fitted to the largest scores under permutation; such values are marked."""
    sequential: int = Field(default=0, ge=0)
    """0, or h: a p-value is h / l where the h-th permutation that reaches the score is the l-th
    drawn (Besag & Clifford 1991); such values are marked."""
    methods: dict[str, MethodAggregation] = Field(default_factory=dict)
    """Score and aggregation of single methods in place of the above, by name. A method that is
    named in none of them is ranked as its kind says, unless `score` or `aggregation` is given."""
    figures: FiguresSection = Field(default_factory=FiguresSection)
    """A change of these draws the figures again and ranks nothing."""
    enrichment: EnrichmentSection | None = None
    """Absent: no sets are tested."""

    def of(self, method: str, default: Mapping[str, str] | None = None) -> RankingSection:
        """Return the options of one method's tables: what is said of others does not reach it.

        Parameters
        ----------
        method : str
        default : mapping of str to str, optional
            `score` and `aggregation` of its kind, where the configuration says neither.
        """
        method_options = self.methods.get(method)
        silent = method_options is None and not {"score", "aggregation"} & self.model_fields_set
        changed: dict[str, Any] = {"methods": {}, "enrichment": None, "figures": FiguresSection()}
        overrides = dict(default or {}) if silent else {}
        if method_options is not None:
            overrides = method_options.model_dump(exclude_none=True)
        return self.model_copy(update=changed | overrides)

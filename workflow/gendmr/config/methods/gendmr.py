"""The section of the method `gendmr`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, Rates, SnpReader
from gendmr.config.optimisation import OptimisationSection

# Optimisation of `design: network`, where nothing else is said.
NETWORK_OPTIMISATION = OptimisationSection(epochs=60, patience=15)


def _by_design(evidence: Any, network: Any) -> Callable[[dict[str, Any]], Any]:
    """Return the default of an option that is left out, from the options before it."""
    return lambda options: network if options.get("design") == "network" else evidence


class GendmrMethod(SnpReader, NetworkSection):
    """GenDMR: multi-instance attention over SNPs and regions, roles that swap, a fused head."""

    kind: Literal["gendmr"] = "gendmr"
    """Chooses the method."""
    reads: tuple[Literal["snp", "region"], ...] | None = Field(default=None, min_length=1)
    """The bags; without it, those of both that the study has."""
    design: Literal["evidence", "network"] = "evidence"
    """`evidence`: no instance has a slope of its own, functions that all share read what the
    training people say of it. `network`: every SNP and every measure of a region has a slope,
    which is learned and shrunk; no evidence, unless it is asked for."""
    evidence: Literal["none", "outcome", "both", "all"] = Field(
        default_factory=_by_design(evidence="all", network="none")
    )
    """What the training people say about an instance, offered to its token: association with the
    outcome; `both`: also with the out-of-fold imaging risk and with what imaging leaves
    unexplained; `all`: also with the single regions that differ between cases and controls. Without
    it `all`, and `none` with `design: network`."""
    position: Literal["genomic", "index", "none", "shuffled"] = "genomic"
    """Where a SNP lies: base pairs on its chromosome, its rank in the list, nowhere, or base pairs
    of another SNP (a control)."""
    blocks: int = Field(default=0, ge=0, le=4)
    """Attention blocks among the SNPs of a chromosome."""
    heads: int = Field(default=4, ge=1)
    """Attention heads of a block; they divide the width."""
    width: int = Field(default=16, ge=4, le=512)
    """Length of a token."""
    attention: int = Field(default=16, ge=4, le=512)
    """Hidden units of the gated attention."""
    fourier: int = Field(default=8, ge=1, le=16)
    """Octaves of the position features."""
    parts: int = Field(default=5, ge=2, le=20)
    """Parts of the training people for cross-fitting: the loss on a part uses evidence from the
    others."""
    partitions: int = Field(default=3, ge=1, le=50)
    """Different ways to cut the training people into parts, used in turn by the epochs."""
    dominance: Literal["person", "batch", "epoch", "none"] = "person"
    """Who leads is decided for each person, for the people of a batch together, for an epoch, or
    not at all: then each modality teaches the other for everybody."""
    roles: Literal["exchange", "imaging", "genetics", "self"] = Field(
        default_factory=_by_design(evidence="exchange", network="self")
    )
    """`exchange`: whoever leads teaches; or a fixed teacher; `self`: each modality is taught by its
    own average and by no other. Without it `exchange`, and `self` with `design: network`, which
    predicts better so or alike (docs/explanation/roles.md)."""
    distillation: float = Field(default=1.0, ge=0)
    """Largest weight of what the teacher's answer adds to the loss; 0 leaves distillation out."""
    contrast: float = Field(default_factory=_by_design(evidence=0.1, network=0.0), ge=0)
    """Weight of the contrast between the student's and the teacher's view of a person; 0 leaves it
    out. Without it 0.1, and 0 with `design: network`."""
    temperature: float = Field(default=3.0, gt=0)
    """Softens the answers of teacher and student."""
    ramp: int = Field(default=10, ge=1)
    """Epochs over which the weight of distillation rises."""
    margin: float = Field(default=0.05, ge=0, le=1)
    """Smallest difference of the probabilities of the true class that makes a modality lead."""
    memory: float = Field(default=0.9, ge=0, lt=1)
    """Share of the past in a person's averaged probabilities, epoch by epoch."""
    queue: int = Field(default=512, ge=0)
    """Views of earlier batches that a student is contrasted with."""
    projection: int = Field(default=128, ge=2)
    """Length of a view."""

    embedding_decay: float = Field(default=30.0, ge=0)
    """Weight decay of embeddings per gene and per region, which start at zero."""
    prior_decay: float = Field(default=20.0, ge=0)
    """Weight decay of what the evidence starts with as its prior, and of departures from it: both
    may move by about one over this number."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of the bag vectors in front of the fused head."""
    token_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of SNPs hidden from the attention in a step."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp", "region")
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 3.8, "epochs_people_instances": 0.1},
            "memory": {"start": 420, "people_instances": 60},
            "disk": {"start": 0.2, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {
                "start": 3.8,
                "permutations_people_instances": 0.58,
                "permutations_epochs_people_instances": 0.021,
            },
            "memory": {"start": 430, "permutations_people_instances": 20},
            "disk": {"start": 0.2},
        },
        "train_null_evidence": {
            "seconds": {"start": 3.8, "permutations_people_instances": 0.105},
            "memory": {"start": 430},
            "disk": {"start": 0.2},
        },
    }

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.width % self.heads:
            yield f"width: {self.width} is no multiple of heads: {self.heads}"

    @classmethod
    def unasked(cls, available: tuple[str, ...], task: str) -> dict[str, Self]:
        """Return the method with its defaults, where the study has one of its bags."""
        fits = set(cls.readable or ()) & set(available) and task in cls.tasks
        return {"gendmr": cls(kind="gendmr")} if fits else {}

    @property
    def ranked_by(self) -> dict[str, str]:
        """Return that evidence is pooled by gene, where it is collected."""
        if self.evidence == "none":
            return {}
        return {"score": "evidence", "aggregation": "bayes"}

    def refitted_for(self, score: str) -> bool:
        """Return whether the score is another than evidence, which needs no network."""
        return score != "evidence" or self.evidence == "none"

    @property
    def own_defaults(self) -> OptimisationSection:
        """Defaults of the design."""
        return self.defaults if self.design == "evidence" else NETWORK_OPTIMISATION

    def bytes_of_fit(self, instances: Mapping[str, int], people: int) -> float:
        """Return the memory of one fit: some forty tables live until the gradient is known."""
        snps, regions = instances.get("snp", 0), instances.get("region", 0)
        # Tokens exist once per dosage class of a SNP, and once per person of a batch for a region.
        tables = 4 * max(snps, 1) + 64 * max(regions, 1)
        return 4.0 * 40 * self.width * tables + people * max(snps, 1)

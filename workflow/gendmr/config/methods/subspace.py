"""The section of the method `subspace`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.base import Section
from gendmr.config.methods.base import M, NetworkSection, Resources
from gendmr.config.modalities.expression import ExpressionModalitySection
from gendmr.config.modalities.patch import PatchSection
from gendmr.config.optimisation import OptimisationSection
from gendmr.errors import ConfigurationError, first_few

MCAT_FAMILIES: dict[str, tuple[str, ...]] = {
    "tumour": ("Tumor Suppressor Genes", "Oncogenes"),
    "environment": ("Cell Differentiation Markers", "Cytokines and Growth Factors"),
}
SEVERAL = 5  # networks, where they cost little
SAMPLING_FILES = ("sampling.tsv", "sampling.png")


class SubspaceMethod(NetworkSection):
    """Slides and expression in several subspaces of genes, fused in each (Zhang et al. 2024).

    Without slides, an encoder for the genes of each subspace and one head; without expression, a
    branch of patches for each subspace, which nothing but its initial weights tells apart.
    """

    kind: Literal["subspace"] = "subspace"
    """Chooses the method."""
    seeds: int | None = Field(default=None, ge=1, le=20)
    """Networks that differ in their initial weights and dropout: the prediction is their mean, and
    time and memory are theirs together. Without it 5 where genes alone are read, which takes
    seconds, and 1, as published, with patches and with `compat: released`."""
    subspaces: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: dict(MCAT_FAMILIES), min_length=1, max_length=6
    )
    """Families of `expression.groups` by subspace; genes of two subspaces are in neither. A single
    one is what that subspace says alone."""
    random_partition: bool = False
    """Control: subspaces of the same sizes, of genes drawn from all."""
    coordination: Literal["orthogonal", "released", "none"] = "orthogonal"
    """What becomes of the head's gradient where subspaces disagree: the component against the
    more confident one is removed from the other (`orthogonal`), or subtracted twice, as in the
    released code (`released`)."""
    deformable: bool = True
    """Attention from fused patches to sampled ones; without it patches are fused with genes and
    averaged."""
    stride: int = Field(default=4, ge=1, le=4)
    """Places of a bag between two that attention samples: 4, as published for bags of 50 x 50."""
    reach: float = Field(default=4 / 11, ge=0, le=1)
    """How far a sampled place may move, as a share of the side of the grid: 4 of 11, as published
    for bags of 50 x 50."""
    pooling: Literal["mean", "gated"] = "mean"
    """How patches become a slide in each subspace: all alike (`mean`, as published), or with shares
    that gated attention learns of each patch (`gated`, Ilse et al. 2018)."""
    consistency: Literal["person", "released", "none"] = "person"
    """Term of the loss that is small where people alike in genes sample alike. `released` compares
    heads with people, as the released code does."""
    consistency_weight: float = Field(default=1.0, gt=0, le=100)
    """Multiple of that term: half of it for each subspace."""
    compat: Literal["intended", "released"] = "intended"
    """`released`: numbers of expression and of patches as they are, no clipping,
    `coordination: released` and `consistency: released`."""
    width: int = Field(default=128, ge=8, le=512)
    """Length of a code."""
    heads: int = Field(default=8, ge=1, le=64)
    """Of the attention; they divide the width."""
    head_width: int = Field(default=64, ge=1, le=256)
    """Length of a query of one head."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of the encoders."""
    gene_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of people in a training step whose expression counts as missing, so that the network
    learns to read slides too; 0 as published."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("expression", "patch")
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=1500)
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        batch_size=32, learning_rate=1e-3, weight_decay=0.01, epochs=40
    )

    def networks(self, reads: tuple[str, ...]) -> int:
        """Return how many networks are averaged, for what is read."""
        if self.seeds is not None:
            return self.seeds
        return 1 if "patch" in reads or self.compat == "released" else SEVERAL

    def left_files(self, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return where deformable attention samples the bags."""
        return SAMPLING_FILES if self.deformable and "patch" in reads else ()

    def adapt(self, name: str, section: M) -> M:
        """Return the section; untransformed where the released code transformed nothing."""
        if self.compat == "released" and isinstance(section, ExpressionModalitySection):
            return section.model_copy(update={"transformation": "none", "clip": None})
        if self.compat == "released" and isinstance(section, PatchSection):
            return section.model_copy(update={"scale": "none"})
        return super().adapt(name, section)

    def check_stages(
        self, where: str, reads: tuple[str, ...], stages: Mapping[str, Section]
    ) -> None:
        """Refuse expression without families of genes, of which subspaces are made.

        Raises
        ------
        ConfigurationError
        """
        expression = stages.get("expression")
        if "expression" in reads and getattr(expression, "groups", None) is None:
            raise ConfigurationError(
                f"{where}: subspaces are made of families of genes, and expression.groups names no"
                " table of them",
                cause="a study without families, or one in which another method was meant",
                next_step="set expression.groups, or choose the method mil",
            )

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        invalid = [name for name in self.subspaces if not name.isidentifier()]
        empty = [name for name, families in self.subspaces.items() if not families]
        if invalid or empty:
            yield (
                f"subspaces: not names: {first_few(invalid)}; without a family: {first_few(empty)}"
            )
        if self.width % self.heads:
            yield f"width: {self.width} is no multiple of heads: {self.heads}"

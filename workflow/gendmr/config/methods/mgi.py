"""The section of the method `mgi`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.methods.base import NetworkSection, Resources
from gendmr.config.optimisation import OptimisationSection
from gendmr.errors import ConfigurationError, first_few

PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "small": {
        "patch": 16,
        "image_width": 384,
        "image_layers": 12,
        "image_heads": 6,
        "gene_width": 128,
        "gene_layers": 4,
        "gene_patch": 4,
        "projection": 256,
        "pretrain_batch": 64,
        "encoder_rate": 0.1,
        "skips": "none",
    },
    "base": {
        "patch": 16,
        "image_width": 768,
        "image_layers": 12,
        "image_heads": 12,
        "gene_width": 256,
        "gene_layers": 4,
        "gene_patch": 1,
        "projection": 256,
        "pretrain_batch": 64,
        "encoder_rate": 0.1,
        "skips": "none",
    },
}
RETRIEVAL_FILES = ("retrieval.tsv", "retrieval.png")
SLOW = OptimisationSection(learning_rate=1e-4, weight_decay=0.05, epochs=50)


class MgiMethod(NetworkSection):
    """Images and genes aligned by contrastive pre-training, then lesions segmented (Zhou 2024)."""

    kind: Literal["mgi"] = "mgi"
    """Chooses the method."""
    preset: Literal["cpu", "small", "base"] = "cpu"
    """Sizes that the keys below take where they are left out."""
    patch: Literal[4, 8, 16, 32] = 8
    """Pixels of a token along each edge of a slice."""
    image_width: int = Field(default=64, ge=8, le=2048)
    """Length of a token of the vision transformer."""
    image_layers: int = Field(default=4, ge=1, le=48)
    """Layers of the vision transformer."""
    image_heads: int = Field(default=4, ge=1, le=32)
    """Of attention; `image_width` is a multiple."""
    gene_width: int = Field(default=32, ge=4, le=2048)
    """Length of a token of genes."""
    gene_layers: int = Field(default=2, ge=1, le=24)
    """Selective state spaces, one behind the other."""
    gene_expand: int = Field(default=2, ge=1, le=8)
    """Channels inside of each, in widths."""
    gene_states: int = Field(default=16, ge=1, le=256)
    """Numbers that each channel remembers."""
    gene_patch: int = Field(default=4, ge=1, le=256)
    """Genes of a token."""
    gene_order: Literal["genomic", "alphabetical", "random"] = "alphabetical"
    """Order of the genes, on which a sequence model depends; kept with the weights (`gene_order`).
    `genomic` needs `expression: positions:`; genes without a position come last."""
    gene_tokens: int = Field(default=64, ge=1, le=4096)
    """To which tokens of genes are pooled before images attend to them, where there are more."""
    gene_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the genes that a step of training does not see: there are more genes than people."""
    projection: int = Field(default=64, ge=2, le=2048)
    """Length of an embedding."""
    temperature: float = Field(default=0.07, gt=0, le=1)
    """Of the contrastive loss at the start; it is learned."""
    pretrain_epochs: int = Field(default=200, ge=0)
    """Of the contrastive phase; 0: none."""
    pretrain_batch: int = Field(default=32, ge=2)
    """People of a contrastive batch, at most; nobody is in it twice."""
    fusion: Literal["none", "concat", "film", "cross_attention"] = "cross_attention"
    """How genes act on tokens of the image, through a gate that starts at 0. `none`: not at all;
    pre-training then is all that genes do."""
    skips: Literal["none", "image", "unetr"] = "image"
    """What the decoder sees besides the last tokens: nothing, the slice, or as UNETR tokens of
    earlier layers and the slice."""
    encoder_rate: float = Field(default=1.0, ge=0, le=1)
    """Multiple of the learning rate for encoders after pre-training; 0: they stay."""
    hospital: str = "site"
    """Column of labels of participants.tsv within which retrieval is judged besides; among `cohort:
    covariates:` and `cohort: categorical:`. Without such a column all are of one hospital."""
    augmentation: bool = True
    """Flips, transpositions, and intensities of each channel scaled and moved by 10 % of an SD."""
    channel_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Probability that a channel is hidden from a training slice; one that is known is always left.
    """
    empty: float = Field(default=1.0, ge=0, le=10)
    """Slices without a lesion for each slice with one, in an epoch of the segmentation."""

    tasks: ClassVar[tuple[str, ...]] = ("segmentation",)
    readable: ClassVar[tuple[str, ...] | None] = ("slice", "expression")
    adjusted: ClassVar[bool] = False
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=2000)
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        batch_size=32, learning_rate=2e-3, weight_decay=0.05, epochs=60, stopping="last"
    )

    @property
    def own_defaults(self) -> OptimisationSection:
        """Defaults of the preset: large ones learn more slowly than `cpu`."""
        slower = {} if self.preset == "cpu" else SLOW.model_dump(exclude_unset=True)
        return self.defaults.model_copy(update=slower)

    def ranked(self, available: tuple[str, ...]) -> bool:
        """Return whether genes act on the prediction: without fusion there is nothing to rank."""
        return self.fusion != "none" and super().ranked(available)

    def left_files(self, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return how held-out people find each other, where images and genes are aligned."""
        return RETRIEVAL_FILES if self.pretrain_epochs and "expression" in reads else ()

    def check_cohort(self, cohort: CohortSection) -> None:
        """Refuse a hospital that is no label of the cohort.

        Raises
        ------
        ConfigurationError
        """
        labels = sorted(set(cohort.categorical) & set(cohort.covariates))
        if "hospital" in self.model_fields_set and self.hospital not in labels:
            raise ConfigurationError(
                f"the method mgi: hospital = {self.hospital!r}: no label among cohort.covariates;"
                f" there are {first_few(labels) or 'none'}",
                cause="a misspelt column, or one that the cohort does not declare",
                next_step="add the column to cohort.covariates and cohort.categorical, or name"
                " another in `hospital`",
            )

    def check_stages(
        self, where: str, reads: tuple[str, ...], stages: Mapping[str, Section]
    ) -> None:
        """Refuse the order of the genome where no table says where genes lie.

        Raises
        ------
        ConfigurationError
        """
        expression = stages.get("expression")
        placed = getattr(expression, "positions", None) is not None
        if "expression" in reads and self.gene_order == "genomic" and not placed:
            raise ConfigurationError(
                f"{where}.gene_order: genomic, and expression.positions names no table of places",
                cause="a study whose genes have no places",
                next_step="set expression.positions, or choose `gene_order: alphabetical`",
            )

    def fill_in(self) -> None:
        """Set the sizes of the preset, but those that the section has itself."""
        preset = PRESETS[self.preset]
        # The section is frozen for its users; here it is still being made.
        self.__dict__.update(
            {name: value for name, value in preset.items() if name not in self.model_fields_set}
        )

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.image_width % self.image_heads:
            yield (
                f"image_width {self.image_width} is no multiple of image_heads {self.image_heads}"
            )
        if self.reads is not None and "slice" not in self.reads:
            yield "reads: without `slice` there is nothing to segment"

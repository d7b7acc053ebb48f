"""The section of the method `migtrans`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gendmr.config.cohort import CohortSection
from gendmr.config.methods.base import NetworkSection, Rates, Resources, SnpReader
from gendmr.config.optimisation import OptimisationSection
from gendmr.errors import ConfigurationError

PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "paper": {
        "shortcut": "none",
        "seeds": 1,
        "width": 128,
        "heads": 4,
        "hidden": (2048, 1536),
        "tokens": 12,
        "image": "densenet121",
        "image_attention_width": 128,
    },
    "house": {
        "shortcut": "none",
        "seeds": 1,
        "width": 1024,
        "heads": 2,
        "hidden": (2048, 1536),
        "tokens": 1,
        "feed_forward": 0,
        "attention_dropout": 0.1,
        "image": "densenet121",
        "image_attention_width": 128,
    },
}
CLASSES = ("binary", "multiclass")
BESIDE_RIDGE = {"epochs": 10, "batch_size": 32}  # where there is less to learn
SLOW = OptimisationSection(
    batch_size=32, learning_rate=1e-4, weight_decay=0.01, epochs=100, patience=20
)
GATE_FILES = ("gate.tsv", "gate.png")


class MigtransMethod(SnpReader, NetworkSection):
    """Transformer over genome, connectome and brain structure (Shareef et al. 2024)."""

    kind: Literal["migtrans"] = "migtrans"
    """Chooses the method."""
    preset: Literal["cpu", "paper", "house"] = "cpu"
    """Sizes that the keys below take where they are left out: less than a million weights, the
    reconstruction of the published network, or the published style of its authors."""
    seeds: int = Field(default=2, ge=1, le=20)
    """Networks that differ in their initial weights and dropout: the prediction is their mean, and
    how far their rankings agree is told, which one network alone cannot tell."""
    order: tuple[str, ...] = ("snp", "edge", "region", "volume")
    """Steps of attention: tokens of the second modality query those of the first, those of the
    third the result."""
    width: int = Field(default=64, ge=4, le=2048)
    """Length of a token."""
    heads: int = Field(default=4, ge=1, le=32)
    """Of attention; `width` is a multiple."""
    hidden: tuple[int, int] = (256, 96)
    """Widths of the two dense layers of a genome or connectome; the second is cut into `tokens`."""
    tokens: int = Field(default=12, ge=1, le=64)
    """Tokens of a genome or connectome."""
    feed_forward: int = Field(default=4, ge=0, le=8)
    """Hidden units behind a step of attention, over `width`; 0: none, and no such layer."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of the dense layers."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of SNPs and edges before the first layer, and of region tokens."""
    attention_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of attention and of the layers behind it."""
    modality_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Chance that a person loses a modality in a step of training; nobody loses all."""
    image: Literal["densenet8", "densenet121"] = "densenet8"
    """Encoder of maps (`volume`): a DenseNet of 8 layers with 16 + 8 channels, or DenseNet121."""
    image_attention: Literal["convlstm", "se", "none"] = "convlstm"
    """Gate of its last maps: Spatial Sequence Attention by a ConvLSTM in both directions, squeeze
    and excitation, or none."""
    image_attention_width: int = Field(default=16, ge=1, le=512)
    """Channels of the ConvLSTM."""
    sequence: Literal["sagittal", "coronal", "axial"] = "sagittal"
    """Slices that the ConvLSTM reads one after the other."""
    autoencoder: Literal["none", "joint", "pretrain"] = "none"
    """Whether codes of genome and connectome must rebuild their inputs: not at all, beside the
    task, or in a phase before it."""
    autoencoder_weight: float = Field(default=0.1, ge=0)
    """Of the squared error beside the loss of the task (`joint`)."""
    pretrain_epochs: int = Field(default=10, ge=1)
    """Of the phase before (`pretrain`)."""
    shortcut: Literal["none", "ridge"] = "ridge"
    """Whether a ridge on the same modalities stands beside the network, which then learns what
    ridge does not say of people whom it has not seen; how much of it counts (0 to 1) is chosen on
    the inner validation, 0 unless it clearly helps. `none` is the published network."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the loss that wants all classes alike (Szegedy et al. 2016); only for classes."""
    auxiliary: float = Field(default=0.0, ge=0)
    """Weight of the losses of a head for each modality alone; 0: no such heads."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp", "edge", "region", "volume")
    adjusted: ClassVar[bool] = False
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=2000)
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {
                "start": 5.0,
                "people_instances": 25.0,
                "epochs_people_instances": 2.0,
            },
            "memory": {"start": 600, "people_instances": 110},
            "disk": {"start": 3.5, "people_instances": 4.0},
        },
        "train_null": {
            "seconds": {
                "start": 5.0,
                "permutations_people_instances": 25.0,
                "permutations_epochs_people_instances": 1.0,
            },
            "memory": {"start": 700, "people_instances": 110, "permutations_people_instances": 6},
            "disk": {"start": 0.2},
        },
    }
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        batch_size=16, learning_rate=5e-4, weight_decay=0.05, epochs=20, stopping="last"
    )

    @property
    def own_defaults(self) -> OptimisationSection:
        """Defaults of the preset: large ones learn more slowly, what has a ridge beside it less."""
        if self.preset != "cpu":
            return self.defaults.model_copy(update=SLOW.model_dump(exclude_unset=True))
        shorter = BESIDE_RIDGE if self.shortcut == "ridge" else {}
        return self.defaults.model_copy(update=shorter)

    def bytes_of_fit(self, instances: Mapping[str, int], people: int) -> float:
        """Return the memory of one fit: prepared people, tensors, and a ridge's float64."""
        return 20.0 * people * max(sum(instances.values()), 1)

    def left_files(self, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return where the gate of maps is open, where there is one."""
        gated = self.image_attention != "none" and "volume" in reads
        return GATE_FILES if gated else ()

    def check_cohort(self, cohort: CohortSection) -> None:
        """Refuse to smooth labels where there are none.

        Raises
        ------
        ConfigurationError
        """
        outcome = cohort.outcomes[self.outcome or next(iter(cohort.outcomes))]
        if self.label_smoothing and outcome.kind not in CLASSES:
            raise ConfigurationError(
                f"the method migtrans: label_smoothing = {self.label_smoothing:g} with an outcome"
                f" of the kind {outcome.kind}",
                cause="only classes have labels to smooth",
                next_step="leave `label_smoothing` out",
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
        if self.width % self.heads:
            yield f"width {self.width} is no multiple of heads {self.heads}"
        if self.hidden[1] % self.tokens:
            yield f"hidden[1] {self.hidden[1]} is no multiple of tokens {self.tokens}"

"""Images and genes aligned by contrastive pre-training, then lesions segmented.

Zhou et al. 2024, "MGI: multimodal contrastive pre-training of genomic and medical imaging" (arXiv
2406.00631), of which the abstract is public: what it leaves open is chosen here; see the page of
the method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.mgi import MgiMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.network import FitProblem, Step
from gendmr.engine.phase import TASK, Phase, Term
from gendmr.errors import TrainingError
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.mgi.contrastive import PairedSlices, info_nce
from gendmr.methods.mgi.network import MgiNet, Shape, Sizes
from gendmr.methods.mgi.order import order_of
from gendmr.methods.mgi.readout import (
    PairedEmbeddings,
    alignment_of,
    attribute_volume,
    leave_retrieval,
)
from gendmr.methods.mgi.rows import EXPRESSION, HAS, OWNER, PersonRows
from gendmr.methods.network_method import Architecture
from gendmr.methods.slices import (
    KNOWN,
    SLICE,
    SliceNetwork,
    balanced,
    slice_term,
    training_rows,
    with_slices,
)
from gendmr.methods.unet.network import INTENSITY, shown, turned
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

PRETRAINING, CONTRASTIVE, CHANCE = "pretraining", "contrastive", "ln_batch"
ORDER = "gene_order"
IMAGE, GENES, SCALE = "image_embedding", "gene_embedding", "scale"
ENCODERS = ("image.", "genes.")
NO_DECAY = ("A_log", ".D", ".place", "position_embeddings", "gate", "log_scale")
BARELY = 0.98  # of the logarithm of the batch: pre-training that learned next to nothing
FEWEST_PEOPLE = 4  # for pre-training


def build(options: MethodOptions) -> Mgi:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, MgiMethod):
        raise TypeError(f"options of {method.kind}, not of mgi")
    return Mgi(method, options)


class Mgi(SliceNetwork):
    """See the module."""

    packages: ClassVar[tuple[str, ...]] = (*SliceNetwork.packages, "einops")

    def __init__(self, section: MgiMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    @property
    def files(self) -> tuple[str, ...]:
        """Names of what `leave` writes."""
        return ("retrieval.tsv", "retrieval.png")

    # -- the network -----------------------------------------------------------------------------

    def network(self, architecture: Architecture) -> MgiNet:
        """Return the network for the channels and the size of slices, and the number of genes."""
        sizes, options = architecture.sizes, self.options
        # Whether a channel is known is told beside it, where there are several.
        channels = sizes["channels"] * (2 if sizes["channels"] > 1 else 1)
        shape = Shape(channels, sizes["side"], sizes["side"], sizes.get(EXPRESSION, 0))
        return MgiNet(
            shape, Sizes(**{name: getattr(options, name) for name in Sizes.__dataclass_fields__})
        )

    def rows(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> PersonRows:
        """Return the slices of people as rows, with genes in their order, and whose they are."""
        other_modalities = [name for name in modalities if name != SLICE]
        return PersonRows(
            people, preparation, other_modalities, order=self.order(preparation, modalities)
        )

    def order(self, preparation: Preparation, modalities: Sequence[str]) -> np.ndarray:
        """Return the places of the genes in the order in which the network reads them, int64."""
        if EXPRESSION not in modalities:
            return np.zeros(0, dtype=np.int64)
        return order_of(preparation.instances(EXPRESSION), self.options.gene_order)

    def usable(self, inputs: FitInputs) -> tuple[tuple[str, ...], list[str]]:
        """Return the modalities that can be trained; see `NetworkMethod.usable`.

        Raises
        ------
        TrainingError
            There are no slices.
        """
        modalities, notes = super().usable(inputs)
        if SLICE not in modalities:
            raise TrainingError(
                "no training person has a slice",
                cause="people with genes and without images, or images whose channels are copies",
                next_step="look at the quality table of the stage lesions",
            )
        return modalities, notes

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return a replicate whose rows are slices."""
        problem = super().problem(inputs, modalities)
        if EXPRESSION not in modalities:
            return problem
        notes = [f"Genes are read in {self.options.gene_order} order."]
        people = with_slices(inputs.train)
        lacking = int((~people.present[EXPRESSION]).sum())
        alone = int((inputs.train.present[EXPRESSION] & ~inputs.train.present[SLICE]).sum())
        if lacking or alone:
            notes.append(
                f"{lacking} training people have images and no genes, {alone} genes and no images:"
                " pre-training reads neither, the segmentation the former."
            )
        if self._paired(problem) < FEWEST_PEOPLE and self.options.pretrain_epochs:
            notes.append(
                f"No pre-training: {self._paired(problem)} training people have images and genes,"
                f" fewer than {FEWEST_PEOPLE}."
            )
        return replace(problem, notes=(*problem.notes, *notes))

    def _paired(self, problem: FitProblem) -> int:
        rows = training_rows(problem)
        return int((rows.people.present[EXPRESSION] & (rows.slices.counts > 0)).sum())

    # -- training --------------------------------------------------------------------------------

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return the contrastive phase, where there are genes, and the segmentation."""
        options, term = self.options, slice_term(problems[0].task)
        net = cast(MgiNet, module)
        aligning = ("image_project.", "gene_project.", "log_scale")
        segment = Phase(
            "segmentation",
            {TASK: term},
            balanced(options.empty),
            trainable=lambda name: (
                not name.startswith(aligning)
                and (options.encoder_rate > 0 or not name.startswith(ENCODERS))
                and (net.fusion is not None or not name.startswith("genes."))
            ),
            lr_multiplier=lambda name: options.encoder_rate if name.startswith(ENCODERS) else 1.0,
        )
        paired = net.genes is not None and self._paired(problems[0]) >= FEWEST_PEOPLE
        if not (paired and options.pretrain_epochs):
            return (replace(segment, lr_multiplier=None, trainable=_everything(aligning)),)
        first = Phase(
            PRETRAINING,
            {
                CONTRASTIVE: Term(lambda step: _contrastive(step)[0]),
                CHANCE: Term(lambda step: _contrastive(step)[1], lambda epoch: 0.0),
            },
            PairedSlices(options.pretrain_batch),
            trainable=lambda name: name.startswith((*ENCODERS, *aligning)),
            keep="last",
            epochs=options.pretrain_epochs,
            forward=self.embed,
        )
        return (first, segment)

    def embed(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return embeddings (row, projection) of slices and genes, and the scale of cosines.

        Nothing outside training: no validation judges this phase.
        """
        if not module.training:
            return {}
        net = cast(MgiNet, module)
        images, _ = self._augmented(batch)
        return {
            IMAGE: net.embed_images(images),
            GENES: net.embed_genes(self._levels(batch, training=True)),
            SCALE: net.scale,
        }

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return maps of log-odds (slice, side, side); flips are undone, so that masks fit."""
        net = cast(MgiNet, module)
        flips = None
        if module.training:
            images, flips = self._augmented(batch)
        else:
            images = self.planes(batch[SLICE], batch[KNOWN])
        owner, levels, has = torch.zeros(len(images), dtype=torch.int64), None, None
        if net.fusion is not None:
            # Whatever the number of slices, genes of a person are encoded once.
            _, owner = torch.unique(batch[OWNER], return_inverse=True)
            first = torch.zeros(int(owner.max()) + 1, dtype=torch.int64, device=owner.device)
            first[owner] = torch.arange(len(owner), device=owner.device)
            levels = self._levels(batch, module.training)[first]
            has = batch[HAS][first]
        logits = net.segment(images, owner, levels, has)
        if flips is not None:
            logits = turned(logits[:, None], flips, inverse=True)[:, 0]
        return self.outputs_of(module, logits)

    def _levels(self, batch: Tensors, training: bool) -> torch.Tensor:
        """Return levels (row, gene), some genes hidden in training."""
        dropped: torch.Tensor = functional.dropout(
            batch[EXPRESSION], self.options.gene_dropout, training
        )
        return dropped

    def _augmented(self, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return slices as training sees them, and how they were turned (row, 3)."""
        images, is_known = batch[SLICE], batch[KNOWN]  # (row, channel, side, side), (row, channel)
        draw = torch.rand(is_known.shape, device=is_known.device)
        is_known, flips = shown(is_known, draw, self.options.channel_dropout), None
        if self.options.augmentation:
            scale, shift = INTENSITY * torch.randn(2, *is_known.shape, device=is_known.device)
            images = images * (1 + scale)[..., None, None] + shift[..., None, None]
            flips = torch.randint(0, 2, (len(images), 3), device=is_known.device)
            images = turned(images, flips)
        return self.planes(images, is_known), flips

    def planes(self, images: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Return channels, 0 where not known; where there are several, also which are."""
        planes = known[..., None, None].expand_as(images)
        hidden = images * planes
        return hidden if known.shape[1] == 1 else torch.cat([hidden, planes], dim=1)

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter: of matrices of layers, not of states and places."""
        free = len(shape) < 2 or name.endswith(NO_DECAY)
        return 0.0 if free else optimisation.weight_decay

    # -- after training --------------------------------------------------------------------------

    def remarks(self, fitted: FittedNetwork, inputs: FitInputs) -> list[str]:
        """Return alarms: pre-training that told nobody apart, or embeddings that are all alike."""
        lines = [line for line in fitted.history if line.get("phase") == PRETRAINING]
        if not lines:
            return []
        loss, chance = lines[-1][CONTRASTIVE], lines[-1][CHANCE]
        notes = [
            f"Pre-training ended with a contrastive loss of {loss:.3f} beside {chance:.3f}, the"
            " logarithm of the batch, which is chance."
        ]
        if not loss < BARELY * chance:
            notes.append(
                "ALARM: pre-training tells images and genes of its own training people apart no"
                " better than chance."
            )
        aligned = self.alignment(fitted, inputs.train)
        notes += aligned.alarms() if aligned is not None else []
        return notes

    def alignment(self, fitted: FittedNetwork, people: PreparedSubset) -> PairedEmbeddings | None:
        """Return embeddings of people by the network as pre-training left it, None without one."""
        if PRETRAINING not in fitted.phase_weights:
            return None
        return alignment_of(self, fitted, fitted.phase_weights[PRETRAINING], people)

    def learned(self, fitted: FittedNetwork) -> dict[str, np.ndarray]:
        """Return the order of the genes: places among those of the fold."""
        if EXPRESSION not in fitted.modalities:
            return {}
        return {ORDER: self.order(fitted.preparation, fitted.modalities)}

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return what genes add to the predicted size of the lesion, per cent of the volume."""
        if cast(MgiNet, fitted.module).fusion is None:
            return {}
        return {EXPRESSION: attribute_volume(self, fitted, people)}

    def leave(self, fitted: FittedNetwork, folder: Path, people: PreparedSubset) -> list[str]:
        """Write how held-out people are found by their image and by their genes, and say it."""
        if not self.options.left_files(self.reads):
            return []
        return leave_retrieval(folder, self.alignment(fitted, people), self.options.hospital)


def _everything(aligning: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda name: not name.startswith(aligning)


def _contrastive(step: Step) -> tuple[torch.Tensor, torch.Tensor]:
    return info_nce(step.outputs[IMAGE], step.outputs[GENES], step.outputs[SCALE])

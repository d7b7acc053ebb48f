"""U-Net and UNETR: slices in, masks out, nothing else of a person."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gendmr.config.methods.unet import UnetMethod
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.network import NOISE, FitProblem
from gendmr.engine.phase import TASK, Phase
from gendmr.methods.network_method import Architecture
from gendmr.methods.slices import KNOWN, SLICE, SliceNetwork, balanced, slice_term, training_rows
from gendmr.methods.unet.network import (
    FLIPS,
    HIDDEN,
    SCALE,
    SHIFT,
    SegmentationNet,
    augmentation,
    shown,
    turned,
)


def build(options: MethodOptions) -> Unet:
    """Return the method for its options."""
    return Unet(options)


class Unet(SliceNetwork):
    """See `gendmr.methods.network_method.NetworkMethod`."""

    def __init__(self, options: MethodOptions) -> None:
        if not isinstance(options.method, UnetMethod):
            raise TypeError(f"a section {type(options.method).__name__}, not UnetMethod")
        self.choice = options.method
        super().__init__(options.method, options)

    def network(self, architecture: Architecture) -> nn.Module:
        """Return the network for the channels and the size of slices."""
        sizes = architecture.sizes
        return SegmentationNet(self.choice, sizes["channels"], sizes["side"])

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase, with as many slices without a lesion as the options say."""
        term = slice_term(problems[0].task)
        return (Phase("fit", {TASK: term}, balanced(self.choice.empty)),)

    def noise(
        self, module: nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        """Return how the slices of a step are augmented."""
        channels = len(training_rows(problem).slices.names)
        return augmentation(people, channels, self.choice, random)

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return maps of log-odds (slice, side, side); flips are undone, so that masks fit."""
        images, channel_known = batch[SLICE], batch[KNOWN]
        hidden = batch.get(f"{NOISE}{HIDDEN}")
        flips = batch.get(f"{NOISE}{FLIPS}")
        if hidden is not None:
            channel_known = shown(
                channel_known, hidden, self.choice.channel_dropout
            )  # (slice, channel)
        if flips is not None:
            scale, shift = batch[f"{NOISE}{SCALE}"], batch[f"{NOISE}{SHIFT}"]
            images = images * scale[..., None, None] + shift[..., None, None]
            images = turned(images, flips)
        images = images * channel_known[..., None, None]  # (slice, channel, side, side)
        logits = module(images, channel_known)
        if flips is not None:
            logits = turned(logits[:, None], flips, inverse=True)[:, 0]
        return self.outputs_of(module, logits)

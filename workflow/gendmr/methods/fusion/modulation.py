"""On-the-fly gradient modulation with generalisation enhancement (Peng et al. 2022, eq. 8-11)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.func import vmap

from gendmr.engine.batches import Tensors
from gendmr.engine.layout import Layout
from gendmr.engine.network import NOISE
from gendmr.methods.distillation import rightness
from gendmr.methods.fusion.network import modality_of_parameter
from gendmr.tasks.base import Task


def modulate(
    gradient: torch.Tensor,
    outputs: Tensors,
    batch: Tensors,
    layout: Layout,
    task: Task,
    modalities: tuple[str, ...],
    strength: float,
) -> torch.Tensor:
    """Damp the encoder of a modality that is ahead by 1 - tanh(alpha rho), and add noise to all.

    rho is how right a modality is (`gendmr.methods.distillation.rightness`), summed over people who
    have all modalities, over the mean of the others. The noise has the SD of the undamped gradient
    of each tensor, as in the authors' code.

    Parameters
    ----------
    gradient : Tensor (replicate, weight)
    outputs, batch : dict of Tensor (replicate, person, ...)
        `noise.gradient` (replicate, weight): standard normal, 0 for padding.
    layout : Layout
    task : Task
    modalities : tuple of str
    strength : float
        alpha.

    Returns
    -------
    Tensor (replicate, weight)
    """
    complete = torch.stack([batch[f"has_{name}"] for name in modalities]).prod(0)
    complete = complete * (batch["weight"] > 0)  # (replicate, person)

    def total(output: torch.Tensor, batch: Tensors, among: torch.Tensor) -> torch.Tensor:
        return (among * rightness(task, output, batch, among)).sum()

    score = {
        name: vmap(total)(outputs[f"output_{name}"], batch, complete)[:, None]
        for name in modalities
    }
    pieces = []
    for name, piece, noise in zip(
        layout.names,
        torch.split(gradient, layout.sizes, dim=1),
        torch.split(batch[f"{NOISE}gradient"], layout.sizes, dim=1),
        strict=True,
    ):
        if not name.startswith("encode"):
            pieces.append(piece)
            continue
        modality = modality_of_parameter(name)
        others_mean = torch.stack(
            [score[other_modality] for other_modality in modalities if other_modality != modality]
        ).mean(0)
        ratio = (score[modality] + 1e-6) / (others_mean + 1e-6)
        damping = 1 - torch.tanh(strength * ratio)
        factor = torch.where(ratio > 1, damping, torch.ones_like(ratio))
        pieces.append(piece * factor + noise * _spread(piece, noise != 0))
    return torch.cat(pieces, dim=1)


def gradient_noise(
    layout: Layout, sizes: Mapping[str, int], random: torch.Generator
) -> torch.Tensor:
    """Return standard normal numbers (weight,) for the encoders, 0 for heads and for padding.

    Parameters
    ----------
    layout : Layout
        Of the module of all replicates.
    sizes : mapping of str to int
        The replicate's own number of inputs by modality.
    random : torch.Generator
    """
    pieces = []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        noise = torch.zeros(shape)
        if name.startswith("encode"):
            replicate_shape = (
                (shape[0], sizes[modality_of_parameter(name)]) if len(shape) == 2 else shape
            )
            noise[tuple(map(slice, replicate_shape))] = torch.randn(
                replicate_shape, generator=random
            )
        pieces.append(noise.reshape(-1))
    return torch.cat(pieces)


def _spread(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the SD of the real values of each row, (row, 1)."""
    count = real.sum(1, keepdim=True).clamp(min=2)
    mean = (values * real).sum(1, keepdim=True) / count
    return (((values - mean) ** 2 * real).sum(1, keepdim=True) / (count - 1)).sqrt()

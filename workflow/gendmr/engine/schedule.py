"""The learning rate: linear warm-up, then cosine."""

from __future__ import annotations

import math

import torch

from gendmr.config.optimisation import OptimisationSection


def learning_rates(
    done: torch.Tensor, options: OptimisationSection, epochs: int, steps: torch.Tensor
) -> torch.Tensor:
    """Return learning rates float32 (replicate,).

    Parameters
    ----------
    done : int (replicate,)
        Steps taken in the phase.
    options : OptimisationSection
    epochs : int
        Of the phase.
    steps : int (replicate,)
        Of an epoch.
    """
    # On the host in float64: the same rates on every device.
    steps_taken, steps = done.double().cpu(), steps.double().cpu().clamp(min=1)
    warmup, total = options.warmup * steps, epochs * steps
    share = ((steps_taken - warmup) / (total - warmup).clamp(min=1)).clamp(max=1)
    cosine = 0.5 * (1 + torch.cos(math.pi * share))
    rising = (steps_taken + 1) / warmup.clamp(min=1)
    rates = options.learning_rate * torch.where(steps_taken < warmup, rising, cosine)
    return rates.to(device=done.device, dtype=torch.float32)

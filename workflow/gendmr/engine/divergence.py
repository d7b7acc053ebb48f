"""Refusing a loss that grows without bound."""

from __future__ import annotations

import math

import torch

from gendmr.engine.state import State
from gendmr.errors import TrainingError

LARGEST_GROWTH = 1e4  # of the loss: the steps overshoot, whether or not it is finite


def refuse_divergence(loss: torch.Tensor, active: torch.Tensor, state: State) -> None:
    """Refuse a loss that is not finite, or too many times its first value above 0.

    Parameters
    ----------
    loss : Tensor (replicate,)
    active : bool (replicate,)
        The others are not looked at.
    state : State
        Its `first_loss` is set where it is not known yet.

    Raises
    ------
    TrainingError
        Names replicate, epoch and step.
    """
    limit = LARGEST_GROWTH * state.first_loss
    wrong = active & (~torch.isfinite(loss) | (loss.abs() > limit))
    if wrong.any():
        replicate = int(torch.nonzero(wrong).reshape(-1)[0])
        raise diverged(float(loss[replicate]), replicate, state)
    unset = active & torch.isnan(state.first_loss) & (loss != 0)
    state.first_loss = torch.where(unset, loss.abs(), state.first_loss)


def diverged(value: float, replicate: int, state: State) -> TrainingError:
    """Return the error of a replicate whose loss is this."""
    size = f"{value:.3g}" if math.isfinite(value) else "not finite"
    return TrainingError(
        f"the loss is {size} in epoch {state.epoch}, step {int(state.steps[replicate])}"
        f" (replicate {replicate})",
        cause="a learning rate that is too large, or measurements of extreme size",
        next_step="lower training.optimisation.learning_rate, or look at the outliers in the"
        " quality tables",
    )

"""A phase of training: what is minimised, over which people, which weights move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from gendmr.engine.batches import BatchSource, Tensors, shuffled
from gendmr.engine.network import OUTPUT, Step, Teacher, mean_loss
from gendmr.tasks.base import Task

StoppingRule = Literal["one_standard_error", "best_metric", "last"]
TASK = "task"


def _always(epoch: int) -> float:
    return 1.0


def _every(name: str) -> bool:
    return True


@dataclass(frozen=True)
class Term:
    """A part of the loss.

    Parameters
    ----------
    loss : callable
        ``loss(step)`` gives a scalar; runs under `torch.func.vmap`, for one replicate.
    weight : callable
        By epoch of the phase, counted from 1: a ramp, say. At 0 the term has no effect.
    """

    loss: Callable[[Step], torch.Tensor]
    weight: Callable[[int], float] = _always


@dataclass(frozen=True)
class Phase:
    """A phase; those of a fit run one after the other, each from the weights the last one kept.

    Parameters
    ----------
    name : str
        Its randomness depends on it; in the history where there are several phases.
    terms : mapping of str to Term
        Summed; names are columns of the history. `task` is the loss of the task.
    batches : BatchSource
    trainable : callable
        Whether a parameter moves, by its name.
    keep : str, optional
        Which epoch's weights are kept; without it, `stopping` of the options. A phase whose forward
        pass gives no `output` keeps the last.
    epochs : int, optional
        At most; without it, those of the options.
    teachers : tuple of Teacher
    lr_multiplier : callable, optional
        Of a parameter's learning rate by its name, in place of `Network.lr_multiplier`.
    forward : callable, optional
        ``forward(module, batch)`` in place of `Network.forward`.
    """

    name: str
    terms: Mapping[str, Term]
    batches: BatchSource = shuffled
    trainable: Callable[[str], bool] = _every
    keep: StoppingRule | None = None
    epochs: int | None = None
    teachers: tuple[Teacher, ...] = ()
    lr_multiplier: Callable[[str], float] | None = None
    forward: Callable[[nn.Module, Tensors], Tensors] | None = None


def task_term(task: Task) -> Term:
    """Return the weighted mean over people of the loss of the task."""
    return Term(lambda step: mean_loss(task, step.outputs[OUTPUT], step.batch))

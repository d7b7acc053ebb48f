"""What a network adds to the shared training: a forward pass, and hooks where it needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import Tensors
from gendmr.tasks.base import Outcome, Task

if TYPE_CHECKING:
    from gendmr.engine.batches import Rows
    from gendmr.engine.layout import Layout

OUTPUT = "output"
TARGET = "target."
NOISE = "noise."


@dataclass(frozen=True)
class FitProblem:
    """What one replicate brings: a fold, a seed, a permutation of the outcome.

    No tensor has a replicate axis.

    Parameters
    ----------
    seed : int
    task : Task
        Fitted on the training people.
    train, validation : Rows
        Tensors of people, by name, (person, ...); `weight` and those of `Task.target` (after
        `target.`) among them.
    outcome, validation_outcome : Outcome
        Of the same people.
    fixed : dict of Tensor
        What all batches share.
    slot : int
        Which of several tables of `fixed` people outside training read; see `Piece`.
    part : int64 (partition, person), optional
        How training people are cut for cross-fitting; read by the network's own `BatchSource`.
    notes : tuple of str
        What is not done in this fit.
    """

    seed: int
    task: Task
    train: Rows
    validation: Rows
    outcome: Outcome
    validation_outcome: Outcome
    fixed: Tensors
    slot: int = 0
    part: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step of one replicate, as terms of the loss and hooks see it: no replicate axis.

    Parameters
    ----------
    module : torch.nn.Module
        Its architecture; its own weights are not those of the replicate.
    outputs : dict of Tensor
        Of the forward pass.
    batch : dict of Tensor
        Tensors of people (person, ...), `person` (their rows; the number of rows for padding),
        `weight` (0 for padding), `slot`, and what is fixed.
    teacher_outputs : mapping of str to dict of Tensor
        Of each teacher, detached.
    memory : dict of Tensor
        What hooks kept of earlier steps.
    """

    module: torch.nn.Module
    outputs: Tensors
    batch: Tensors
    teacher_outputs: Mapping[str, Tensors]
    memory: Tensors


@dataclass(frozen=True)
class Teacher:
    """An exponential average of the weights, which is run beside the student.

    Parameters
    ----------
    name : str
        By which terms find its outputs.
    decay : callable
        Share of the past by step, counted from 0: 0.99 rising to 0.999, say.
    """

    name: str
    decay: Callable[[int], float]


class Network:
    """Hooks of the shared training; those that are not overridden do nothing.

    `forward`, terms of the loss, `on_train_batch_end`, `on_train_epoch_end` and `epoch_metrics` are
    for one replicate and run under `torch.func.vmap` where replicates train together.
    """

    def forward(self, module: torch.nn.Module, batch: Tensors) -> Tensors:
        """Return outputs of the people of a batch.

        Parameters
        ----------
        module : torch.nn.Module
            With the weights of the replicate in place.
        batch : dict of Tensor
            See `Step.batch`; `noise.<name>` in training alone.

        Returns
        -------
        dict of Tensor
            `output` (person, n_outputs) among them, unless the phase is not judged.
        """
        raise NotImplementedError

    def noise(
        self, module: torch.nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        """Return noise of one replicate's step, drawn for its own people and instances.

        Networks that train together draw here, so that a replicate's noise does not depend on its
        neighbours; apart, `nn.Dropout` does.
        """
        return {}

    def memory(self, module: torch.nn.Module, problem: FitProblem) -> Tensors:
        """Return the memory of a replicate before the first step."""
        return {}

    def pad_fixed(self, fixed: Tensors, problems: Sequence[FitProblem]) -> None:
        """Mark in `fixed` (replicate, ...) what is padding: zeros at the end of each axis."""

    def on_fit_start(
        self,
        module: torch.nn.Module,
        layout: Layout,
        weights: torch.Tensor,
        survey: Callable[[], list[list[tuple[Tensors, Tensors]]]],
    ) -> torch.Tensor:
        """Return the weights (replicate, weight) to start from.

        Parameters
        ----------
        module, layout
        weights : Tensor (replicate, weight)
        survey : callable
            Runs the network over the training people of the first epoch without noise; gives, by
            replicate, outputs and batch of each step (person, ...).
        """
        return weights

    def on_before_optimizer_step(
        self,
        gradients: Mapping[str, torch.Tensor],
        outputs: Tensors,
        batch: Tensors,
        layout: Layout,
    ) -> torch.Tensor:
        """Return the gradient (replicate, weight) to step along, from those of each term.

        Where it is overridden, the gradient of every term is computed by itself. All arguments
        have the replicate axis first; gradients are of terms times their weight.
        """
        return torch.stack(list(gradients.values())).sum(0)

    def on_train_batch_end(self, step: Step) -> Tensors:
        """Return the memory after a step, from outputs that are detached."""
        return step.memory

    def on_train_epoch_end(self, module: torch.nn.Module, memory: Tensors) -> Tensors:
        """Return the memory with which the next epoch starts."""
        return memory

    def epoch_metrics(self, module: torch.nn.Module, memory: Tensors) -> Tensors:
        """Return numbers for the history of an epoch, by column."""
        return {}

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter: that of the options for matrices, else 0."""
        return optimisation.weight_decay if len(shape) > 1 else 0.0

    def lr_multiplier(self, name: str) -> float:
        """Return the multiple of the learning rate for a parameter."""
        return 1.0


def overrides(network: Network, hook: str) -> bool:
    """Return whether a network has a hook of its own."""
    return getattr(type(network), hook) is not getattr(Network, hook)


def target_of(batch: Tensors) -> Tensors:
    """Return what `Task.loss` reads of the people of a batch."""
    return {
        name.removeprefix(TARGET): value for name, value in batch.items() if name.startswith(TARGET)
    }


def mean_loss(
    task: Task, output: torch.Tensor, batch: Tensors, among: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the weighted mean over people of the loss of a task.

    Parameters
    ----------
    task : Task
    output : Tensor (person, n_outputs)
    batch : dict of Tensor
    among : Tensor (person,), optional
        1 for people who count.
    """
    weight = batch["weight"] if among is None else batch["weight"] * among
    losses = task.loss(output, target_of(batch), weight)
    return (weight * losses).sum() / weight.sum().clamp(min=1e-6)

"""Replicates take their steps as one computation, under `torch.func.vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn
from torch.func import vmap

from gendmr.engine.batches import Gatherer, PaddedStep, Tensors, stack
from gendmr.engine.network import OUTPUT
from gendmr.engine.state import State
from gendmr.engine.step import ReplicateStep, StepResult
from gendmr.errors import TrainingError


class TogetherStep(ReplicateStep):
    """Steps of replicates whose tensors are stacked; parameters as `ReplicateStep`.

    Raises
    ------
    TrainingError
        The module has running statistics: they would be those of padded batches.
    """

    together: ClassVar[bool] = True

    def __init__(self, *arguments: Any, compiled: bool) -> None:
        super().__init__(*arguments)
        statistics = [
            name
            for name, part in self.module.named_modules()
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
        ]
        if statistics:
            raise TrainingError(
                f"replicates of a network with running statistics ({statistics[0]}) cannot train"
                " together",
                cause="a padded batch would enter the statistics",
                next_step='set `replicates = "apart"` in the method, or use GroupNorm',
            )
        self.fixed = stack([problem.fixed for problem in self.problems], self.device)
        self.network.pad_fixed(self.fixed, self.problems)
        loss = vmap(self._one_loss, in_dims=(0, 0, 0, 0, 0, 0, None))
        plain = vmap(self._one_plain)
        self._loss = torch.compile(loss) if compiled else loss
        self._plain = torch.compile(plain) if compiled else plain

    def take(self, state: State, step: PaddedStep, place: int, scale: Tensors) -> StepResult:
        """Return loss and gradient of a step; see `ReplicateStep.take`."""
        batch = self.train.together(step)
        if self.noisy:
            count = range(len(self.problems))
            batch |= stack([self._noise(number, step, (state.epoch, place)) for number in count])
        weights = state.weights.detach().requires_grad_(True)
        with self.precision:
            scaled, terms, outputs, memory = self._loss(
                weights, state.buffers, self.fixed, batch, state.teachers, state.memory, scale
            )
        gradients = self._gradients(scaled, weights)
        gradient = self._joined(gradients, outputs, batch)
        output: list[torch.Tensor | None] = [None] * len(self.problems)
        if OUTPUT in outputs:
            output = [
                None if piece is None else outputs[OUTPUT][number, : len(piece.rows)]
                for number, piece in enumerate(step.pieces)
            ]
        total = torch.stack(list(scaled.values())).sum(0).detach()
        terms = {name: value.detach() for name, value in terms.items()}
        return StepResult(total, terms, gradient, memory, state.buffers, output)

    def evaluate(
        self, weights: torch.Tensor, buffers: Tensors, step: PaddedStep, people: Gatherer
    ) -> list[tuple[int, Tensors, Tensors]]:
        """Return outputs of a step; see `ReplicateStep.evaluate`."""
        batch = people.together(step)
        with torch.no_grad(), self.precision:
            outputs = self._plain(weights, buffers, self.fixed, batch)
        return [
            (
                number,
                {name: value[number] for name, value in outputs.items()},
                {name: value[number] for name, value in batch.items()},
            )
            for number, piece in enumerate(step.pieces)
            if piece is not None
        ]

    def each(self, function: Callable[[Tensors], Tensors], values: Tensors) -> Tensors:
        """Return what a function gives for each replicate; see `ReplicateStep.each`."""
        stacked: Tensors = vmap(function)(values) if values else {}
        return stacked

"""Replicates take their steps one after the other: any module of torch works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from gendmr.engine.batches import Gatherer, PaddedStep, Tensors, stack
from gendmr.engine.device import seeded
from gendmr.engine.forward import fixed_of
from gendmr.engine.network import OUTPUT
from gendmr.engine.state import State
from gendmr.engine.step import ReplicateStep, StepResult
from gendmr.seeds import derive


class ApartStep(ReplicateStep):
    """Steps of one replicate after another, without padding; parameters as `ReplicateStep`.

    What draws from torch's global generator, `nn.Dropout` say, is seeded for each step of each
    replicate. Running statistics are part of the state.
    """

    together: ClassVar[bool] = False

    def __init__(self, *arguments: Any, compiled: bool) -> None:
        super().__init__(*arguments)
        self.fixed = [fixed_of(self.network, problem, self.device) for problem in self.problems]
        self._loss = torch.compile(self._one_loss) if compiled else self._one_loss
        self._plain = torch.compile(self._one_plain) if compiled else self._one_plain

    def take(self, state: State, step: PaddedStep, place: int, scale: Tensors) -> StepResult:
        """Return loss and gradient of a step; see `ReplicateStep.take`."""
        count = len(self.problems)
        zero = torch.zeros(count, device=self.device)
        total, terms = zero.clone(), {name: zero.clone() for name in self.phase.terms}
        gradient = torch.zeros_like(state.weights)
        memory = {name: value.clone() for name, value in state.memory.items()}
        buffers = {name: value.clone() for name, value in state.buffers.items()}
        output: list[torch.Tensor | None] = [None] * count
        for number, piece in enumerate(step.pieces):
            if piece is None:
                continue
            batch = self.train.apart(number, piece)
            if self.noisy:
                batch |= self._noise(number, step, (state.epoch, place))
            row = state.weights[number : number + 1].detach().requires_grad_(True)
            replicate_buffers = {
                name: value[number].clone() for name, value in state.buffers.items()
            }
            seed = derive(
                self.problems[number].seed, "dropout", self.phase.name, state.epoch, place
            )
            with seeded(seed, self.device), self.precision:
                scaled, term_losses, outputs, after = self._loss(
                    row[0], replicate_buffers, self.fixed[number], batch,
                    {name: value[number] for name, value in state.teachers.items()},
                    {name: value[number] for name, value in state.memory.items()},
                    scale,
                )  # fmt: skip
            gradients = self._gradients(scaled, row)
            gradient[number : number + 1] = self._joined(
                gradients,
                {name: value[None] for name, value in outputs.items()},
                {name: value[None] for name, value in batch.items()},
            )
            total[number] = torch.stack(list(scaled.values())).sum(0).detach()
            for name, value in term_losses.items():
                terms[name][number] = value.detach()
            for name, value in after.items():
                memory[name][number] = value.detach()
            for name, value in replicate_buffers.items():
                buffers[name][number] = value
            output[number] = outputs.get(OUTPUT)
        return StepResult(total, terms, gradient, memory, buffers, output)

    def evaluate(
        self, weights: torch.Tensor, buffers: Tensors, step: PaddedStep, people: Gatherer
    ) -> list[tuple[int, Tensors, Tensors]]:
        """Return outputs of a step; see `ReplicateStep.evaluate`."""
        results = []
        for number, piece in enumerate(step.pieces):
            if piece is None:
                continue
            batch = people.apart(number, piece)
            replicate_buffers = {name: value[number] for name, value in buffers.items()}
            with torch.no_grad(), self.precision:
                outputs = self._plain(weights[number], replicate_buffers, self.fixed[number], batch)
            results.append((number, outputs, batch))
        return results

    def each(self, function: Callable[[Tensors], Tensors], values: Tensors) -> Tensors:
        """Return what a function gives for each replicate; see `ReplicateStep.each`."""
        if not values:
            return {}
        return stack(
            [
                function({name: value[number] for name, value in values.items()})
                for number in range(len(self.problems))
            ]
        )

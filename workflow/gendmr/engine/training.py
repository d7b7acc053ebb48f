"""The epochs of one phase: steps, validation, and a line of the history for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.apart import ApartStep
from gendmr.engine.batches import PaddedStep, Tensors, align, in_order, stack
from gendmr.engine.divergence import diverged, refuse_divergence
from gendmr.engine.history import mean_over_steps, performance, train_outputs
from gendmr.engine.network import OUTPUT, FitProblem, Network
from gendmr.engine.optimiser import AdamW
from gendmr.engine.phase import TASK, Phase
from gendmr.engine.schedule import learning_rates
from gendmr.engine.state import State
from gendmr.engine.step import StepResult
from gendmr.engine.stopping import EarlyStopping
from gendmr.engine.together import TogetherStep

Replicates = Literal["together", "apart"]
Lines = dict[int, dict[str, Any]]


class PhaseTraining:
    """The epochs of one phase; parameters as in `gendmr.engine.fit.fit`."""

    def __init__(
        self,
        network: Network,
        module: nn.Module,
        problems: Sequence[FitProblem],
        phase: Phase,
        options: OptimisationSection,
        replicates: Replicates,
        device: torch.device,
        named: bool,
    ) -> None:
        self.network, self.module, self.problems = network, module, problems
        self.phase, self.options, self.named = phase, options, named
        self.epochs = phase.epochs or options.epochs
        kind = TogetherStep if replicates == "together" else ApartStep
        self.step = kind(
            network, module, problems, phase, options, device, compiled=options.compiled
        )
        self.columns = self.step.layout.columns(phase.trainable)
        self.optimiser = AdamW(
            network, self.step.layout, options, self.columns, device, phase.lr_multiplier
        )
        self.device = device

    def start(self, weights: torch.Tensor, buffers: Tensors) -> tuple[State, EarlyStopping]:
        """Return state and early stopping before the first step."""
        memory = [self.network.memory(self.module, problem) for problem in self.problems]
        state = State.start(
            weights,
            buffers,
            weights.shape[1] if self.columns is None else len(self.columns),
            [teacher.name for teacher in self.phase.teachers],
            stack(memory, self.device),
        )
        metric = self.problems[0].task.metrics[0]
        rule = self.phase.keep or self.options.stopping
        return state, EarlyStopping(
            weights, buffers, rule, self.options.patience, metric.better == "higher"
        )

    def goes_on(self, state: State, stopping: EarlyStopping) -> bool:
        """Return whether there is an epoch to train."""
        return state.epoch < self.epochs and bool(stopping.active.any())

    def steps(self, epoch: int) -> list[PaddedStep]:
        """Return the steps of an epoch."""
        name, size = self.phase.name, self.options.batch_size
        return align([self.phase.batches(problem, name, epoch, size) for problem in self.problems])

    def survey(
        self, weights: torch.Tensor, buffers: Tensors
    ) -> list[list[tuple[Tensors, Tensors]]]:
        """Return outputs and batch of each replicate's steps of the first epoch, without noise."""
        evaluations: list[list[tuple[Tensors, Tensors]]] = [[] for _ in self.problems]
        for step in self.steps(1):
            for number, outputs, batch in self.step.evaluate(
                weights, buffers, step, self.step.train
            ):
                evaluations[number].append((outputs, batch))
        return evaluations

    def epoch(self, state: State, stopping: EarlyStopping) -> Lines:
        """Train an epoch; return the line of every replicate that still trained."""
        state.epoch += 1
        step_results, rate = self._train(state, stopping)
        state.memory = self.step.each(
            lambda memory: self.network.on_train_epoch_end(self.module, memory), state.memory
        )
        lines, scores, losses = self._evaluate_epoch(state, stopping, step_results, rate)
        stopping.update(state.weights, state.buffers, state.epoch, scores, losses)
        return lines

    def _train(
        self, state: State, stopping: EarlyStopping
    ) -> tuple[list[tuple[PaddedStep, StepResult]], torch.Tensor]:
        """Take the steps of an epoch; return what each gave and the last learning rates."""
        steps = self.steps(state.epoch)
        device = state.weights.device
        parts = [torch.tensor(step.takes_part, device=device) for step in steps]
        steps_per_replicate = torch.stack(parts).sum(0)
        scale = {
            name: torch.tensor(float(term.weight(state.epoch)), device=device)
            for name, term in self.phase.terms.items()
        }
        step_results: list[tuple[PaddedStep, StepResult]] = []
        rate = torch.zeros(len(steps_per_replicate), 1, device=device)
        for place, (step, part) in enumerate(zip(steps, parts, strict=True)):
            result = self.step.take(state, step, place, scale)
            refuse_divergence(result.total, stopping.active & part, state)
            current_rates = learning_rates(
                state.steps, self.options, self.epochs, steps_per_replicate
            )[:, None]
            rate = torch.where(part[:, None], current_rates, rate)
            decays = {
                teacher.name: torch.tensor(
                    [[teacher.decay(count)] for count in state.steps.tolist()], device=device
                )
                for teacher in self.phase.teachers
            }
            state.steps = state.steps + part
            moving = (stopping.active & part)[:, None]
            self.optimiser.update(state, result.gradient, rate, moving)
            for name, decay in decays.items():
                averaged = decay * state.teachers[name] + (1 - decay) * state.weights
                state.teachers[name] = torch.where(part[:, None], averaged, state.teachers[name])
            state.memory = _where(part, result.memory, state.memory)
            state.buffers = _where(part, result.buffers, state.buffers)
            step_results.append((step, result))
        return step_results, rate

    def _evaluate_epoch(
        self,
        state: State,
        stopping: EarlyStopping,
        step_results: list[tuple[PaddedStep, StepResult]],
        rate: torch.Tensor,
    ) -> tuple[Lines, dict[int, tuple[float, float]], dict[int, np.ndarray]]:
        """Return lines of the history, validation scores and losses by running replicate."""
        outputs = self._validation_outputs(state)
        memory = self.step.each(
            lambda memory: self.network.epoch_metrics(self.module, memory), state.memory
        )
        lines: Lines = {}
        scores: dict[int, tuple[float, float]] = {}
        losses: dict[int, np.ndarray] = {}
        for number in stopping.running:
            problem = self.problems[number]
            line: dict[str, Any] = {"phase": self.phase.name} if self.named else {}
            line |= {"epoch": state.epoch, "step": int(state.steps[number])}
            piece_results = [(step.pieces[number], result) for step, result in step_results]
            results = [result for piece, result in piece_results if piece is not None]
            line["train_loss"] = mean_over_steps([result.total[number] for result in results])
            output = train_outputs(piece_results, number)
            if output is not None:
                index, values = output
                measured = performance("train", problem.task, values, problem.outcome.take(index))
                line |= measured[0]
            scores[number], losses[number] = (math.nan, math.nan), np.zeros(1)
            if number in outputs:
                measured = performance(
                    "validation", problem.task, outputs[number], problem.validation_outcome
                )
                line |= measured[0]
                losses[number] = measured[1]
                scores[number] = (measured[2], line["validation_loss"])
                if not np.isfinite(losses[number]).all():
                    raise diverged(math.nan, number, state)
            line["learning_rate"] = float(rate[number])
            line |= {
                name: mean_over_steps([result.terms[name][number] for result in results])
                for name in self.phase.terms
                if name != TASK
            }
            lines[number] = line | {name: float(value[number]) for name, value in memory.items()}
        return lines, scores, losses

    def _validation_outputs(self, state: State) -> dict[int, np.ndarray]:
        """Return the output (person, n_outputs) of each replicate's validation people."""
        size = self.options.batch_size
        collected: dict[int, list[np.ndarray]] = {}
        for step in align(
            [in_order(len(problem.validation), size, problem.slot) for problem in self.problems]
        ):
            for number, outputs, _ in self.step.evaluate(
                state.weights, state.buffers, step, self.step.validation
            ):
                piece = step.pieces[number]
                if piece is not None and OUTPUT in outputs:
                    values = outputs[OUTPUT][: len(piece.rows)].cpu().numpy()
                    collected.setdefault(number, []).append(values)
        return {number: np.concatenate(values) for number, values in collected.items()}


def _where(part: torch.Tensor, new: Tensors, old: Tensors) -> Tensors:
    """Return new values (replicate, ...) of those who take part."""
    return {
        name: torch.where(
            part.reshape(part.shape + (1,) * (value.ndim - 1)), value.detach(), old[name]
        )
        for name, value in new.items()
    }

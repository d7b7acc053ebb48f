"""One fit routine for networks, with a leading replicate axis.

A replicate is one training: a fold, a seed, a permutation of the outcome. Weights of all replicates
are one matrix (replicate, weight): the optimiser is a handful of operations on it, whatever the
network. *Together*, replicates take their steps as one computation under `torch.func.vmap`; *apart*
one after the other, so that any module of torch works. A fold job is the case of one replicate, so
that a null of a thousand permutations is the same computation as the result it judges. Each
replicate has its own randomness, gradient clipping and early stopping, so that it does not depend
on its neighbours.

Randomness is derived from seed, purpose, phase, epoch and step; nothing carries over from one step
to the next. With a checkpoint, a fit that was interrupted goes on from the last one and ends with
the same bytes on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import vmap

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import PaddedStep, Piece, Tensors, align, in_order, stack
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.network import OUTPUT, FitProblem, Network
from gendmr.engine.optimiser import AdamW
from gendmr.engine.phase import TASK, Phase
from gendmr.engine.schedule import learning_rates
from gendmr.engine.state import State
from gendmr.engine.step import Replicates, ReplicateStep, StepResult
from gendmr.engine.stopping import EarlyStopping
from gendmr.errors import TrainingError
from gendmr.tasks.base import Outcome, Task

LARGEST_GROWTH = 1e4  # of the loss: the steps overshoot, whether or not it is finite
Progress = Callable[[str], None]
Lines = dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Fit:
    """Weights that the last phase kept, of every replicate.

    Parameters
    ----------
    weights : float (replicate, weight)
    buffers : dict of Tensor (replicate, ...)
    history : list of list of dict
        By replicate, then by epoch; epochs of all phases are counted through.
    best_epoch : list of int
        By replicate, counted from 1.
    """

    weights: torch.Tensor
    buffers: Tensors
    history: list[list[dict[str, Any]]]
    best_epoch: list[int]


def fit(
    network: Network,
    module: nn.Module,
    problems: Sequence[FitProblem],
    phases: Sequence[Phase],
    options: OptimisationSection,
    *,
    weights: torch.Tensor,
    buffers: Tensors,
    replicates: Replicates = "together",
    progress: Progress = lambda line: None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train all replicates through all phases; each keeps the weights of its best epoch.

    Parameters
    ----------
    network : Network
        Forward pass and hooks.
    module : torch.nn.Module
        Its code; its own weights are not used.
    problems : sequence of FitProblem
        A replicate each.
    phases : sequence of Phase
    options : OptimisationSection
    weights : float (replicate, weight)
        To start from, in the order of `Layout(module)`, on the device.
    buffers : dict of Tensor (replicate, ...)
        Of the module.
    replicates : str
        `together` or `apart`.
    progress : callable
        Gets a line now and then.
    checkpoint : Checkpoint, optional
        Where to go on from, and where to leave the state now and then.

    Raises
    ------
    TrainingError
        A loss is not finite, or above `LARGEST_GROWTH` times its first value; names replicate,
        epoch and step.
    """
    history: list[list[dict[str, Any]]] = [[] for _ in problems]
    stored = checkpoint.load() if checkpoint is not None else None
    first = stored[1]["phase"] if stored is not None else 0
    stopping: EarlyStopping | None = None
    offset = [0] * len(problems)
    for number in range(first, len(phases)):
        phase = phases[number]
        training = PhaseTraining(
            network, module, problems, phase, options, replicates, weights.device, len(phases) > 1
        )
        if number == 0 and stored is None:
            weights = network.on_fit_start(
                module, training.step.layout, weights, lambda: training.survey(weights, buffers)
            )
        state, stopping = training.start(weights, buffers)
        offset = [len(lines) for lines in history]
        if stored is not None:
            tensors, values = stored
            state.restore(tensors, values)
            stopping.restore(tensors, values)
            history[:], offset, stored = values["history"], values["offset"], None
        if len(phases) > 1:
            progress(f"phase {phase.name}")

        def save(number: int, state: State, stopping: EarlyStopping, offset: list[int]) -> None:
            if checkpoint is not None:
                tensors, values = state.pack()
                best, more = stopping.pack()
                values |= {**more, "phase": number, "history": history, "offset": offset}
                checkpoint.save({**tensors, **best}, values)

        if number and not state.epoch:
            save(number, state, stopping, offset)
        while training.goes_on(state, stopping):
            lines = training.epoch(state, stopping)
            for replicate, line in lines.items():
                history[replicate].append({**line, "epoch": offset[replicate] + state.epoch})
            finished = not training.goes_on(state, stopping)
            if lines.get(0) and (state.epoch % 5 == 0 or state.epoch == 1 or finished):
                progress(_describe(history[0][-1], problems[0].task))
            if checkpoint is not None:
                checkpoint.show(history[0])
                if state.epoch % checkpoint.every == 0 and not finished:
                    save(number, state, stopping, offset)
        weights, buffers = stopping.weights, stopping.buffers
    if stopping is None:
        raise ValueError("a fit without phases")
    best = [start + epoch for start, epoch in zip(offset, stopping.epoch, strict=True)]
    return Fit(weights, buffers, history, best)


class PhaseTraining:
    """The epochs of one phase; parameters as in `fit`."""

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
        self.step = ReplicateStep(network, module, problems, phase, options, device, replicates)
        self.columns = self.step.layout.columns(phase.trainable)
        self.optimiser = AdamW(network, self.step.layout, options, self.columns, device)
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
        return align([self.phase.batches(one, name, epoch, size) for one in self.problems])

    def survey(self, weights: torch.Tensor, buffers: Tensors) -> list[list[tuple[Tensors, Tensors]]]:
        """Return outputs and batch of each replicate's steps of the first epoch, without noise."""
        found: list[list[tuple[Tensors, Tensors]]] = [[] for _ in self.problems]
        for step in self.steps(1):
            for number, outputs, batch in self.step.evaluate(
                weights, buffers, step, self.step.rows
            ):
                if step.pieces[number] is not None:
                    found[number].append((outputs, batch))
        return found

    def epoch(self, state: State, stopping: EarlyStopping) -> Lines:
        """Train an epoch; return the line of every replicate that still trained."""
        state.epoch += 1
        seen, rate = self._train(state, stopping)
        if state.memory:
            state.memory = vmap(lambda memory: self.network.on_train_epoch_end(self.module, memory))(
                state.memory
            )
        lines, scores, losses = self._judge(state, stopping, seen, rate)
        stopping.update(state.weights, state.buffers, state.epoch, scores, losses)
        return lines

    def _train(
        self, state: State, stopping: EarlyStopping
    ) -> tuple[list[tuple[PaddedStep, StepResult]], torch.Tensor]:
        """Take the steps of an epoch; return what each gave and the last learning rates."""
        steps = self.steps(state.epoch)
        device = state.weights.device
        parts = [torch.tensor(step.takes_part, device=device) for step in steps]
        own = torch.stack(parts).sum(0)
        scale = {
            name: torch.tensor(float(term.weight(state.epoch)), device=device)
            for name, term in self.phase.terms.items()
        }
        seen: list[tuple[PaddedStep, StepResult]] = []
        rate = torch.zeros(len(own), 1, device=device)
        for place, (step, part) in enumerate(zip(steps, parts, strict=True)):
            result = self.step.take(state, step, place, scale)
            self._refuse_divergence(result.total, stopping.active & part, state)
            now = learning_rates(state.steps, self.options, self.epochs, own)[:, None]
            rate = torch.where(part[:, None], now, rate)
            decays = {
                teacher.name: torch.tensor(
                    [[teacher.decay(count)] for count in state.steps.tolist()], device=device
                )
                for teacher in self.phase.teachers
            }
            state.steps = state.steps + part
            moving = (stopping.active & part)[:, None]
            self.optimiser.update(state, result.gradient, rate, moving)
            for name, keep in decays.items():
                moved = keep * state.teachers[name] + (1 - keep) * state.weights
                state.teachers[name] = torch.where(part[:, None], moved, state.teachers[name])
            state.memory = _where(part, result.memory, state.memory)
            state.buffers = _where(part, result.buffers, state.buffers)
            seen.append((step, result))
        return seen, rate

    def _judge(
        self,
        state: State,
        stopping: EarlyStopping,
        seen: list[tuple[PaddedStep, StepResult]],
        rate: torch.Tensor,
    ) -> tuple[Lines, dict[int, tuple[float, float]], dict[int, np.ndarray]]:
        """Return lines of the history, validation scores and losses by running replicate."""
        said = self._validation_outputs(state)
        memory: Tensors = {}
        if state.memory:
            memory = vmap(lambda memory: self.network.epoch_metrics(self.module, memory))(
                state.memory
            )
        lines: Lines = {}
        scores: dict[int, tuple[float, float]] = {}
        losses: dict[int, np.ndarray] = {}
        for number in stopping.running:
            problem = self.problems[number]
            line: dict[str, Any] = {"phase": self.phase.name} if self.named else {}
            line |= {"epoch": state.epoch, "step": int(state.steps[number])}
            took_part = [(step.pieces[number], result) for step, result in seen]
            results = [result for piece, result in took_part if piece is not None]
            line["train_loss"] = _mean([result.total[number] for result in results])
            output = _together_of(took_part, number)
            if output is not None:
                index, values = output
                told = _performance("train", problem.task, values, problem.outcome.take(index))
                line |= told[0]
            scores[number], losses[number] = (math.nan, math.nan), np.zeros(1)
            if number in said:
                told = _performance(
                    "validation", problem.task, said[number], problem.validation_outcome
                )
                line |= told[0]
                losses[number] = told[1]
                scores[number] = (told[2], line["validation_loss"])
                if not np.isfinite(losses[number]).all():
                    raise _diverged(math.nan, number, state)
            line["learning_rate"] = float(rate[number])
            line |= {
                name: _mean([result.terms[name][number] for result in results])
                for name in self.phase.terms
                if name != TASK
            }
            lines[number] = line | {name: float(value[number]) for name, value in memory.items()}
        return lines, scores, losses

    def _validation_outputs(self, state: State) -> dict[int, np.ndarray]:
        """Return the output (person, n_outputs) of each replicate's validation people."""
        size = self.options.batch_size
        collected: dict[int, list[np.ndarray]] = {}
        for step in align([in_order(len(one.validation), size, one.slot) for one in self.problems]):
            for number, outputs, _ in self.step.evaluate(
                state.weights, state.buffers, step, self.step.outside
            ):
                piece = step.pieces[number]
                if piece is not None and OUTPUT in outputs:
                    values = outputs[OUTPUT][: len(piece.index)].cpu().numpy()
                    collected.setdefault(number, []).append(values)
        return {number: np.concatenate(values) for number, values in collected.items()}

    def _refuse_divergence(
        self, loss: torch.Tensor, active: torch.Tensor, state: State
    ) -> None:
        limit = LARGEST_GROWTH * state.first_loss
        wrong = active & (~torch.isfinite(loss) | (loss.abs() > limit))
        if wrong.any():
            replicate = int(torch.nonzero(wrong).reshape(-1)[0])
            raise _diverged(float(loss[replicate]), replicate, state)
        unset = active & torch.isnan(state.first_loss) & (loss != 0)
        state.first_loss = torch.where(unset, loss.abs(), state.first_loss)


def _diverged(value: float, replicate: int, state: State) -> TrainingError:
    size = f"{value:.3g}" if math.isfinite(value) else "not finite"
    return TrainingError(
        f"the loss is {size} in epoch {state.epoch}, step {int(state.steps[replicate])}"
        f" (replicate {replicate})",
        cause="a learning rate that is too large, or measurements of extreme size",
        next_step="lower training.optimisation.learning_rate, or look at the outliers in the"
        " quality tables",
    )


def _where(part: torch.Tensor, new: Tensors, old: Tensors) -> Tensors:
    """Return new values (replicate, ...) of those who take part."""
    return {
        name: torch.where(
            part.reshape(part.shape + (1,) * (value.ndim - 1)), value.detach(), old[name]
        )
        for name, value in new.items()
    }


def _together_of(
    took_part: list[tuple[Piece | None, StepResult]], number: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows and output of a replicate's training people in an epoch."""
    pairs = [
        (piece.index, result.output[number])
        for piece, result in took_part
        if piece is not None and result.output[number] is not None
    ]
    if not pairs:
        return None
    values = torch.cat([output for _, output in pairs if output is not None])
    return np.concatenate([index for index, _ in pairs]), values.cpu().numpy()


def _performance(
    role: str, task: Task, output: np.ndarray, outcome: Outcome
) -> tuple[dict[str, float], np.ndarray, float]:
    """Return columns of the history, losses of people whose outcome is known, and the metric.

    Both in float64 and without torch: early stopping does not depend on the device's rounding.
    """
    losses, weight = task.losses(output, outcome), task.weights(outcome)
    known = weight > 0
    metric = task.score(output, outcome)
    mean = float((weight * losses)[known].sum() / weight.sum()) if known.any() else math.nan
    columns = {f"{role}_loss": mean, f"{role}_{task.metrics[0].name}": metric}
    return columns, losses[known], metric


def _mean(values: Sequence[torch.Tensor]) -> float:
    return float(torch.stack(list(values)).mean()) if values else math.nan


def _describe(line: Mapping[str, Any], task: Task) -> str:
    metric = task.metrics[0]
    words = [f"epoch {line['epoch']}: loss {line['train_loss']:.3f}"]
    if "validation_loss" in line:
        words.append(f"validation loss {line['validation_loss']:.3f}")
        words.append(f"{metric.label} {line[f'validation_{metric.name}']:.3f}")
    return ", ".join(words)

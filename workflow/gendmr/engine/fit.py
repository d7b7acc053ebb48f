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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import Tensors
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.history import describe
from gendmr.engine.network import FitProblem, Network
from gendmr.engine.phase import Phase
from gendmr.engine.state import State
from gendmr.engine.stopping import EarlyStopping
from gendmr.engine.training import PhaseTraining, Replicates

Progress = Callable[[str], None]
KEPT = "kept."  # before names of phases, among the tensors of a checkpoint


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
    phase_weights : dict of Tensor (replicate, weight)
        Weights that each phase before the last kept, by its name.
    """

    weights: torch.Tensor
    buffers: Tensors
    history: list[list[dict[str, Any]]]
    best_epoch: list[int]
    phase_weights: Tensors


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
        A loss is not finite, or above 10^4 times its first value; names replicate,
        epoch and step.
    """
    history: list[list[dict[str, Any]]] = [[] for _ in problems]
    stored = checkpoint.load() if checkpoint is not None else None
    place, stopping = _Place(0, [0] * len(problems)), None
    phase_weights: Tensors = {}
    if stored is not None:
        place, history = _Place.read(stored[1]), stored[1]["history"]
        phase_weights = _read_kept(stored[0], weights.device)
    for number in range(place.phase, len(phases)):
        training = PhaseTraining(
            network,
            module,
            problems,
            phases[number],
            options,
            replicates,
            weights.device,
            named=len(phases) > 1,
        )
        if number == 0 and stored is None:
            survey = partial(training.survey, weights, buffers)
            weights = network.on_fit_start(module, training.step.layout, weights, survey)
        state, stopping = training.start(weights, buffers)
        if stored is None:
            place = _Place(number, [len(lines) for lines in history])
            if number:
                _save(checkpoint, place, state, stopping, history, phase_weights)
        else:
            state.restore(*stored)
            stopping.restore(*stored)
            stored = None
        if len(phases) > 1:
            progress(f"phase {phases[number].name}")
        _run(training, place, state, stopping, history, progress, checkpoint, phase_weights)
        weights, buffers = stopping.weights, stopping.buffers
        if number < len(phases) - 1:
            phase_weights[phases[number].name] = weights
    if stopping is None:
        raise ValueError("a fit without phases")
    best = [
        before + epoch for before, epoch in zip(place.epochs_before, stopping.epoch, strict=True)
    ]
    return Fit(weights, buffers, history, best, phase_weights)


def _run(
    training: PhaseTraining,
    place: _Place,
    state: State,
    stopping: EarlyStopping,
    history: list[list[dict[str, Any]]],
    progress: Progress,
    checkpoint: Checkpoint | None,
    phase_weights: Tensors,
) -> None:
    """Train the epochs of a phase that are left."""
    while training.goes_on(state, stopping):
        lines = training.epoch(state, stopping)
        for replicate, line in lines.items():
            epoch = place.epochs_before[replicate] + state.epoch
            history[replicate].append({**line, "epoch": epoch})
        finished = not training.goes_on(state, stopping)
        if 0 in lines and (state.epoch % 5 == 0 or state.epoch == 1 or finished):
            progress(describe(history[0][-1], training.problems[0].task))
        if checkpoint is not None:
            checkpoint.show(history[0])
            if state.epoch % checkpoint.epochs_between == 0 and not finished:
                _save(checkpoint, place, state, stopping, history, phase_weights)


@dataclass(frozen=True)
class _Place:
    """Which phase a fit is in, and how many epochs each replicate had before it."""

    phase: int
    epochs_before: list[int]

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> _Place:
        return cls(values["phase"], values["epochs_before"])


def _save(
    checkpoint: Checkpoint | None,
    place: _Place,
    state: State,
    stopping: EarlyStopping,
    history: list[list[dict[str, Any]]],
    phase_weights: Tensors,
) -> None:
    """Leave in the checkpoint where the fit stands."""
    if checkpoint is None:
        return
    tensors, values = state.pack()
    best, stopping_values = stopping.pack()
    where = {"phase": place.phase, "epochs_before": place.epochs_before, "history": history}
    past = {f"{KEPT}{name}": value.cpu().numpy() for name, value in phase_weights.items()}
    checkpoint.save({**tensors, **best, **past}, {**values, **stopping_values, **where})


def _read_kept(tensors: Mapping[str, np.ndarray], device: torch.device) -> Tensors:
    """Return the weights that phases before kept, from a checkpoint."""
    return {
        name.removeprefix(KEPT): torch.from_numpy(value.copy()).to(device)
        for name, value in tensors.items()
        if name.startswith(KEPT)
    }

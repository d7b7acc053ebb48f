"""One step of all replicates: loss, gradients, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import Gatherer, PaddedStep, Tensors
from gendmr.engine.device import torch_generator
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.engine.network import NOISE, FitProblem, Network, Step, overrides
from gendmr.engine.phase import Phase
from gendmr.engine.state import State


class StepResult(NamedTuple):
    """What a step of all replicates gave; the replicate axis first.

    Parameters
    ----------
    total : Tensor (replicate,)
    terms : dict of Tensor (replicate,)
        Without their weights.
    gradient : Tensor (replicate, weight)
    memory, buffers : dict of Tensor (replicate, ...)
    output : list of Tensor (person, n_outputs), or None
        Of each replicate's own people, on the device.
    """

    total: torch.Tensor
    terms: Tensors
    gradient: torch.Tensor
    memory: Tensors
    buffers: Tensors
    output: list[torch.Tensor | None]


class ReplicateStep:
    """Steps of a phase: `TogetherStep` and `ApartStep` say how replicates take them.

    Parameters
    ----------
    network : Network
    module : torch.nn.Module
        Its code; its own weights are not used.
    problems : sequence of FitProblem
    phase : Phase
    options : OptimisationSection
        `precision` of products, and `compiled`.
    device : torch.device
    """

    together: ClassVar[bool]

    def __init__(
        self,
        network: Network,
        module: nn.Module,
        problems: Sequence[FitProblem],
        phase: Phase,
        options: OptimisationSection,
        device: torch.device,
    ) -> None:
        self.network, self.module, self.problems = network, module, problems
        self.phase, self.device = phase, device
        self.layout = Layout(module)
        self.forward = Forward(phase.forward or network.forward, module, self.layout)
        self.train = Gatherer([problem.train for problem in problems], device, self.together)
        self.validation = Gatherer(
            [problem.validation for problem in problems], device, self.together
        )
        low = options.precision == "bfloat16"
        # Weights, losses and the optimiser stay float32.
        self.precision = torch.autocast(device.type, torch.bfloat16, enabled=low)
        self.by_term = overrides(network, "on_before_optimizer_step")
        self.noisy = overrides(network, "noise")

    def take(self, state: State, step: PaddedStep, place: int, scale: Tensors) -> StepResult:
        """Return loss and gradient of a step, the `place`-th of its epoch; moves nothing.

        Parameters
        ----------
        state : State
        step : PaddedStep
        place : int
        scale : dict of Tensor ()
            Weights of the terms in this epoch.
        """
        raise NotImplementedError

    def evaluate(
        self, weights: torch.Tensor, buffers: Tensors, step: PaddedStep, people: Gatherer
    ) -> list[tuple[int, Tensors, Tensors]]:
        """Return replicate, outputs and batch of those in a step, without noise, (person, ...)."""
        raise NotImplementedError

    def each(self, function: Callable[[Tensors], Tensors], values: Tensors) -> Tensors:
        """Return what a function gives for each replicate's part of values (replicate, ...)."""
        raise NotImplementedError

    def _one_loss(
        self,
        row: torch.Tensor,
        buffers: Tensors,
        fixed: Tensors,
        batch: Tensors,
        teachers: Tensors,
        memory: Tensors,
        scale: Tensors,
    ) -> tuple[Tensors, Tensors, Tensors, Tensors]:
        """Return terms with and without their weights, outputs and memory."""
        batch = {**fixed, **batch}
        outputs = self.forward(row, buffers, batch, training=True)
        noiseless = {name: value for name, value in batch.items() if not name.startswith(NOISE)}
        teacher_outputs = {
            name: {
                key: item.detach()
                for key, item in self.forward(value, buffers, noiseless, training=False).items()
            }
            for name, value in teachers.items()
        }
        step = Step(self.module, outputs, batch, teacher_outputs, memory)
        terms = {name: term.loss(step) for name, term in self.phase.terms.items()}
        scaled = {name: scale[name] * term for name, term in terms.items()}
        outputs = {name: value.detach() for name, value in outputs.items()}
        step = Step(self.module, outputs, batch, teacher_outputs, memory)
        return scaled, terms, outputs, self.network.on_train_batch_end(step)

    def _one_plain(
        self, row: torch.Tensor, buffers: Tensors, fixed: Tensors, batch: Tensors
    ) -> Tensors:
        return self.forward(row, buffers, {**fixed, **batch}, training=False)

    def _noise(self, number: int, step: PaddedStep, place: tuple[int, int]) -> Tensors:
        problem, piece = self.problems[number], step.pieces[number]
        random = torch_generator(problem.seed, "dropout", self.phase.name, *place)
        count = 0 if piece is None else len(piece.rows)
        noise = self.network.noise(self.module, problem, count, random)
        return {f"{NOISE}{name}": value.to(self.device) for name, value in noise.items()}

    def _gradients(self, scaled: Tensors, weights: torch.Tensor) -> Tensors:
        """Return gradients by term where the network asks for them, else that of the sum."""
        if not self.by_term:
            total = torch.stack(list(scaled.values())).sum()
            return {"total": torch.autograd.grad(total, weights)[0]}
        gradients = {}
        for name, value in scaled.items():
            (term_gradient,) = torch.autograd.grad(
                value.sum(), weights, retain_graph=True, allow_unused=True
            )
            gradients[name] = torch.zeros_like(weights) if term_gradient is None else term_gradient
        return gradients

    def _joined(
        self, gradients: Mapping[str, torch.Tensor], outputs: Tensors, batch: Tensors
    ) -> torch.Tensor:
        if not self.by_term:
            return gradients["total"]
        return self.network.on_before_optimizer_step(gradients, outputs, batch, self.layout)

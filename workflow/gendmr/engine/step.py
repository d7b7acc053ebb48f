"""One step of all replicates: together under `torch.func.vmap`, or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.func import functional_call, vmap

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import Gatherer, PaddedStep, Tensors, stack
from gendmr.engine.device import seeded, torch_generator
from gendmr.engine.layout import Layout
from gendmr.engine.network import NOISE, OUTPUT, FitProblem, Network, Step, overrides
from gendmr.engine.phase import Phase
from gendmr.engine.state import State
from gendmr.errors import TrainingError
from gendmr.seeds import derive

Replicates = Literal["together", "apart"]
ForwardPass = Callable[[nn.Module, Tensors], Tensors]


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


class _Bound(nn.Module):
    """A module whose forward pass is that of the network or of a phase."""

    def __init__(self, function: ForwardPass, module: nn.Module) -> None:
        super().__init__()
        self.function, self.module = function, module

    def forward(self, batch: Tensors) -> Tensors:
        """Return the outputs of a batch."""
        return self.function(self.module, batch)


class Forward:
    """The forward pass of a module with weights from outside.

    Parameters
    ----------
    function : callable
        ``function(module, batch)`` gives outputs.
    module : torch.nn.Module
    layout : Layout
    """

    def __init__(self, function: ForwardPass, module: nn.Module, layout: Layout) -> None:
        self.module, self.layout = module, layout
        self.bound = _Bound(function, module)

    def __call__(
        self, row: torch.Tensor, buffers: Tensors, batch: Tensors, training: bool
    ) -> Tensors:
        """Return float32 outputs for weights (weight,); running statistics in `buffers` move."""
        self.module.train(training)
        values = {f"module.{name}": value for name, value in self.layout.unflatten(row).items()}
        values |= {f"module.{name}": value for name, value in buffers.items()}
        outputs: Tensors = functional_call(self.bound, values, (batch,))
        return {
            name: value.float() if value.is_floating_point() else value
            for name, value in outputs.items()
        }


class ReplicateStep:
    """Steps of a phase.

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
    replicates : str
        `together` or `apart`.

    Raises
    ------
    TrainingError
        Replicates of a module with running statistics cannot train together: they would be those
        of padded batches.
    """

    def __init__(
        self,
        network: Network,
        module: nn.Module,
        problems: Sequence[FitProblem],
        phase: Phase,
        options: OptimisationSection,
        device: torch.device,
        replicates: Replicates,
    ) -> None:
        self.network, self.module, self.problems = network, module, problems
        self.phase, self.device, self.together = phase, device, replicates == "together"
        statistics = [
            name
            for name, part in module.named_modules()
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
        ]
        if self.together and statistics:
            raise TrainingError(
                f"replicates of a network with running statistics ({statistics[0]}) cannot train"
                " together",
                cause="a padded batch would enter the statistics",
                next_step='set replicates = "apart" in its section, or use GroupNorm',
            )
        self.layout = Layout(module)
        self.forward = Forward(phase.forward or network.forward, module, self.layout)
        self.rows = Gatherer([one.train for one in problems], device, self.together)
        self.outside = Gatherer([one.validation for one in problems], device, self.together)
        if self.together:
            self.fixed = stack([one.fixed for one in problems], device)
            network.pad_fixed(self.fixed, problems)
        else:
            self.own_fixed = [fixed_of(network, one, device) for one in problems]
        low = options.precision == "bfloat16"
        # Weights, losses and the optimiser stay float32.
        self.precision = torch.autocast(device.type, torch.bfloat16, enabled=low)
        self._loss, self._plain = self._one_loss, self._one_plain
        if self.together:
            self._loss = vmap(self._one_loss, in_dims=(0, 0, 0, 0, 0, 0, None))
            self._plain = vmap(self._one_plain)
        if options.compiled:
            self._loss, self._plain = torch.compile(self._loss), torch.compile(self._plain)
        self.by_term = overrides(network, "on_before_optimizer_step")
        self.noisy = overrides(network, "noise")

    # -- one replicate ---------------------------------------------------------------------------

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
        quiet = {name: value for name, value in batch.items() if not name.startswith(NOISE)}
        taught = {
            name: {
                key: item.detach()
                for key, item in self.forward(value, buffers, quiet, training=False).items()
            }
            for name, value in teachers.items()
        }
        step = Step(self.module, outputs, batch, taught, memory)
        terms = {name: term.loss(step) for name, term in self.phase.terms.items()}
        scaled = {name: scale[name] * term for name, term in terms.items()}
        outputs = {name: value.detach() for name, value in outputs.items()}
        step = Step(self.module, outputs, batch, taught, memory)
        return scaled, terms, outputs, self.network.on_train_batch_end(step)

    def _one_plain(
        self, row: torch.Tensor, buffers: Tensors, fixed: Tensors, batch: Tensors
    ) -> Tensors:
        return self.forward(row, buffers, {**fixed, **batch}, training=False)

    # -- all replicates --------------------------------------------------------------------------

    def evaluate(
        self, weights: torch.Tensor, buffers: Tensors, step: PaddedStep, rows: Gatherer
    ) -> list[tuple[int, Tensors, Tensors]]:
        """Return replicate, outputs and batch of those in a step, without noise, (person, ...)."""
        with torch.no_grad(), self.precision:
            if self.together:
                batch = rows.together(step)
                outputs = self._plain(weights, buffers, self.fixed, batch)
                return [
                    (
                        number,
                        {name: value[number] for name, value in outputs.items()},
                        {name: value[number] for name, value in batch.items()},
                    )
                    for number in range(len(self.problems))
                ]
            found = []
            for number, piece in enumerate(step.pieces):
                if piece is not None:
                    batch = rows.apart(number, piece)
                    own = {name: value[number] for name, value in buffers.items()}
                    fixed = self.own_fixed[number]
                    found.append((number, self._plain(weights[number], own, fixed, batch), batch))
            return found

    def take(self, state: State, step: PaddedStep, place: int, scale: Tensors) -> StepResult:
        """Return loss and gradient of a step, the `place`-th of its epoch; moves nothing."""
        if self.together:
            return self._take_together(state, step, place, scale)
        return self._take_apart(state, step, place, scale)

    def _noise(self, number: int, step: PaddedStep, place: tuple[int, int]) -> Tensors:
        problem, piece = self.problems[number], step.pieces[number]
        random = torch_generator(problem.seed, "dropout", self.phase.name, *place)
        count = 0 if piece is None else len(piece.index)
        drawn = self.network.noise(self.module, problem, count, random)
        return {f"{NOISE}{name}": value.to(self.device) for name, value in drawn.items()}

    def _take_together(
        self, state: State, step: PaddedStep, place: int, scale: Tensors
    ) -> StepResult:
        batch = self.rows.together(step)
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
                None if piece is None else outputs[OUTPUT][number, : len(piece.index)]
                for number, piece in enumerate(step.pieces)
            ]
        total = torch.stack(list(scaled.values())).sum(0).detach()
        terms = {name: value.detach() for name, value in terms.items()}
        return StepResult(total, terms, gradient, memory, state.buffers, output)

    def _take_apart(self, state: State, step: PaddedStep, place: int, scale: Tensors) -> StepResult:
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
            batch = self.rows.apart(number, piece)
            if self.noisy:
                batch |= self._noise(number, step, (state.epoch, place))
            row = state.weights[number : number + 1].detach().requires_grad_(True)
            own = {name: value[number].clone() for name, value in state.buffers.items()}
            seed = derive(
                self.problems[number].seed, "dropout", self.phase.name, state.epoch, place
            )
            with seeded(seed, self.device), self.precision:
                scaled, said, outputs, after = self._loss(
                    row[0], own, self.own_fixed[number], batch,
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
            for name, value in said.items():
                terms[name][number] = value.detach()
            for name, value in after.items():
                memory[name][number] = value.detach()
            for name, value in own.items():
                buffers[name][number] = value
            output[number] = outputs.get(OUTPUT)
        return StepResult(total, terms, gradient, memory, buffers, output)

    def _gradients(self, scaled: Tensors, weights: torch.Tensor) -> Tensors:
        """Return gradients by term where the network asks for them, else that of the sum."""
        if not self.by_term:
            total = torch.stack(list(scaled.values())).sum()
            return {"total": torch.autograd.grad(total, weights)[0]}
        gradients = {}
        for name, value in scaled.items():
            (one,) = torch.autograd.grad(value.sum(), weights, retain_graph=True, allow_unused=True)
            gradients[name] = torch.zeros_like(weights) if one is None else one
        return gradients

    def _joined(
        self, gradients: Mapping[str, torch.Tensor], outputs: Tensors, batch: Tensors
    ) -> torch.Tensor:
        if not self.by_term:
            return gradients["total"]
        return self.network.on_before_optimizer_step(gradients, outputs, batch, self.layout)


def fixed_of(network: Network, problem: FitProblem, device: torch.device) -> Tensors:
    """Return what all batches of one replicate share, on the device, without replicate axis."""
    fixed = stack([problem.fixed], device)
    network.pad_fixed(fixed, [problem])
    return {name: value[0] for name, value in fixed.items()}

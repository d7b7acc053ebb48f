"""A task, people and networks that are small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.batches import Rows, TensorRows, Tensors, stack
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.device import seeded
from gendmr.engine.fit import Fit, fit
from gendmr.engine.layout import Layout
from gendmr.engine.network import FitProblem, Network, Step, Teacher
from gendmr.engine.phase import TASK, Phase, Term, task_term
from gendmr.seeds import derive, generator
from gendmr.tasks.base import Metric

INPUTS = 3
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Values:
    """Measurements (person,)."""

    value: np.ndarray

    def __len__(self) -> int:
        return len(self.value)

    def take(self, index: np.ndarray) -> Values:
        return Values(self.value[index])


class LeastSquares:
    """As much of a task as the engine asks for; its metric is better when lower."""

    kind, name, n_outputs = "quantitative", "value", 1
    metrics = (Metric("error", "error", "lower", lambda rows: 0.0),)

    def weights(self, outcome: Values) -> np.ndarray:
        return np.ones(len(outcome))

    def target(self, outcome: Values) -> Mapping[str, np.ndarray]:
        return {"value": outcome.value.astype(np.float32)}

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        return (output[:, 0] - target["value"]) ** 2 / 2

    def losses(self, output: np.ndarray, outcome: Values) -> np.ndarray:
        return np.asarray((output[:, 0].astype(np.float64) - outcome.value) ** 2 / 2)

    def score(self, output: np.ndarray, outcome: Values) -> float:
        return float(np.sqrt(2 * self.losses(output, outcome).mean()))


class OnDisk:
    """People who are read when a batch asks for them; counts the largest batch."""

    def __init__(self, tensors: Tensors) -> None:
        self.people = TensorRows(tensors)
        self.largest = 0

    def __len__(self) -> int:
        return len(self.people)

    def take(self, index: np.ndarray) -> Tensors:
        self.largest = max(self.largest, len(index))
        return self.people.take(index)


def problem(seed: int, people: int = 20, rows: type[Any] = TensorRows) -> FitProblem:
    """Return people whose value is the sum of their inputs, with noise."""
    random = np.random.default_rng(seed)

    def draw(count: int) -> tuple[Rows, Values]:
        x = random.normal(size=(count, INPUTS)).astype(np.float32)
        outcome = Values(x.sum(axis=1) + 0.3 * random.normal(size=count))
        tensors = {
            "x": torch.from_numpy(x),
            "weight": torch.ones(count),
            "target.value": torch.from_numpy(outcome.value.astype(np.float32)),
        }
        return rows(tensors), outcome

    (train, outcome), (validation, outside) = draw(people), draw(9)
    return FitProblem(seed, LeastSquares(), train, validation, outcome, outside, fixed={})  # type: ignore[arg-type]


class Plain(Network):
    """A perceptron, with noise of its own, a teacher and a memory."""

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        hidden = torch.tanh(module.first(batch["x"]))  # type: ignore[operator]
        if "noise.hidden" in batch:
            hidden = hidden * batch["noise.hidden"]
        return {"output": module.last(hidden)}  # type: ignore[operator]

    def noise(
        self, module: nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        return {"hidden": (torch.rand(people, 4, generator=random) > 0.2) / 0.8}

    def memory(self, module: nn.Module, problem: FitProblem) -> Tensors:
        return {"seen": torch.zeros(len(problem.train) + 1)}

    def on_train_batch_end(self, step: Step) -> Tensors:
        seen = step.memory["seen"]
        person = step.batch["person"]
        return {"seen": seen.scatter(0, person, seen[person] + (step.batch["weight"] > 0))}

    def on_train_epoch_end(self, module: nn.Module, memory: Tensors) -> Tensors:
        return {"seen": memory["seen"] * 0.5}

    def epoch_metrics(self, module: nn.Module, memory: Tensors) -> Tensors:
        return {"seen": memory["seen"].max()}


def perceptron() -> nn.Module:
    module = nn.Module()
    module.first, module.last = nn.Linear(INPUTS, 4), nn.Linear(4, 1)
    return module


def followed() -> Phase:
    """A phase with a teacher, whose outputs are followed."""

    def follow(step: Step) -> torch.Tensor:
        teacher_output = step.teacher_outputs["average"]["output"]
        squares = (step.outputs["output"] - teacher_output) ** 2
        return (step.batch["weight"] * squares[:, 0]).sum() / step.batch["weight"].sum()

    return Phase(
        "fit",
        {TASK: task_term(LeastSquares()), "follow": Term(follow, lambda epoch: 0.1 * epoch)},  # type: ignore[arg-type]
        teachers=(Teacher("average", lambda step: 0.9),),
    )


def plain_phase(name: str = "fit", **more: Any) -> Phase:
    return Phase(name, {TASK: task_term(LeastSquares())}, **more)  # type: ignore[arg-type]


def run(
    network: Network,
    make: Any,
    problems: list[FitProblem],
    phases: list[Phase],
    *,
    replicates: Any = "together",
    checkpoint: Checkpoint | None = None,
    progress: Any = lambda line: None,
    **optimisation: Any,
) -> tuple[Fit, Layout]:
    """Fit problems with modules of `make`, initialised from their own seeds."""
    modules = []
    for fit_problem in problems:
        with seeded(derive(fit_problem.seed, "weights"), CPU):
            modules.append(make())
    layout = Layout(modules[0])
    options = OptimisationSection(
        **{"epochs": 4, "batch_size": 6, "learning_rate": 0.02, "weight_decay": 0.1} | optimisation
    )
    result = fit(
        network,
        make(),
        problems,
        phases,
        options,
        weights=torch.stack([layout.flatten(module) for module in modules]),
        buffers=stack([dict(module.named_buffers()) for module in modules], CPU),
        replicates=replicates,
        checkpoint=checkpoint,
        progress=progress,
    )
    return result, layout


def shuffled_order(seed: int, phase: str, epoch: int, people: int) -> np.ndarray:
    """Return the order in which `shuffled` gives people."""
    return generator(seed, "batches", phase, epoch).permutation(people)

"""A network as its author writes it, on modalities that it does not know, for every outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gendmr.engine.batches import Tensors
from gendmr.engine.network import FitProblem, Step, mean_loss
from gendmr.engine.phase import TASK, Phase, Term, task_term
from gendmr.errors import TrainingError
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.prepared import PreparedSubset


class DeepNet(nn.Module):
    """A perceptron with batch norm and dropout over every modality."""

    def __init__(self, inputs: dict[str, int], outputs: int) -> None:
        super().__init__()
        self.code = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(size, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3)
                )
                for name, size in inputs.items()
            }
        )
        self.head = nn.Linear(8, outputs)

    def forward(self, batch: Tensors) -> torch.Tensor:
        codes = [
            code(batch[name].flatten(1)) * batch[f"has_{name}"][:, None]  # (person, 8)
            for name, code in self.code.items()
        ]
        return self.head(torch.stack(codes).sum(0))  # (person, n_outputs)


class Deep(NetworkMethod):
    """Heads first on codes that stay, then everything."""

    replicates = "apart"

    def network(self, architecture: Architecture) -> nn.Module:
        return DeepNet(dict(architecture.sizes), architecture.task.n_outputs)

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        values = problem.train.take(np.arange(1))
        return {name: values[name][0].numel() for name in modalities}

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        return {"output": module(batch)}

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        task = problems[0].task
        return (
            Phase("head", {TASK: task_term(task)}, trainable=lambda name: name.startswith("head")),
            Phase("all", {TASK: task_term(task)}),
        )


# Here ends what an author writes.


@pytest.fixture
def fold(planted: Path, prepare: Callable[..., Any]) -> Callable[[str], Any]:
    """Return a prepared fold of an outcome."""

    def prepared(outcome: str, **optimisation: Any) -> Any:
        return prepare(
            planted, {"kind": "fusion"}, outcome=outcome,
            optimisation={"epochs": 12, "batch_size": 32, "learning_rate": 0.01, **optimisation},
        )  # fmt: skip

    return prepared


def fit(fold: Any, method: type[NetworkMethod] = Deep, seed: int = 1) -> FittedNetwork:
    inputs = FitInputs(fold.train, fold.validation, fold.preparation, seed)
    built = method(fold.options.method, fold.options)
    return built.fit(inputs, device="cpu", progress=lambda line: None)


@pytest.mark.parametrize("outcome", ["diagnosis", "stage", "memory", "conversion", "relapse"])
def test_a_deep_network_learns_an_outcome_of_any_kind(
    fold: Callable[..., Any], outcome: str
) -> None:
    prepared = fold(outcome)
    fitted = fit(prepared)
    task, people = prepared.task, prepared.held_out
    output = fitted.predict(people)
    assert output.shape == (len(people), task.n_outputs) and output.dtype == np.float64
    metric = task.metrics[0]
    score = task.score(output, people.outcome)
    assert metric.better == "higher" and score > (metric.chance or 0.0) + 0.1
    assert {line["phase"] for line in fitted.history} == {"head", "all"}
    assert fitted.weights["code.snp.1.running_mean"].any()
    np.testing.assert_array_equal(fit(prepared).predict(people), output)


def test_predictions_do_not_depend_on_who_else_is_predicted(fold: Callable[..., Any]) -> None:
    prepared = fold("diagnosis")
    fitted, people = fit(prepared), prepared.held_out
    some = np.flatnonzero(np.arange(len(people)) % 3 == 1)
    whole = fitted.predict(people)[some]
    np.testing.assert_allclose(fitted.predict(people.take(some)), whole, rtol=1e-6, atol=1e-6)


def test_many_fits_apart_are_those_of_single_jobs(fold: Callable[..., Any]) -> None:
    prepared = fold("diagnosis", epochs=2)
    built = Deep(prepared.options.method, prepared.options)
    fit_inputs = [
        FitInputs(prepared.train, prepared.validation, prepared.preparation, seed)
        for seed in (1, 2)
    ]
    together = built.fit_many(fit_inputs, device="cpu", progress=lambda line: None)
    for fit_input, fitted in zip(fit_inputs, together, strict=True):
        alone = built.fit(fit_input, device="cpu", progress=lambda line: None)
        for name, value in alone.weights.items():
            np.testing.assert_array_equal(fitted.weights[name], value)
    assert (together[0].weights["head.weight"] != together[1].weights["head.weight"]).any()


def test_running_statistics_together_are_a_named_error(fold: Callable[..., Any]) -> None:
    class Wrong(Deep):
        replicates = "together"

    with pytest.raises(TrainingError, match="running statistics"):
        fit(fold("diagnosis", epochs=1), Wrong)


def test_a_fold_without_anything_to_read_is_a_named_error(fold: Callable[..., Any]) -> None:
    prepared = fold("diagnosis", epochs=1).without("region").without("snp")
    with pytest.raises(TrainingError, match="no modality can be trained"):
        fit(prepared)


def test_a_method_may_add_terms_and_attributions(fold: Callable[..., Any]) -> None:
    class Attributed(Deep):
        def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
            task = problems[0].task

            def typed(step: Step) -> torch.Tensor:
                has = step.batch["has_snp"]
                return mean_loss(task, step.outputs["output"], step.batch, has)

            return (Phase("fit", {TASK: task_term(task), "typed": Term(typed)}),)

        def attributions(
            self, fitted: FittedNetwork, people: PreparedSubset
        ) -> dict[str, Attribution]:
            value = np.zeros((len(people), len(fitted.preparation.instances("snp"))), np.float32)
            return {"snp": Attribution(value, np.zeros(len(people), np.float32))}

    prepared = fold("diagnosis", epochs=2)
    fitted = fit(prepared, Attributed)
    assert fitted.history[0]["typed"] > 0 and "phase" not in fitted.history[0]
    assert set(fitted.attributions(prepared.held_out)) == {"snp"}
    assert fit(prepared).attributions(prepared.held_out) == {}

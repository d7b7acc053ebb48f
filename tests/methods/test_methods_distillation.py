"""How far outputs are from each other, and who is right, for tasks of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gendmr.methods.distillation import binary_divergence, divergence, is_right, rightness
from gendmr.tasks import task_of
from gendmr.tasks.base import Task
from outcomes import SECTIONS, simulate_table

PEOPLE = 30


def people(kind: str) -> tuple[Task, dict[str, torch.Tensor]]:
    """Return a fitted task and a batch of people with outcomes."""
    task = task_of("outcome", SECTIONS[kind])
    table = simulate_table(kind, np.zeros(PEOPLE), np.random.default_rng(3))
    columns = task.parse(table, "participants.tsv").columns
    outcome = task.read({name: columns[name].astype(str) for name in columns}, "participants.tsv")
    task = task.fit(outcome)
    batch = {
        f"target.{name}": torch.from_numpy(value) for name, value in task.target(outcome).items()
    }
    return task, batch | {"weight": torch.ones(PEOPLE)}


def draw(task: Task, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(PEOPLE, task.n_outputs, generator=random)


@pytest.mark.parametrize("kind", list(SECTIONS))
def test_a_student_that_says_the_same_has_nothing_to_learn(kind: str) -> None:
    task, batch = people(kind)
    teacher, student = draw(task, 1), draw(task, 2)
    from_itself = divergence(task, teacher, teacher, batch["weight"], 2.0)
    from_student = divergence(task, teacher, student, batch["weight"], 2.0)
    assert from_itself.shape == (PEOPLE,) and float(from_itself.abs().max()) < 1e-6
    assert (from_student >= 0).all() and float(from_student.mean()) > 0.01


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_diverge_by_the_sum_over_them(kind: str) -> None:
    task, batch = people(kind)
    teacher, student = draw(task, 1), draw(task, 2)
    logits = [
        np.column_stack([np.zeros(PEOPLE), logit]) if kind == "binary" else logit
        for logit in (teacher.double().numpy() / 2, student.double().numpy() / 2)
    ]
    p, q = (np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True) for logit in logits)
    expected = 4 * (p * np.log(p / q)).sum(axis=1)
    divergences = divergence(task, teacher, student, batch["weight"], 2.0)
    np.testing.assert_allclose(divergences.numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["cox", "discrete"])
def test_the_level_of_a_risk_is_not_learned_from(kind: str) -> None:
    task, batch = people(kind)
    teacher = draw(task, 1)
    divergences = divergence(task, teacher, teacher + 3.0, batch["weight"], 2.0)
    assert float(divergences.abs().max()) < 1e-5


def test_rightness_of_classes_is_the_probability_of_the_true_class() -> None:
    task, batch = people("binary")
    logit = draw(task, 1)
    case = batch["target.case"] > 0.5
    expected = torch.sigmoid(torch.where(case, logit[:, 0], -logit[:, 0]))
    torch.testing.assert_close(rightness(task, logit, batch, batch["weight"]), expected)
    sided = is_right(task, logit, batch, batch["weight"])
    assert torch.equal(sided > 0, (logit[:, 0] > 0) == case)
    task, batch = people("multiclass")
    output = draw(task, 1)
    share = torch.softmax(output, 1).gather(1, batch["target.label"][:, None])[:, 0]
    torch.testing.assert_close(rightness(task, output, batch, batch["weight"]), share)


def test_a_measurement_is_right_where_it_is_nearer_than_the_mean() -> None:
    task, batch = people("quantitative")
    output, value = draw(task, 1), batch["target.value"]
    expected = (output[:, 0] - value).abs() <= value.abs()
    assert torch.equal(is_right(task, output, batch, batch["weight"]) > 0, expected)
    assert 0 < int(expected.sum()) < PEOPLE


def test_a_risk_in_the_order_of_times_is_right() -> None:
    task, batch = people("cox")
    time, event = batch["target.time"], batch["target.event"] > 0
    rank = torch.argsort(torch.argsort(time)).float()
    scores: Any = {
        name: rightness(task, (sign * rank)[:, None] / 10, batch, batch["weight"])
        for name, sign in (("right", -1.0), ("wrong", 1.0))
    }
    early = event & (time < time.median())
    assert (scores["right"][early] > 0.5).all() and (scores["wrong"][early] < 0.5).all()
    assert (scores["right"][~event] == 0.5).all()  # nothing can be told of the censored


def test_divergence_is_zero_between_equals_and_positive_else() -> None:
    logit = torch.linspace(-4, 4, 9)
    assert float(binary_divergence(logit, logit).abs().max()) < 1e-7
    assert (binary_divergence(logit, logit + 1) > 0).all()

"""Who leads, who teaches: against slow twins that follow the definitions person by person."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.engine.network import Step
from gendmr.methods.gendmr.exchange import TEACHER, Exchange, teacher_decay
from gendmr.tasks import task_of
from studies import OUTCOMES

PEOPLE = 12
T = 3.0


@pytest.fixture
def step() -> dict[str, Any]:
    """One batch of a replicate, with what student and teacher say of it."""
    random = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    batch = {
        "target.case": (torch.arange(PEOPLE) % 2).float(),
        "stratum": (torch.arange(PEOPLE) % 2).float(),
        "has_snp": torch.ones(PEOPLE),
        "has_region": torch.ones(PEOPLE),
        "weight": torch.linspace(0.5, 1.5, PEOPLE),
        "person": torch.arange(PEOPLE) + 3,
    }
    batch["has_region"][2] = 0
    batch["weight"][5] = 0

    def said() -> dict[str, torch.Tensor]:
        return {
            "output_snp": draw(PEOPLE, 1),
            "output_region": 2 * draw(PEOPLE, 1),
            "view_snp": functional.normalize(draw(PEOPLE, 8), dim=1),
            "view_region": functional.normalize(draw(PEOPLE, 8), dim=1),
        }

    return {"batch": batch, "student": said(), "teachers": {TEACHER: said()}}


def exchange(**options: Any) -> Exchange:
    section = GendmrMethod(projection=8, queue=16, **options)
    task = task_of("diagnosis", BinaryOutcome.model_validate(OUTCOMES["diagnosis"]))
    return Exchange(section, task, ("case", "control"))


def step_of(step: dict[str, Any], memory: dict[str, torch.Tensor]) -> Step:
    """Return the step as terms and hooks see it."""
    return Step(torch.nn.Module(), step["student"], step["batch"], step["teachers"], memory)


def memory_of(rule: Exchange, step: dict[str, Any], snp: float = 0.6) -> dict[str, torch.Tensor]:
    """A memory in which imaging was right with 0.6 and genetics with `snp`."""
    names = ("stratum", "group", "has_snp", "has_region", "weight")
    memory = rule.start({name: torch.ones(PEOPLE + 4) for name in names})
    spread = torch.linspace(-0.3, 0.3, PEOPLE + 5)
    memory["right_region"] = 0.6 + spread
    memory["right_snp"] = torch.full_like(spread, snp)
    memory["seen"] = torch.ones_like(spread)
    return memory


def both(batch: dict[str, torch.Tensor], i: int) -> bool:
    return bool(batch["has_snp"][i] * batch["has_region"][i] * batch["weight"][i] > 0)


def kl(teacher: float, student: float) -> float:
    p, q = 1 / (1 + math.exp(-teacher / T)), 1 / (1 + math.exp(-student / T))
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


@pytest.mark.parametrize("dominance", ["person", "batch", "epoch"])
def test_the_leader_is_who_is_right_more_often(step: Any, dominance: str) -> None:
    rule = exchange(dominance=dominance)
    batch = step["batch"]
    memory = memory_of(rule, step, snp=0.4 if dominance == "batch" else 0.6)
    memory["gap"] = torch.tensor(-0.2)
    gap = (memory["right_region"] - memory["right_snp"])[batch["person"]]
    if dominance == "batch":
        paired = [i for i in range(PEOPLE) if both(batch, i)]
        gap = torch.full((PEOPLE,), float(np.mean([gap[i] for i in paired])))
    elif dominance == "epoch":
        gap = torch.full((PEOPLE,), -0.2)
    expected = [0 if abs(g) <= 0.05 else 1 if g > 0 else -1 for g in gap.tolist()]
    assert rule.dominant(memory, batch).tolist() == expected
    assert set(expected) == {"person": {-1, 0, 1}, "batch": {1}, "epoch": {-1}}[dominance]


@pytest.mark.parametrize(
    ("options", "taught"),
    [
        ({}, "by leader"),
        ({"roles": "imaging"}, "snp"),
        ({"roles": "genetics"}, "region"),
        ({"dominance": "none"}, "both"),
        ({"roles": "self"}, "both"),
    ],
    ids=str,
)
def test_distillation_is_the_divergence_from_a_teacher_that_leads_and_is_right(
    step: Any, options: dict[str, Any], taught: str
) -> None:
    rule = exchange(**options)
    batch, student, teacher = step["batch"], step["student"], step["teachers"][TEACHER]
    memory = memory_of(rule, step)
    dominant = rule.dominant(memory, batch)
    total = weight = 0.0
    for i in range(PEOPLE):
        if not both(batch, i):
            continue
        w = float(batch["weight"][i])
        weight += w
        for pupil, leader, sign in (("snp", "region", 1), ("region", "snp", -1)):
            learns = taught in (pupil, "both") or (taught == "by leader" and dominant[i] == sign)
            who = pupil if options.get("roles") == "self" else leader
            answer = float(teacher[f"output_{who}"][i, 0])
            if learns and (answer > 0) == (batch["stratum"][i] > 0.5):
                total += w * kl(answer, float(student[f"output_{pupil}"][i, 0]))
    loss = float(rule.distil(step_of(step, memory)))
    assert loss == pytest.approx(T * T * total / weight, rel=1e-5)
    assert loss > 0


def test_contrast_is_the_supervised_information_loss(step: Any) -> None:
    rule = exchange()
    batch, student, teacher = step["batch"], step["student"], step["teachers"][TEACHER]
    memory = memory_of(rule, step)
    random = torch.Generator().manual_seed(4)
    for name in ("snp", "region"):
        memory[f"queue_{name}"] = functional.normalize(torch.randn(16, 8, generator=random), dim=1)
    memory["queue_stratum"] = (torch.arange(16) % 3 == 0).float()
    memory["queue_real"] = (torch.arange(16) < 10).float()
    memory["queue_person"] = torch.arange(16) + 5
    dominant = rule.dominant(memory, batch)
    total = count = 0.0
    for i in range(PEOPLE):
        if not both(batch, i):
            continue
        count += 1
        for pupil, leader, sign in (("snp", "region", 1), ("region", "snp", -1)):
            if dominant[i] != sign:
                continue
            keys = [
                (teacher[f"view_{leader}"][k], batch["stratum"][k], batch["person"][k])
                for k in range(PEOPLE)
                if both(batch, k)
            ] + [
                (
                    memory[f"queue_{leader}"][k],
                    memory["queue_stratum"][k],
                    memory["queue_person"][k],
                )
                for k in range(10)
            ]
            close = np.array([float(student[f"view_{pupil}"][i] @ key) / 0.1 for key, _, _ in keys])
            log_share = close - np.log(np.exp(close).sum())
            positive = np.array(
                [
                    1.0 if who == batch["person"][i] else 0.5 * float(y == batch["stratum"][i])
                    for _, y, who in keys
                ]
            )
            total += -(positive * log_share).sum() / positive.sum()
    loss = float(rule.contrast(step_of(step, memory)))
    assert loss == pytest.approx(total / count, rel=1e-4)


def test_the_memory_averages_what_the_students_gave_the_true_class(step: Any) -> None:
    rule = exchange(contrast=0.1)
    batch, student = step["batch"], step["student"]
    memory = memory_of(rule, step)
    memory["seen"][batch["person"][4]] = 0
    before = memory["right_region"].clone()
    after = rule.after_batch(step_of(step, memory))
    for i, person in enumerate(batch["person"].tolist()):
        logit = float(student["output_region"][i, 0]) * (1 if batch["stratum"][i] > 0.5 else -1)
        right = 1 / (1 + math.exp(-logit))
        keep = 0.0 if i == 4 else 0.9
        expected = keep * float(before[person]) + (1 - keep) * right
        assert float(after["right_region"][person]) == pytest.approx(expected, rel=1e-5)
    assert float(after["right_region"][0]) == float(before[0])  # not in this batch
    assert after["queue_person"][:PEOPLE].tolist() == batch["person"].tolist()
    assert float(after["queue_real"][2]) == 0  # no image
    shares = rule.metrics(after)
    for group in ("case", "control"):
        total = sum(float(shares[f"lead_{name}_{group}"]) for name in ("region", "snp", "none"))
        assert total in (pytest.approx(0.0), pytest.approx(1.0))


def test_a_teacher_follows_fast_at_first() -> None:
    decays = [teacher_decay(step) for step in range(4000)]
    assert decays[0] < 0.2 and decays == sorted(decays) and 0.99 < decays[-1] <= 0.999


@pytest.fixture
def history(cohort: Path, prepare: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Return the history of a fit with some options."""

    def trained(**method: Any) -> list[dict[str, Any]]:
        small = {
            "kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "parts": 3, "partitions": 2,
            "projection": 8, "queue": 32,
        }  # fmt: skip
        lines: list[dict[str, Any]] = prepare(cohort, {**small, **method}, epochs=4).fit().history
        return lines

    return trained


def test_every_switch_changes_the_fit_and_who_leads_is_told(history: Any) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"roles": "imaging"},
        {"roles": "genetics"},
        {"roles": "self"},
        {"dominance": "none"},
        {"dominance": "batch"},
        {"distillation": 0.0},
        {"contrast": 0.0},
        {"distillation": 0.0, "contrast": 0.0},
    ]
    losses = []
    for variant in variants:
        lines = history(**variant)
        losses.append(round(lines[-1]["validation_loss"], 9))
        assert ("distillation" in lines[0]) == (variant.get("distillation") != 0.0)
        assert ("contrast" in lines[0]) == (variant.get("contrast") != 0.0)
        if "distillation" in lines[0] or "contrast" in lines[0]:
            share_sum = sum(lines[-1][f"lead_{name}_case"] for name in ("region", "snp", "none"))
            assert share_sum == pytest.approx(1, abs=1e-5)
    assert len(set(losses)) == len(losses)
    imaging = history(roles="imaging")[-1]
    assert imaging["lead_region_case"] == imaging["lead_region_control"] == 1


def test_without_people_who_have_both_nobody_teaches(history: Any) -> None:
    lines = history(reads=["snp"])
    assert not [name for name in lines[0] if name.startswith(("lead", "distil", "contrast"))]

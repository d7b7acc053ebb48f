"""Plain fusion: what its modes say they do, and risks that add up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gendmr.training.scores import auc

from factories import PLANTED_REGION, make_cohort
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.fit import Layout
from gendmr.methods import fusion
from gendmr.preprocessing.preparation import People
from gendmr.seeds import derive

MODES = ["concatenation", "late", "ogm_ge", "fixed_teacher"]


def quiet(line: str) -> None:
    return None


def fit(fold: Any, seed: int = 1, **more: Any) -> Any:
    more = {"progress": quiet, **more}
    return fusion.build(fold.options).fit(
        fold.train, fold.validation, fold.preparation, seed=seed, device="cpu", **more
    )


def method(mode: str, **more: Any) -> dict[str, Any]:
    return {"kind": "fusion", "mode": mode, "width": 6, **more}


@pytest.mark.parametrize("mode", MODES)
def test_risks_add_up_to_the_modality_and_modalities_to_the_score(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode))
    fitted = fit(fold)
    people = fold.held_out
    bags = fitted.bags(people)
    total = {}
    for name, there in (("snp", people.has_snp), ("region", people.has_region)):
        total[name] = bags[name].risk.astype(float).sum(axis=1) + bags[name].bias
        assert (np.isfinite(total[name]) == there).all() and (~there).any()
        np.testing.assert_allclose(bags[name].attention[there].sum(axis=1), 1, atol=1e-5)
    both = people.has_snp & people.has_region
    joined = total["snp"] + total["region"]
    expected = (joined / 2 if mode == "late" else joined)[both]
    np.testing.assert_allclose(fitted.logits(people)[both], expected, atol=1e-5)
    assert len(fitted.history) == 3 and fitted.history[0]["train_loss"] > 0


def test_a_risk_is_what_the_logit_loses_with_its_region(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, method("concatenation"))
    fitted = fit(fold)

    def logit(people: People) -> np.ndarray:
        bag = fitted.bags(people)["region"]
        return bag.risk.astype(float).sum(axis=1) + bag.bias

    people = fold.held_out
    risk = fitted.bags(people)["region"].risk
    for region in range(3):
        moved = []
        for step in (-0.05, 0.05):
            regions = people.regions.copy()
            regions[:, region] *= 1 + step
            moved.append(logit(dataclasses.replace(people, regions=regions)))
        there = people.has_region
        slope = (moved[1] - moved[0])[there] / 0.1
        np.testing.assert_allclose(slope, risk[there, region], atol=2e-3)
        assert np.abs(slope).max() > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_modality_does_not_reach_the_score(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode))
    fitted = fit(fold)
    people = fold.held_out
    nobody = np.zeros(len(people), dtype=bool)
    without = dataclasses.replace(people, has_region=nobody)
    moved = dataclasses.replace(without, regions=people.regions + 7)
    np.testing.assert_array_equal(fitted.logits(without), fitted.logits(moved))
    seen = dataclasses.replace(people, regions=people.regions + 7)
    assert ((fitted.logits(seen) != fitted.logits(people)) == people.has_region).all()
    empty = dataclasses.replace(without, has_snp=nobody)
    assert np.unique(fitted.logits(empty)).size == 1 and np.isfinite(fitted.logits(empty)).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_replicate_does_not_depend_on_its_neighbours(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    made, bags = [], ("snp", "region")
    for number, limit in ((0, 40), (1, 25)):  # other people, other SNPs
        fold = prepare(
            cohort, method(mode), fold=number, selection={"mode": "both", "maximum": limit}
        )
        built = fusion.build(fold.options)
        made.append(
            built.replicate(fold.train, fold.validation, fold.preparation, bags, seed=number)
        )
    together = built.fit_replicates(made, bags)
    for place, replicate in enumerate(made):
        alone = built.fit_replicates([replicate], bags)
        assert alone.found.best_epoch[0] == together.found.best_epoch[place]
        own = Layout(alone.module).unflatten(alone.found.weights[0])
        beside = Layout(together.module).unflatten(together.found.weights[place])
        for name, value in own.items():
            # Batched products may sum in another order: not the same bits, the same numbers.
            shared = beside[name][tuple(slice(size) for size in value.shape)]
            torch.testing.assert_close(value, shared, rtol=1e-3, atol=1e-4)
    assert (together.found.weights[0] - together.found.weights[1]).abs().max() > 0.01


@pytest.mark.parametrize("mode", ["concatenation", "ogm_ge"])
def test_a_replicate_of_fewer_people_takes_fewer_steps(
    tmp_path: Path, prepare: Callable[..., Any], mode: str
) -> None:
    make_cohort(tmp_path, people=300, snps=20, genes=10)
    fold = prepare(tmp_path, method(mode))
    built = fusion.build(fold.options)
    bags = ("snp", "region")
    made = []
    for seed, count in ((1, len(fold.train)), (2, 50)):
        some = People(**{name: getattr(fold.train, name)[:count] for name in vars(fold.train)})
        made.append(built.replicate(some, fold.validation, fold.preparation, bags, seed=seed))
    together = built.fit_replicates(made, bags)
    steps = [history[-1]["step"] for history in together.found.history]
    assert steps[0] > steps[1]
    alone = built.fit_replicates(made[1:], bags)
    torch.testing.assert_close(
        alone.found.weights[0], together.found.weights[1], rtol=1e-3, atol=1e-4
    )


def test_networks_of_late_fusion_do_not_hear_of_each_other(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    optimisation = {"epochs": 1, "clip": 1e9}
    found = {}
    for mode in ("late", "concatenation"):
        fold = prepare(cohort, method(mode), optimisation=optimisation)
        # A hundred times the measurements: a score that is far too large moves the other's step.
        louder = dataclasses.replace(fold.train, regions=100 * fold.train.regions)
        found[mode] = [
            fit(fold._replace(train=train)).weights["encode.snp.weight"]
            for train in (fold.train, louder)
        ]
    np.testing.assert_array_equal(*found["late"])
    assert (found["concatenation"][0] != found["concatenation"][1]).any()


def modulation(strength: float) -> tuple[torch.Tensor, torch.Tensor, list[str], torch.Tensor]:
    """Gradient before and after, names of its parts, and the noise; one replicate each way."""
    fold_options = fusion.FusionMethod(mode="ogm_ge", strength=strength)
    network = fusion.FusionNetwork(fold_options, ("snp", "region"))
    layout = Layout(fusion.Net(4, {"snp": 50, "region": 30}, late=False))
    weights = sum(layout.sizes)
    random = torch.Generator().manual_seed(0)
    gradient = torch.randn(2, weights, generator=random)
    noise = torch.randn(2, weights, generator=random)
    # Replicate 0: imaging is right and sure, genetics undecided. Replicate 1: the other way. The
    # last two people do not count: one has no image, one is padding.
    y = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(2, 1)
    sure, undecided = 4 * (2 * y - 1), torch.zeros(2, 4)
    outputs = {
        "logit_snp": torch.stack([undecided[0], sure[1]]),
        "logit_region": torch.stack([sure[0], undecided[1]]),
    }
    outputs["logit_snp"][:, 2:] = 100.0
    batch = {
        "y": y,
        "has_snp": torch.ones(2, 4),
        "has_region": torch.tensor([[1.0, 1.0, 0.0, 1.0]]).repeat(2, 1),
        "weight": torch.tensor([[1.0, 1.0, 1.0, 0.0]]).repeat(2, 1),
    }
    assert network.modulate is not None
    after = network.modulate(gradient, outputs, batch, {"gradient": noise}, layout)
    names = [
        name for name, size in zip(layout.names, layout.sizes, strict=True) for _ in range(size)
    ]
    return gradient, after, names, noise


def test_modulation_damps_the_modality_that_is_ahead() -> None:
    before, after, names, noise = modulation(strength=0.5)
    ratio = (1 / (1 + np.exp(-4.0))) / 0.5
    damped = 1 - np.tanh(0.5 * ratio)
    for replicate, ahead in enumerate(("region", "snp")):
        for bag in ("snp", "region"):
            for kind in ("weight", "bias"):
                part = [name == f"encode.{bag}.{kind}" for name in names]
                own, drawn = before[replicate, part], noise[replicate, part]
                expected = own * (damped if bag == ahead else 1.0) + drawn * own.std()
                torch.testing.assert_close(
                    after[replicate, part], expected.float(), rtol=1e-4, atol=1e-4
                )
    heads = [not name.startswith("encode") for name in names]
    torch.testing.assert_close(after[:, heads], before[:, heads], rtol=0, atol=0)


def test_modulation_reaches_the_weights(cohort: Path, prepare: Callable[..., Any]) -> None:
    found = [
        fit(prepare(cohort, method(mode, **more))).weights["encode.snp.weight"]
        for mode, more in (
            ("concatenation", {}),
            ("ogm_ge", {"strength": 0.0}),
            ("ogm_ge", {"strength": 2.0}),
        )
    ]
    assert all((found[a] != found[b]).any() for a, b in ((0, 1), (1, 2)))


def test_a_teacher_teaches_only_where_it_is_right() -> None:
    options = fusion.FusionMethod(mode="fixed_teacher", temperature=2.0)
    (lesson,) = fusion.FusionNetwork(options, ("snp", "region")).auxiliary_losses

    def cost(y: list[float], has_region: list[float], found: float) -> float:
        student = {"logit_snp": torch.full((2,), found), "logit_region": torch.full((2,), found)}
        batch = {
            "y": torch.tensor(y),
            "weight": torch.ones(2),
            "has_snp": torch.zeros(2),
            "has_region": torch.tensor(has_region),
            "taught_snp": torch.full((2,), 3.0),
            "taught_region": torch.full((2,), 3.0),
        }
        return float(lesson.term(student, {}, batch, {}))

    assert cost([0.0, 0.0], [1.0, 1.0], -1.0) == 0  # says case of controls
    assert cost([1.0, 1.0], [0.0, 0.0], -1.0) == 0  # nobody has the modality
    assert cost([1.0, 1.0], [1.0, 1.0], 3.0) == pytest.approx(0, abs=1e-6)  # nothing to learn
    p, q = 1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(0.5))
    expected = 4 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert cost([1.0, 0.0], [1.0, 1.0], -1.0) == pytest.approx(expected, rel=1e-5)


def test_teachers_are_the_late_networks_and_stay_as_they_are(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    late = fit(prepare(cohort, method("late")), seed=derive(1, "teachers")).weights
    taught = fit(prepare(cohort, method("fixed_teacher"))).weights
    for name, value in late.items():
        np.testing.assert_array_equal(taught[f"teacher.{name}"], value)
    plain = fit(prepare(cohort, method("concatenation"))).weights
    deaf = fit(prepare(cohort, method("fixed_teacher", distillation=0.0))).weights
    for name, value in plain.items():
        np.testing.assert_array_equal(deaf[name], value)
    assert (taught["encode.snp.weight"] != plain["encode.snp.weight"]).any()


@pytest.mark.parametrize("interrupted_at", [2, 6])
def test_an_interrupted_fit_with_teachers_goes_on_to_the_same_weights(
    cohort: Path, prepare: Callable[..., Any], tmp_path: Path, interrupted_at: int
) -> None:
    fold = prepare(cohort, method("fixed_teacher"), optimisation={"epochs": 6, "patience": 6})
    whole = fit(fold)
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == interrupted_at:
            raise KeyboardInterrupt

    said: list[str] = []
    checkpoint = Checkpoint(folder=tmp_path / "checkpoints", key="key", every=2, say=said.append)
    with pytest.raises(KeyboardInterrupt):
        fit(fold, progress=stop, checkpoint=checkpoint)
    again = fit(fold, checkpoint=checkpoint)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
    checkpoint.discard()
    assert not (tmp_path / "checkpoints").exists()
    assert bool(said) == (interrupted_at == 6)


@pytest.mark.parametrize("mode", MODES)
def test_without_images_genetics_is_left(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode))
    bare = dataclasses.replace(
        fold.train,
        has_region=np.zeros(len(fold.train), dtype=bool),
        regions=np.zeros_like(fold.train.regions),
    )
    fitted = fit(fold._replace(train=bare))
    assert set(fitted.bags(fold.held_out)) == {"snp"}
    assert "nothing to fuse" in " ".join(fitted.notes)
    assert np.isfinite(fitted.logits(fold.held_out)).all()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_it_learns_what_was_planted(tmp_path: Path, prepare: Callable[..., Any], mode: str) -> None:
    planted = make_cohort(tmp_path, people=300, snps=60, genes=20, regions=8, imaged=0.8)
    y, logit, risk = [], [], []
    for number in range(2):
        fold = prepare(planted, method(mode, width=16), fold=number, optimisation={"epochs": 20})
        fitted = fit(fold)
        y.append(fold.held_out.diagnosis)
        logit.append(fitted.logits(fold.held_out))
        found = fitted.bags(fold.held_out)["region"].risk
        risk.append(np.nanmean(np.abs(found), axis=0))
    assert auc(np.concatenate(y), np.concatenate(logit)) > 0.65
    assert fold.preparation.regions[np.mean(risk, axis=0).argmax()] == PLANTED_REGION

"""Plain fusion: what its modes say they do, and risks that add up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from factories import PLANTED_REGION, make_cohort
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.layout import Layout
from gendmr.engine.network import Step
from gendmr.methods.base import FitInputs
from gendmr.methods.fusion.method import build
from gendmr.methods.fusion.modulation import modulate
from gendmr.methods.fusion.network import FusionNet
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of

MODES = ["concatenation", "late", "ogm_ge", "fixed_teacher"]


def quiet(line: str) -> None:
    return None


def fit(fold: Any, seed: int = 1, **more: Any) -> Any:
    more = {"progress": quiet, **more}
    return build(fold.options).fit(inputs(fold, seed), device="cpu", **more)


def inputs(fold: Any, seed: int) -> FitInputs:
    return FitInputs(fold.train, fold.validation, fold.preparation, seed)


def changed(people: PreparedSubset, modality: str, **changes: np.ndarray) -> PreparedSubset:
    """Return people with other `values` or `present` of a modality."""
    return dataclasses.replace(
        people,
        **{name: {**getattr(people, name), modality: array} for name, array in changes.items()},
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
    bags = fitted.attributions(people)
    total = {}
    for name, present in people.present.items():
        total[name] = bags[name].value.astype(float).sum(axis=1) + bags[name].baseline
        assert (np.isfinite(total[name]) == present).all() and (~present).any()
        np.testing.assert_allclose(bags[name].attention[present].sum(axis=1), 1, atol=1e-5)
    complete = people.present["snp"] & people.present["region"]
    joined = total["snp"] + total["region"]
    expected = (joined / 2 if mode == "late" else joined)[complete]
    np.testing.assert_allclose(fitted.predict(people)[:, 0][complete], expected, atol=1e-5)
    epochs = 6 if mode == "fixed_teacher" else 3
    assert len(fitted.history) == epochs and fitted.history[0]["train_loss"] > 0


def test_a_risk_is_what_the_logit_loses_with_its_region(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, method("concatenation"))
    fitted = fit(fold)

    def logit(people: PreparedSubset) -> np.ndarray:
        bag = fitted.attributions(people)["region"]
        return bag.value.astype(float).sum(axis=1) + bag.baseline

    people = fold.held_out
    risk = fitted.attributions(people)["region"].value
    for region in range(3):
        moved = []
        for step in (-0.05, 0.05):
            regions = people.values["region"].copy()
            regions[:, region] *= 1 + step
            moved.append(logit(changed(people, "region", values=regions)))
        present = people.present["region"]
        slope = (moved[1] - moved[0])[present] / 0.1
        np.testing.assert_allclose(slope, risk[present, region], atol=2e-3)
        assert np.abs(slope).max() > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_modality_does_not_reach_the_score(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode))
    fitted = fit(fold)
    people = fold.held_out
    nobody = np.zeros(len(people), dtype=bool)
    without = changed(people, "region", present=nobody)
    moved = changed(without, "region", values=people.values["region"] + 7)
    np.testing.assert_array_equal(fitted.predict(without)[:, 0], fitted.predict(moved)[:, 0])
    shifted = changed(people, "region", values=people.values["region"] + 7)
    assert (
        (fitted.predict(shifted)[:, 0] != fitted.predict(people)[:, 0]) == people.present["region"]
    ).all()
    empty = changed(without, "snp", present=nobody)
    assert (
        np.unique(fitted.predict(empty)[:, 0]).size == 1
        and np.isfinite(fitted.predict(empty)[:, 0]).all()
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_replicate_does_not_depend_on_its_neighbours(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    folds = [
        prepare(
            cohort, method(mode), fold=number,
            modalities={"snp": {"selection": {"mode": "both", "maximum": limit}}},
        )
        for number, limit in ((0, 40), (1, 25))  # other people, other SNPs
    ]  # fmt: skip
    built = build(folds[0].options)
    fit_inputs = [inputs(fold, seed) for seed, fold in enumerate(folds)]
    together = built.fit_many(fit_inputs, device="cpu", progress=quiet)
    for joint, fit_input in zip(together, fit_inputs, strict=True):
        alone = built.fit(fit_input, device="cpu", progress=quiet)
        assert alone.best_epoch == joint.best_epoch
        for name, value in alone.weights.items():
            # Batched products may sum in another order: not the same bits, the same numbers.
            np.testing.assert_allclose(value, joint.weights[name], rtol=1e-3, atol=1e-4)
    first, second = (fitted.weights["encode.region.weight"] for fitted in together)
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize("mode", ["concatenation", "ogm_ge"])
def test_a_replicate_of_fewer_people_takes_fewer_steps(
    tmp_path: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(make_cohort(tmp_path, people=300, snps=20, genes=10), method(mode))
    built = build(fold.options)
    some = dataclasses.replace(inputs(fold, 2), train=fold.train.take(np.arange(50)))
    together = built.fit_many([inputs(fold, 1), some], device="cpu", progress=quiet)
    assert together[0].history[-1]["step"] > together[1].history[-1]["step"]
    alone = built.fit(some, device="cpu", progress=quiet)
    for name, value in alone.weights.items():
        np.testing.assert_allclose(value, together[1].weights[name], rtol=1e-3, atol=1e-4)


def test_networks_of_late_fusion_do_not_hear_of_each_other(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    optimisation = {"epochs": 1, "clip": 1e9}
    weights = {}
    for mode in ("late", "concatenation"):
        fold = prepare(cohort, method(mode), optimisation=optimisation)
        # A hundred times the measurements: a score that is far too large moves the other's step.
        louder = changed(fold.train, "region", values=100 * fold.train.values["region"])
        weights[mode] = [
            fit(dataclasses.replace(fold, train=train)).weights["encode.snp.weight"]
            for train in (fold.train, louder)
        ]
    np.testing.assert_array_equal(*weights["late"])
    assert (weights["concatenation"][0] != weights["concatenation"][1]).any()


def binary() -> Any:
    return task_of("diagnosis", BinaryOutcome())


def modulation(strength: float) -> tuple[torch.Tensor, torch.Tensor, list[str], torch.Tensor]:
    """Gradient before and after, names of its parts, and the noise; one replicate each way."""
    layout = Layout(FusionNet(4, {"snp": 50, "region": 30}, 1, late=False))
    random = torch.Generator().manual_seed(0)
    gradient = torch.randn(2, layout.width, generator=random)
    noise = torch.randn(2, layout.width, generator=random)
    # Replicate 0: imaging is right and sure, genetics undecided. Replicate 1: the other way. The
    # last two people do not count: one has no image, one is padding.
    y = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(2, 1)
    sure, undecided = 4 * (2 * y - 1), torch.zeros(2, 4)
    outputs = {
        "output_snp": torch.stack([undecided[0], sure[1]])[:, :, None],
        "output_region": torch.stack([sure[0], undecided[1]])[:, :, None],
    }
    outputs["output_snp"][:, 2:] = 100.0
    batch = {
        "target.case": y,
        "has_snp": torch.ones(2, 4),
        "has_region": torch.tensor([[1.0, 1.0, 0.0, 1.0]]).repeat(2, 1),
        "weight": torch.tensor([[1.0, 1.0, 1.0, 0.0]]).repeat(2, 1),
        "noise.gradient": noise,
    }
    after = modulate(gradient, outputs, batch, layout, binary(), ("snp", "region"), strength)
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
                initial, drawn = before[replicate, part], noise[replicate, part]
                expected = initial * (damped if bag == ahead else 1.0) + drawn * initial.std()
                torch.testing.assert_close(
                    after[replicate, part], expected.float(), rtol=1e-4, atol=1e-4
                )
    heads = [not name.startswith("encode") for name in names]
    torch.testing.assert_close(after[:, heads], before[:, heads], rtol=0, atol=0)


def test_modulation_reaches_the_weights(cohort: Path, prepare: Callable[..., Any]) -> None:
    weights = [
        fit(prepare(cohort, method(mode, **more))).weights["encode.snp.weight"]
        for mode, more in (
            ("concatenation", {}),
            ("ogm_ge", {"strength": 0.0}),
            ("ogm_ge", {"strength": 2.0}),
        )
    ]
    assert all((weights[a] != weights[b]).any() for a, b in ((0, 1), (1, 2)))


def test_a_teacher_teaches_only_where_it_is_right(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, method("fixed_teacher", temperature=2.0))
    built = build(fold.options)
    prepared = built.prepare(inputs(fold, 1))
    term = built.phases(built.network(prepared.architecture), [prepared.problem])[1].terms[
        "distillation"
    ]

    def cost(y: list[float], has_region: list[float], said: float) -> float:
        outputs = {}
        for name in ("snp", "region"):
            outputs[f"output_{name}"] = torch.full((2, 1), said)
            outputs[f"teacher.output_{name}"] = torch.full((2, 1), 3.0)
        batch = {
            "target.case": torch.tensor(y),
            "weight": torch.ones(2),
            "has_snp": torch.zeros(2),
            "has_region": torch.tensor(has_region),
        }
        return float(term.loss(Step(torch.nn.Module(), outputs, batch, {}, {})))

    assert cost([0.0, 0.0], [1.0, 1.0], -1.0) == 0  # says case of controls
    assert cost([1.0, 1.0], [0.0, 0.0], -1.0) == 0  # nobody has the modality
    assert cost([1.0, 1.0], [1.0, 1.0], 3.0) == pytest.approx(0, abs=1e-6)  # nothing to learn
    p, q = 1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(0.5))
    expected = 4 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert cost([1.0, 0.0], [1.0, 1.0], -1.0) == pytest.approx(expected, rel=1e-5)


def test_teachers_are_the_late_networks_and_stay_as_they_are(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    late = fit(prepare(cohort, method("late"))).weights
    fitted = fit(prepare(cohort, method("fixed_teacher")))
    taught = fitted.weights
    assert [line["phase"] for line in fitted.history] == ["modalities"] * 3 + ["fit"] * 3
    assert [line["epoch"] for line in fitted.history] == [1, 2, 3, 4, 5, 6]
    for name, value in late.items():
        np.testing.assert_array_equal(taught[f"teacher.{name}"], value)
    plain = fit(prepare(cohort, method("concatenation"))).weights
    deaf = fit(prepare(cohort, method("fixed_teacher", distillation=0.0))).weights
    for name, value in plain.items():
        np.testing.assert_array_equal(deaf[name], value)
    assert (taught["encode.snp.weight"] != plain["encode.snp.weight"]).any()


@pytest.mark.parametrize("interrupted_at", ["epoch 5", "phase fit", "epoch 11"])
def test_an_interrupted_fit_with_teachers_goes_on_to_the_same_weights(
    cohort: Path, prepare: Callable[..., Any], tmp_path: Path, interrupted_at: str
) -> None:
    fold = prepare(cohort, method("fixed_teacher"), optimisation={"epochs": 6, "patience": 6})
    whole = fit(fold)

    def stop(line: str) -> None:
        if line.startswith(interrupted_at):
            raise KeyboardInterrupt

    lines: list[str] = []
    checkpoint = Checkpoint(
        folder=tmp_path / "checkpoints", key="key", epochs_between=2, progress=lines.append
    )
    with pytest.raises(KeyboardInterrupt):
        fit(fold, progress=stop, checkpoint=checkpoint)
    again = fit(fold, checkpoint=checkpoint)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
    checkpoint.discard()
    assert not (tmp_path / "checkpoints").exists()
    (line,) = lines
    assert line.endswith("phase 2") == (interrupted_at != "epoch 5")


@pytest.mark.parametrize("mode", MODES)
def test_without_images_genetics_is_left(
    cohort: Path, prepare: Callable[..., Any], mode: str
) -> None:
    fold = prepare(cohort, method(mode))
    fitted = fit(fold.without("region"))
    assert set(fitted.attributions(fold.held_out)) == {"snp"}
    assert "nothing to fuse" in " ".join(fitted.notes)
    assert np.isfinite(fitted.predict(fold.held_out)[:, 0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_it_learns_what_was_planted(tmp_path: Path, prepare: Callable[..., Any], mode: str) -> None:
    planted = make_cohort(tmp_path, people=300, snps=60, genes=20, regions=8, imaged=0.8)
    y, logit, risk = [], [], []
    for number in range(2):
        fold = prepare(planted, method(mode, width=16), fold=number, optimisation={"epochs": 20})
        fitted = fit(fold)
        y.append(fold.held_out.outcome.case)
        logit.append(fitted.predict(fold.held_out)[:, 0])
        values = fitted.attributions(fold.held_out)["region"].value
        risk.append(np.nanmean(np.abs(values), axis=0))
    assert auc(np.concatenate(y), np.concatenate(logit)) > 0.65
    assert (
        fold.preparation.instances("region")["region"][int(np.mean(risk, axis=0).argmax())]
        == PLANTED_REGION
    )

"""GenDMR: risks that add up, evidence without its own people, replicates without neighbours."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gendmr.training.scores import auc

from factories import PLANTED_GENE, PLANTED_REGION, make_cohort
from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.engine.fit import Layout, Runner, State, choose_device
from gendmr.errors import TrainingError
from gendmr.methods import gendmr, ridge
from gendmr.methods.evidence import collect, imaging_risk
from gendmr.preprocessing.preparation import People, Preparation

SMALL = {"width": 8, "attention": 8, "heads": 2, "partitions": 2, "parts": 3}


def options(**method: Any) -> MethodOptions:
    return MethodOptions.parse(
        {
            "method": {"kind": "gendmr", **SMALL, **method},
            "adjustment": {"components": 2},
            "optimisation": {"epochs": 3},
        }
    )


def prepared(
    cohort: Path, chosen: MethodOptions, fold: int = 0
) -> tuple[Preparation, People, People, People]:
    view = FoldView.open(cohort, 0, fold)
    preparation = Preparation.fit(view, chosen)
    train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    view.seal()
    return preparation, train, validation, preparation.apply(view.held_out)


def quiet(line: str) -> None:
    return None


@pytest.mark.parametrize(
    "method",
    [
        {},
        {"evidence": "none", "position": "none"},
        {"evidence": "diagnosis", "position": "shuffled", "blocks": 1},
        {"position": "index"},
        {"modalities": ["snp"]},
    ],
    ids=str,
)
def test_risks_and_bias_add_up_to_the_logit_of_the_bag(
    cohort: Path, method: dict[str, Any]
) -> None:
    chosen = options(**method)
    preparation, train, validation, held_out = prepared(cohort, chosen)
    fitted = gendmr.build(chosen).fit(
        train, validation, preparation, seed=1, device="cpu", progress=quiet
    )
    bags = fitted.bags(held_out)
    assert set(bags) == set(method.get("modalities", ("snp", "region")))
    outputs = fitted._run(held_out, tuple(f"logit_{name}" for name in bags))
    for name, bag in bags.items():
        there = held_out.has_snp if name == "snp" else held_out.has_region
        total = bag.risk.astype(np.float64).sum(axis=1) + bag.bias
        np.testing.assert_allclose(total[there], outputs[f"logit_{name}"][there], atol=1e-5)
        assert np.isnan(bag.risk[~there]).all()
        np.testing.assert_allclose(bag.attention[there].sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(fitted.logits(held_out)).all()


def test_a_bag_that_is_missing_does_not_reach_the_score(cohort: Path) -> None:
    chosen = options()
    preparation, train, validation, held_out = prepared(cohort, chosen)
    fitted = gendmr.build(chosen).fit(
        train, validation, preparation, seed=1, device="cpu", progress=quiet
    )
    without = dataclasses.replace(held_out, has_region=np.zeros(len(held_out), dtype=bool))
    other = dataclasses.replace(without, regions=held_out.regions + 7)
    np.testing.assert_array_equal(fitted.logits(without), fitted.logits(other))
    seen = dataclasses.replace(held_out, regions=held_out.regions + 7)
    changed = fitted.logits(seen) != fitted.logits(held_out)
    assert (changed == held_out.has_region).all()


def test_evidence_for_a_part_does_not_use_its_people(tmp_path: Path) -> None:
    _, train, _, _ = prepared(make_cohort(tmp_path, imaged=1.0), options())

    def evidence(people: People) -> Any:
        return collect(
            people,
            parts=3,
            partitions=1,
            channels=("diagnosis", "imaging", "unexplained"),
            random=np.random.default_rng(0),
        )

    before = evidence(train)
    inside = before.part[0] == 0
    random = np.random.default_rng(1)
    dosage, regions = train.dosage.copy(), train.regions.copy()
    dosage[inside] = random.integers(0, 3, dosage[inside].shape)
    regions[inside] = (
        random.normal(size=regions[inside].shape) * train.has_region[inside][:, None, None]
    )
    after = evidence(dataclasses.replace(train, dosage=dosage, regions=regions))
    np.testing.assert_array_equal(before.snp[0, 0], after.snp[0, 0])
    np.testing.assert_array_equal(before.region[0, 0], after.region[0, 0])
    assert (before.snp[0, 1] != after.snp[0, 1]).any()
    assert before.snp[0, 0, :, 0].any() and before.imaging_people > 0


def test_imaging_risk_is_out_of_fold() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(100) % 2).astype(float)
    part = random.integers(0, 5, 100)
    noise = random.normal(size=(100, 300))  # more features than people: a fit in sample is perfect
    assert auc(y, imaging_risk(noise, y, part)) < 0.7
    noise[:, 0] += 3 * y
    assert auc(y, imaging_risk(noise[:, :20], y, part)) > 0.9


@pytest.mark.parametrize("features", [20, 150])
def test_imaging_risk_is_that_of_fits_without_the_part(features: int) -> None:
    random = np.random.default_rng(1)
    values, part = random.normal(size=(90, features)), random.integers(0, 4, 90)
    y = (values[:, 0] + random.normal(size=90) > 0).astype(float)
    centred = values - values.mean(axis=0)
    scores = {}
    for penalty in 90 * 10.0 ** np.arange(-2.0, 4.0):
        ridge = np.linalg.solve(centred.T @ centred + penalty * np.eye(features), centred.T)
        hat = 1 / 90 + centred @ ridge
        scores[penalty] = ((y - hat @ y) ** 2).sum() / (90 - np.trace(hat)) ** 2
    penalty = min(scores, key=lambda value: scores[value])
    expected = np.empty(90)
    for number in range(4):
        inside = part != number
        # An unpenalised intercept beside the features.
        design = np.column_stack([np.ones(90), values])
        weight = penalty * np.diag([0.0, *np.ones(features)])
        beta = np.linalg.solve(
            design[inside].T @ design[inside] + weight, design[inside].T @ y[inside]
        )
        expected[~inside] = design[~inside] @ beta
    found = imaging_risk(values, y, part)
    np.testing.assert_allclose(found, np.clip(expected, 0.02, 0.98), rtol=1e-6)


def stacked(cohort: Path, chosen: MethodOptions, seeds: list[int]) -> tuple[Any, ...]:
    method = gendmr.build(chosen)
    preparation, train, validation, _ = prepared(cohort, chosen)
    bags = ("snp", "region")
    made = [method.replicate(train, validation, preparation, bags, seed)[0] for seed in seeds]
    return method, made, bags


def test_a_replicate_does_not_depend_on_its_neighbours(cohort: Path) -> None:
    method, made, bags = stacked(cohort, options(), [1, 2, 3])
    together = method.fit_replicates(made, bags)
    for place, replicate in enumerate(made):
        alone = method.fit_replicates([replicate], bags)
        assert alone.best_epoch[0] == together.best_epoch[place]
        # Batched products may sum in another order: not the same bits, the same numbers.
        torch.testing.assert_close(alone.weights[0], together.weights[place], rtol=1e-3, atol=1e-4)
    assert (together.weights[0] - together.weights[1]).abs().max() > 0.01


def test_replicates_may_bring_other_people_and_other_snps(cohort: Path) -> None:
    """Padding of people and SNPs changes nothing that a replicate finds."""
    few = {"selection": {"per_gene": 1}}
    method, made = None, []
    for fold, extra in ((0, {}), (1, few)):
        chosen = MethodOptions.parse({**options(blocks=1).model_dump(), **extra})
        method = gendmr.build(chosen)
        preparation, train, validation, _ = prepared(cohort, chosen, fold)
        smaller = (
            train
            if fold
            else dataclasses.replace(
                train,
                **{
                    field.name: getattr(train, field.name)[:-5]
                    for field in dataclasses.fields(train)
                },
            )
        )
        made.append(
            method.replicate(smaller, validation, preparation, ("snp", "region"), 1 + fold)[0]
        )
    shapes = [len(item.fixed["snp_gene"]) for item in made]
    assert shapes[0] != shapes[1] and len(made[0].people["y"]) != len(made[1].people["y"])
    # Gradients of every step of an epoch: after many steps Adam blows up differences in rounding.
    together = gradients(method, made)
    for place in range(len(made)):
        alone = gradients(method, [made[place]])
        for (size, found), (own, expected) in zip(together[place], alone[0], strict=True):
            assert size == pytest.approx(own, rel=1e-5)
            for name, value in expected.items():
                shared = found[name][tuple(slice(count) for count in value.shape)]
                torch.testing.assert_close(shared, value, rtol=1e-3, atol=1e-6)


def test_a_replicate_of_fewer_people_takes_fewer_steps(tmp_path: Path) -> None:
    """Whether neighbours have more steps in an epoch changes nothing."""
    make_cohort(tmp_path, people=500, snps=30, genes=10)
    chosen = options(parts=2)
    method = gendmr.build(chosen)
    preparation, train, validation, _ = prepared(tmp_path, chosen)
    made = []
    for seed, count in ((1, len(train)), (2, 110)):
        some = gendmr._slice(train, 0, count)
        made.append(method.replicate(some, validation, preparation, ("snp", "region"), seed)[0])
    together = method.fit_replicates(made, ("snp", "region"))
    steps = [history[-1]["step"] for history in together.history]
    assert steps[0] > steps[1] == 6
    for place, replicate in enumerate(made):
        alone = method.fit_replicates([replicate], ("snp", "region"))
        # Adam blows up differences in rounding; a step more or less would be far larger.
        torch.testing.assert_close(alone.weights[0], together.weights[place], rtol=0, atol=3e-3)
        own, beside = alone.history[0][-1], together.history[place][-1]
        for name, value in own.items():
            assert beside[name] == pytest.approx(value, rel=1e-2, abs=1e-3), name


def gradients(method: Any, made: list[Any]) -> list[list[tuple[float, dict[str, torch.Tensor]]]]:
    """Return loss and gradient by replicate and by step of the first epoch, at the start."""
    task, network = method.task_of(made, ("snp", "region"), choose_device("cpu"))
    runner, state = Runner(network, task), State.start(network, task)
    scale = {extra.name: torch.tensor(1.0) for extra in network.auxiliary_losses}
    found: list[list[Any]] = [[] for _ in made]
    for batch in task.batches(1):
        weights = state.weights.requires_grad_(True)
        total, _, _, memory, _ = runner.losses(weights, batch, state, scale)
        (gradient,) = torch.autograd.grad(total.sum(), weights)
        state.weights = weights.detach()
        state.memory = memory
        for place, steps in enumerate(found):
            if batch["weight"][place].any():  # others of more people take further steps
                steps.append(
                    (float(total[place].detach()), runner.layout.unflatten(gradient[place]))
                )
    return found


@pytest.mark.parametrize("instances", [20, 200, 5000])
def test_attention_starts_as_even_as_its_bag_is_large(instances: int) -> None:
    random = torch.Generator().manual_seed(0)
    bag = gendmr.GatedBag(16, 32, 3, evidence=False)
    for value in bag.parameters():
        value.data.normal_(0, 0.2, generator=random)
    tokens = torch.randn(instances, 16, generator=random)
    attention = torch.softmax(bag.score(tokens), dim=0)
    entropy = -(attention * attention.log()).sum().item()
    assert entropy / math.log(instances) > 0.99


def test_a_gpu_that_is_not_there_is_a_named_error() -> None:
    if torch.cuda.is_available():
        assert choose_device("cuda").type == "cuda"
    else:
        with pytest.raises(TrainingError, match="no CUDA device"):
            choose_device("cuda")


def test_layout_takes_apart_what_it_put_together() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    layout = Layout(module)
    back = layout.unflatten(layout.flatten(module))
    for name, value in module.named_parameters():
        torch.testing.assert_close(back[name], value.detach())


def test_ridge_starts_without_torch(root: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gendmr.methods.ridge.method,"
        " gendmr.training.fold; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(root / "workflow")], check=True)


@pytest.mark.slow
def test_it_learns_what_was_planted(tmp_path: Path) -> None:
    """400 people, 62 with images, 1,500 SNPs: an odds ratio of 3 and eleven of 1.25 to 1.5.

    Rankings hold in each cohort, over its folds. The AUC of 62 people has a standard error of
    0.07, so that performance is judged over the cohorts together.
    """
    imaged, own, baseline = [], [], []
    for seed in range(2):
        cohort = make_cohort(
            tmp_path / str(seed), people=400, snps=1500, genes=300, regions=40, imaged=0.155,
            weak=11, effect=math.log(3), seed=seed, folds=4,
        )  # fmt: skip
        genes, regions, found = learn(cohort, folds=4)
        assert max(genes, key=genes.__getitem__) == PLANTED_GENE
        assert PLANTED_REGION in sorted(regions, key=regions.__getitem__)[-3:]
        score, beside, y, has_region = found.T
        imaged.append(auc(y[has_region == 1], score[has_region == 1]))
        own.append(auc(y, score))
        baseline.append(auc(y, beside))
    assert np.mean(imaged) > 0.62
    assert np.mean(own) > np.mean(baseline)


def learn(cohort: Path, folds: int) -> tuple[dict[str, float], dict[str, float], np.ndarray]:
    """Scores of genes and regions over folds; logits of GenDMR and ridge, diagnosis, imaging."""
    chosen = MethodOptions.parse({"method": {"kind": "gendmr"}, "optimisation": {}})
    beside = ridge.build(MethodOptions.parse({"method": {"kind": "ridge"}}))
    genes: dict[str, float] = {}
    regions: dict[str, float] = {}
    found = []
    for fold in range(folds):
        preparation, train, validation, held_out = prepared(cohort, chosen, fold)
        fitted, other = (
            method.fit(train, validation, preparation, seed=fold, device="cpu", progress=quiet)
            for method in (gendmr.build(chosen), beside)
        )
        bags = fitted.bags(held_out)
        for name, names, total in (
            ("snp", preparation.snps["gene"], genes),
            ("region", preparation.regions, regions),
        ):
            risk = bags[name].risk
            risk = risk[np.isfinite(risk).all(axis=1)]
            spread = np.abs(risk - risk.mean(axis=0)).mean(axis=0)
            for key, value in zip(names, spread, strict=True):
                total[key] = total.get(key, 0.0) + float(value)
        logits = (fitted.logits(held_out), other.logits(held_out))
        found.append(np.column_stack([*logits, held_out.diagnosis, held_out.has_region]))
    return genes, regions, np.concatenate(found)

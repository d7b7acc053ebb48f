"""GenDMR: risks that add up, evidence without its own people, replicates without neighbours."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from factories import PLANTED_GENE, PLANTED_REGION, make_cohort
from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.engine.batches import stack
from gendmr.engine.layout import Layout
from gendmr.engine.state import State
from gendmr.engine.together import TogetherStep
from gendmr.engine.training import PhaseTraining
from gendmr.errors import ConfigurationError
from gendmr.methods.base import FitInputs
from gendmr.methods.evidence import collect
from gendmr.methods.gendmr.attention import SLOPE_DECAY, GatedBag
from gendmr.methods.gendmr.method import Gendmr, build
from gendmr.methods.gendmr.network import TRUST
from gendmr.methods.network_method import PreparedFit
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator
from gendmr.statistics.classification import auc

SMALL = {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "partitions": 2, "parts": 3}
OUTCOMES = ["diagnosis", "stage", "memory", "conversion", "relapse"]


def inputs(fold: Any, seed: int = 1) -> FitInputs:
    return FitInputs(fold.train, fold.validation, fold.preparation, seed)


def changed(people: PreparedSubset, modality: str, **changes: np.ndarray) -> PreparedSubset:
    """Return people with other `values` or `present` of a modality."""
    return dataclasses.replace(
        people,
        **{name: {**getattr(people, name), modality: array} for name, array in changes.items()},
    )


def quiet(line: str) -> None:
    return None


@pytest.mark.parametrize(
    "method",
    [
        {},
        {"evidence": "none", "position": "none"},
        {"evidence": "outcome", "position": "shuffled", "blocks": 1},
        {"position": "index"},
        {"reads": ["snp"]},
        {"design": "network"},
        {"design": "network", "evidence": "all", "blocks": 1},
    ],
    ids=str,
)
def test_risks_and_bias_add_up_to_the_output_of_the_bag(
    cohort: Path, prepare: Callable[..., Any], method: dict[str, Any]
) -> None:
    fold = prepare(cohort, {**SMALL, **method})
    check_sums(fold, set(method.get("reads", ("snp", "region"))))


@pytest.mark.parametrize("outcome", OUTCOMES[1:])
def test_they_add_up_for_every_outcome(
    planted: Path, prepare: Callable[..., Any], outcome: str
) -> None:
    fold = prepare(planted, {**SMALL, "blocks": 1}, outcome=outcome, epochs=2)
    fitted = check_sums(fold, {"snp", "region"})
    assert fitted.predict(fold.held_out).shape == (len(fold.held_out), fold.task.n_outputs)


def check_sums(fold: Any, names: set[str]) -> Any:
    """Fit; compare attributions with what the bags say, contrasted by the task."""
    fitted, people = fold.fit(), fold.held_out
    attributions = fitted.attributions(people)
    assert set(attributions) == names
    batches = [outputs for outputs, _ in fitted.outputs(people)]
    contrast = fold.task.contrast(fitted.predict(people))
    for name, attribution in attributions.items():
        present = people.present[name]
        output = torch.cat([outputs[f"output_{name}"] for outputs in batches]).double().numpy()
        expected = (output * contrast).sum(axis=1)
        total = attribution.value.astype(np.float64).sum(axis=1) + attribution.baseline
        np.testing.assert_allclose(total[present], expected[present], atol=1e-5)
        assert (
            np.isnan(attribution.value[~present]).all()
            and np.abs(attribution.value[present]).max() > 0
        )
        assert attribution.attention is not None
        np.testing.assert_allclose(attribution.attention[present].sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(fitted.predict(people)).all()
    return fitted


@pytest.mark.parametrize("outcome", ["diagnosis", "stage"])
def test_evidence__is_what_training_and_validation_people_say(
    planted: Path, prepare: Callable[..., Any], outcome: str
) -> None:
    fold = prepare(planted, SMALL, outcome=outcome)
    method = build(fold.options)
    evidence = method.evidence(inputs(fold))
    everybody = fold.train.joined(fold.validation)
    random = generator(inputs(fold).seed, "evidence")
    z = collect(everybody, fold.task, method.cross_fitting, random)
    for name, of_all in (("snp", z.snp_all), ("region", z.region_all)):
        expected = 0.5 * (np.asarray(TRUST[name])[:, None] * of_all**2).sum(axis=1).max(axis=1)
        np.testing.assert_allclose(evidence[name], expected, rtol=1e-3, atol=1e-5)
        assert expected.max() > 1
    assert set(evidence) == {"snp", "region"}
    without = prepare(planted, SMALL | {"evidence": "none"}, outcome=outcome)
    assert build(without.options).evidence(inputs(without)) == {}


def test_intervals_of_time_share_a_risk_and_have_a_level_each(
    planted: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(planted, SMALL, outcome="relapse", epochs=2)
    fitted = fold.fit()
    for outputs, _ in fitted.outputs(fold.held_out):
        output = outputs["output_snp"]
        torch.testing.assert_close(
            output - output[:, :1],
            (output - output[:, :1])[:1].expand_as(output),
            rtol=0,
            atol=1e-5,
        )
    assert fitted.weights["snp.bias"].shape == (fold.task.n_outputs,)
    assert len(set(fitted.weights["snp.bias"].tolist())) == fold.task.n_outputs


@pytest.mark.parametrize("outcome", ["stage", "memory", "conversion"])
def test_modalities_teach_each_other_whatever_the_outcome(
    planted: Path, prepare: Callable[..., Any], outcome: str
) -> None:
    fold = prepare(planted, SMALL, outcome=outcome, epochs=3)
    line = fold.fit().history[-1]
    groups = sorted(set(fold.task.groups(fold.train.outcome)))
    shares = {name: value for name, value in line.items() if name.startswith("lead_")}
    for group in groups:
        leads = [shares.pop(f"lead_{name}_{group}") for name in ("region", "snp", "none")]
        assert sum(leads) == pytest.approx(1, abs=1e-5)
        # A partial likelihood says nothing of those without an event by themselves.
        assert (max(leads[:2]) > 0) == (group != "censored")
    assert not shares and line["distillation"] > 0 and line["contrast"] > 0


def test_a_bag_that_is_missing_does_not_reach_the_score(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(cohort, SMALL)
    fitted, people = fold.fit(), fold.held_out
    nobody = np.zeros(len(people), dtype=bool)
    shifted = people.values["region"] + 7
    without = changed(people, "region", present=nobody)
    np.testing.assert_array_equal(
        fitted.predict(without), fitted.predict(changed(without, "region", values=shifted))
    )
    with_shift = changed(people, "region", values=shifted)
    moved = (fitted.predict(with_shift) != fitted.predict(people))[:, 0]
    assert (moved == people.present["region"]).all()


def prepared_fits(folds: list[Any]) -> tuple[Gendmr, list[PreparedFit]]:
    built = build(folds[0].options)
    return built, [
        build(fold.options).prepare(inputs(fold, seed)) for seed, fold in enumerate(folds, start=1)
    ]


def test_a_replicate_does_not_depend_on_its_neighbours(
    cohort: Path, prepare: Callable[..., Any]
) -> None:
    built, fits = prepared_fits([prepare(cohort, SMALL)] * 3)
    _, together = built.fit_prepared(fits)
    for place, fit in enumerate(fits):
        _, alone = built.fit_prepared([fit])
        assert alone.best_epoch[0] == together.best_epoch[place]
        # Batched products may sum in another order: not the same bits, the same numbers.
        torch.testing.assert_close(alone.weights[0], together.weights[place], rtol=1e-3, atol=1e-4)
    assert (together.weights[0] - together.weights[1]).abs().max() > 0.01


@pytest.mark.parametrize("outcome", ["diagnosis", "stage", "conversion"])
def test_together_and_apart_are_the_same_training(
    planted: Path, prepare: Callable[..., Any], outcome: str
) -> None:
    class Apart(Gendmr):
        replicates = "apart"

    fold = prepare(planted, SMALL, outcome=outcome, epochs=2)
    built, fits = prepared_fits([fold, fold])
    _, together = built.fit_prepared(fits)
    _, apart = Apart(built.options, fold.options).fit_prepared(fits)
    torch.testing.assert_close(apart.weights, together.weights, rtol=1e-3, atol=3e-4)
    for ours, theirs in zip(together.history, apart.history, strict=True):
        assert ours[0] == pytest.approx(theirs[0], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("design", ["evidence", "network"])
def test_replicates_may_bring_other_people_and_other_snps(
    cohort: Path, prepare: Callable[..., Any], design: str
) -> None:
    """Padding of people and SNPs changes nothing that a replicate finds."""
    method = {**SMALL, "design": design, "blocks": 1}
    first = prepare(cohort, method)
    first = dataclasses.replace(first, train=first.train.take(np.arange(len(first.train) - 5)))
    few = {"snp": {"selection": {"per_gene": 1}}}
    built, fits = prepared_fits([first, prepare(cohort, method, fold=1, modalities=few)])
    shapes = [len(fit.problem.fixed["snp_gene"]) for fit in fits]
    assert shapes[0] != shapes[1] and len(fits[0].problem.train) != len(fits[1].problem.train)
    # Gradients of every step of an epoch: after many steps Adam blows up differences in rounding.
    together = gradients(built, fits)
    for place, fit in enumerate(fits):
        (alone,) = gradients(built, [fit])
        for (size, gradient), (expected_loss, expected) in zip(together[place], alone, strict=True):
            assert size == pytest.approx(expected_loss, rel=1e-5)
            for name, value in expected.items():
                shared = gradient[name][tuple(slice(count) for count in value.shape)]
                torch.testing.assert_close(shared, value, rtol=1e-3, atol=1e-6)


def gradients(
    built: Gendmr, made: list[PreparedFit]
) -> list[list[tuple[float, dict[str, torch.Tensor]]]]:
    """Return loss and gradient by replicate and by step of the first epoch, at the start."""
    networks = [built.network(fit.architecture) for fit in made]
    for module, fit in zip(networks, made, strict=True):
        built.reset(module, fit.problem.seed)
    largest = max(made, key=lambda one: one.architecture.sizes["gene"]).architecture
    module = built.network(largest)
    layout = Layout(module)
    problems = [fit.problem for fit in made]
    (phase,) = built.phases(module, problems)
    training = PhaseTraining(
        built, module, problems, phase, built.optimisation, "together", torch.device("cpu"),
        named=False,
    )  # fmt: skip
    assert isinstance(training.step, TogetherStep)
    weights = torch.stack([layout.flatten(network) for network in networks])
    state: State
    state, _ = training.start(weights, stack([{} for _ in made]))
    state.epoch = 1
    scale = {name: torch.tensor(1.0) for name in phase.terms}
    by_replicate: list[list[Any]] = [[] for _ in made]
    for place, step in enumerate(training.steps(1)):
        result = training.step.take(state, step, place, scale)
        state.memory = {name: value.detach() for name, value in result.memory.items()}
        for number, piece in enumerate(step.pieces):
            if piece is not None:  # others of more people take further steps
                gradient = layout.unflatten(result.gradient[number])
                by_replicate[number].append((float(result.total[number]), gradient))
    return by_replicate


def test_a_replicate_of_fewer_people_takes_fewer_steps(
    tmp_path: Path, prepare: Callable[..., Any]
) -> None:
    """Whether neighbours have more steps in an epoch changes nothing."""
    make_cohort(tmp_path, people=500, snps=30, genes=10)
    fold = prepare(tmp_path, {**SMALL, "parts": 2})
    some = dataclasses.replace(fold, train=fold.train.take(np.arange(110)))
    built, fits = prepared_fits([fold, some])
    _, together = built.fit_prepared(fits)
    steps = [history[-1]["step"] for history in together.history]
    assert steps[0] > steps[1] == 6
    for place, fit in enumerate(fits):
        _, alone = built.fit_prepared([fit])
        # Adam blows up differences in rounding; a step more or less would be far larger.
        torch.testing.assert_close(alone.weights[0], together.weights[place], rtol=0, atol=3e-3)
        alone_epoch, together_epoch = alone.history[0][-1], together.history[place][-1]
        for name, value in alone_epoch.items():
            assert together_epoch[name] == pytest.approx(value, rel=1e-2, abs=1e-3), name


@pytest.mark.parametrize("instances", [20, 200, 5000])
def test_attention_starts_as_even_as_its_bag_is_large(instances: int) -> None:
    random = torch.Generator().manual_seed(0)
    bag = GatedBag(16, 32, 3, 1, 1, evidence=False)
    for value in bag.parameters():
        value.data.normal_(0, 0.2, generator=random)
    tokens = torch.randn(instances, 16, generator=random)
    attention = torch.softmax(bag.score(tokens), dim=0)
    entropy = -(attention * attention.log()).sum().item()
    assert entropy / math.log(instances) > 0.99


def test_slopes__are_believed_as_the_two_group_model_believes_their_z() -> None:
    bag = GatedBag(8, 8, 3, 1, 1, evidence=False, slopes=(4, 2))
    bag.start((0.3, 0.15, 0.05), 3.0, (0.6, 0.3, 0.1))
    u = np.array([[0.0, 0.1], [0.5, -0.5], [0.9, -0.2], [1.4, -2.0]])  # the last are out of range
    with torch.no_grad():
        bag.slope.copy_(torch.from_numpy(u[..., None] / SLOPE_DECAY))
        slopes = bag.slopes(torch.tensor(11.0))[..., 0].double().numpy()
    for row in range(4):
        for column in range(2):
            bounded = float(np.clip(u[row, column], -0.999, 0.999))
            z = bounded / math.sqrt(1 - bounded**2) * math.sqrt(11.0)
            probability = 1 / (1 + math.exp(3.0 - z**2 / 2))
            assert slopes[row, column] == pytest.approx(bounded * probability, rel=1e-3, abs=1e-6)


def test_network__finds_without_evidence_what_was_planted(
    planted: Path, prepare: Callable[..., Any]
) -> None:
    fold = prepare(planted, {**SMALL, "design": "network"}, epochs=15)
    fitted = fold.fit()
    case = fold.held_out.outcome.case
    assert auc(case, fitted.predict(fold.held_out)[:, 0]) > 0.75
    assert not fitted.fixed["snp_z"].any() and not fitted.fixed["region_z"].any()
    for name, key, instance in (
        ("snp", "gene", PLANTED_GENE),
        ("region", "region", PLANTED_REGION),
    ):
        risk = fitted.attributions(fold.held_out)[name].value
        risk = risk[np.isfinite(risk).all(axis=1)]
        spread = np.abs(risk - risk.mean(axis=0)).mean(axis=0)
        assert fold.preparation.instances(name)[key].to_numpy()[spread.argmax()] == instance


def test_a_width_that_the_heads_do_not_divide_is_refused_when_the_study_is_read() -> None:
    section = {**SMALL, "heads": 3}
    with pytest.raises(ConfigurationError, match="width: 8 is no multiple of heads: 3"):
        GendmrMethod.parse(section)
    for change in ({"heads": 2}, {"width": 9}):
        GendmrMethod.parse({**section, **change})


def test_ridge_starts_without_torch(root: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gendmr.methods.ridge.method,"
        " gendmr.training.fold; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(root / "workflow")], check=True)


@pytest.mark.slow
def test_it_learns_what_was_planted(tmp_path: Path, prepare: Callable[..., Any]) -> None:
    """400 people, 62 with images, 1,500 SNPs: an odds ratio of 3 and eleven of 1.25 to 1.5.

    Rankings hold in each cohort, over its folds. The AUC of 62 people has a standard error of
    0.07, so that performance is judged over the cohorts together.
    """
    imaged, overall, baseline = [], [], []
    for seed in range(2):
        cohort = make_cohort(
            tmp_path / str(seed), people=400, snps=1500, genes=300, regions=40, imaged=0.155,
            weak=11, effect=math.log(3), seed=seed, folds=4,
        )  # fmt: skip
        genes, regions, rows = learn(prepare, cohort, folds=4)
        assert max(genes, key=genes.__getitem__) == PLANTED_GENE
        assert PLANTED_REGION in sorted(regions, key=regions.__getitem__)[-3:]
        score, ridge, y, has_region = rows.T
        imaged.append(auc(y[has_region == 1], score[has_region == 1]))
        overall.append(auc(y, score))
        baseline.append(auc(y, ridge))
    assert np.mean(imaged) > 0.62
    assert np.mean(overall) > np.mean(baseline)


def learn(
    prepare: Callable[..., Any], cohort: Path, folds: int
) -> tuple[dict[str, float], dict[str, float], np.ndarray]:
    """Scores of genes and regions over folds; logits of GenDMR and ridge, diagnosis, imaging."""
    scores: dict[str, dict[str, float]] = {"snp": {}, "region": {}}
    rows = []
    for number in range(folds):
        fold = prepare(cohort, {"kind": "gendmr"}, fold=number, optimisation={})
        people = fold.held_out
        fitted = fold.fit(seed=number)
        ridge = prepare(cohort, {"kind": "ridge"}, fold=number).fit(seed=number)
        attributions = fitted.attributions(people)
        for name, key in (("snp", "gene"), ("region", "region")):
            risk = attributions[name].value
            risk = risk[np.isfinite(risk).all(axis=1)]
            spread = np.abs(risk - risk.mean(axis=0)).mean(axis=0)
            names = fold.preparation.instances(name)[key]
            for instance, value in zip(names, spread, strict=True):
                scores[name][instance] = scores[name].get(instance, 0.0) + float(value)
        output = [model.predict(people)[:, 0] for model in (fitted, ridge)]
        rows.append(np.column_stack([*output, people.outcome.case, people.present["region"]]))
    return scores["snp"], scores["region"], np.concatenate(rows)

"""What baselines without a network share."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_REGION, PLANTED_SNP
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.methods.additive import fit_scores
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.tasks.binary.outcome import CaseStatus
from outcomes import SECTIONS, simulate_table
from studies import OUTCOMES

LOCUS = {"kind": "locus", "interval": "19:1-2000000"}
METHODS: dict[str, dict[str, Any]] = {
    "ridge": {"kind": "ridge"},
    "locus": LOCUS,
    "polygenic": {"kind": "polygenic"},
    "association": {"kind": "association"},
    "association-both": {"kind": "association", "channels": "both"},
}
# A score for three classes would need three slopes: `polygenic` does not learn them.
COMBINATIONS = [
    (name, outcome)
    for name in METHODS
    for outcome in OUTCOMES
    if (name, outcome) != ("polygenic", "stage")
]
every_combination = pytest.mark.parametrize(("name", "outcome"), COMBINATIONS)
Prepare = Callable[..., Any]


@pytest.fixture(scope="module")
def fitted_fold(planted: Path, prepare: Prepare) -> Callable[[str, str], tuple[Any, Any]]:
    """``fitted_fold("ridge", "memory")``: the first fold and what was fitted, once."""
    done: dict[tuple[str, str], tuple[Any, Any]] = {}

    def fit(name: str, outcome: str) -> tuple[Any, Any]:
        if (name, outcome) not in done:
            fold = prepare(planted, METHODS[name], outcome=outcome)
            done[name, outcome] = fold, fold.fit()
        return done[name, outcome]

    return fit


def strongest(attributions: Any, modality: str, preparation: Any) -> str:
    """Return the instance with the largest mean |value - its mean| over people."""
    value = attributions[modality].value
    value = value[np.isfinite(value).all(axis=1)].astype(float)
    spread = np.abs(value - value.mean(axis=0)).mean(axis=0)
    return str(preparation.instances(modality)[modality].iloc[int(spread.argmax())])


@every_combination
def test_planted_instances_are_found(fitted_fold: Any, name: str, outcome: str) -> None:
    fold, fitted = fitted_fold(name, outcome)
    attributions = fitted.attributions(fold.held_out)
    assert set(attributions) == set(fold.preparation.reads)
    assert strongest(attributions, "snp", fold.preparation) == PLANTED_SNP
    if "region" in attributions:
        assert strongest(attributions, "region", fold.preparation) == PLANTED_REGION


@every_combination
def test_held_out_people_are_predicted_better_than_by_chance(
    fitted_fold: Any, name: str, outcome: str
) -> None:
    fold, fitted = fitted_fold(name, outcome)
    output = fitted.predict(fold.held_out)
    assert output.shape == (len(fold.held_out), fold.task.n_outputs)
    chance = 0.0 if outcome == "memory" else 0.5  # of Pearson's r, and of areas and concordances
    assert fold.task.score(output, fold.held_out.outcome) > chance + 0.1


@every_combination
def test_values_and_baseline_add_up_to_the_part_of_the_output(
    fitted_fold: Any, name: str, outcome: str
) -> None:
    """The contrast of the output is the baseline, the values of all modalities, and covariates."""
    fold, fitted = fitted_fold(name, outcome)
    people = fold.held_out
    output = fitted.predict(people)
    contrast = fold.task.contrast(output)
    intercept = contrast @ fitted.intercept
    total = intercept.copy()
    for modality, attribution in fitted.attributions(people).items():
        present = people.present[modality]
        assert (~present).any()
        assert (
            np.isnan(attribution.value[~present]).all()
            and np.isnan(attribution.baseline[~present]).all()
        )
        np.testing.assert_allclose(
            attribution.baseline[present], intercept[present], rtol=1e-5, atol=1e-6
        )
        assert attribution.attention is not None
        np.testing.assert_allclose(attribution.attention[present].sum(axis=1), 1, atol=1e-5)
        share = getattr(fitted, "share", {}).get(modality, 1.0)
        total[present] += share * attribution.value[present].sum(axis=1, dtype=float)
    if name != "ridge":
        total += (contrast * (people.covariates @ fitted.covariates)).sum(axis=1)
    # Missing modalities are the training mean in ridge: 0 in SDs, up to the mean of those who lack
    # them; what is left of it is the centre that ridge subtracts.
    everything = np.all([people.present[modality] for modality in fold.preparation.reads], axis=0)
    assert everything.any()
    score = (contrast * output).sum(axis=1)
    if name == "ridge":
        covariates = (people.covariates - fitted.centre[-people.covariates.shape[1] :]) / (
            fitted.scale[-people.covariates.shape[1] :]
        )
        width = people.covariates.shape[1]
        total += (contrast * (covariates @ fitted.coefficients[-width:])).sum(axis=1)
    np.testing.assert_allclose(total[everything], score[everything], atol=2e-5)


@every_combination
def test_people_without_a_modality_have_finite_outputs(
    fitted_fold: Any, name: str, outcome: str
) -> None:
    fold, fitted = fitted_fold(name, outcome)
    for modality in fold.preparation.reads:
        without = ~fold.held_out.present[modality]
        assert np.isfinite(fitted.predict(fold.held_out)[without]).all()
    if name == "locus":
        # Nothing but covariates is known of them.
        expected = fitted.intercept + fold.held_out.covariates @ fitted.covariates
        without = ~fold.held_out.present["snp"]
        np.testing.assert_allclose(fitted.predict(fold.held_out)[without], expected[without])


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("name", ["ridge", "association", "locus"])
def test_one_instance_and_one_region_are_enough(
    planted: Path, prepare: Prepare, name: str, outcome: str
) -> None:
    method = METHODS[name] | ({"snps": [PLANTED_SNP]} if name == "locus" else {})
    selection = {"genes": ["APOE"], "per_gene": 1}
    fold = prepare(planted, method, outcome=outcome, modalities={"snp": {"selection": selection}})
    assert len(fold.preparation.instances("snp")) == 1
    attributions = fold.fit().attributions(fold.held_out)
    value = attributions["snp"].value[fold.held_out.present["snp"]]
    assert value.shape[1] == 1 and np.isfinite(value).all() and value.std() > 0


@every_combination
def test_validation_people_change_nothing_that_is_learned(
    planted: Path, prepare: Prepare, fitted_fold: Any, name: str, outcome: str
) -> None:
    fold, before = fitted_fold(name, outcome)
    reverse = np.arange(len(fold.validation))[::-1]
    shuffled = dataclasses.replace(
        fold.validation,
        outcome=fold.validation.outcome.take(reverse),
        values={modality: value[::-1] for modality, value in fold.validation.values.items()},
    )
    shuffled = dataclasses.replace(
        shuffled, outcome=shuffled.outcome.take(np.roll(np.arange(len(shuffled)), 3))
    )
    after = dataclasses.replace(fold, validation=shuffled).fit()
    assert before.weights.keys() == after.weights.keys()
    for key, value in before.weights.items():
        np.testing.assert_array_equal(value, after.weights[key])
    assert before.history != after.history


@pytest.mark.parametrize("kind", ["locus", "polygenic", "association", "ridge"])
def test_a_baseline_starts_without_torch(root: Path, kind: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import gendmr.methods.{kind}.method;"
        " sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(root / "workflow")], check=True)


def binary(case: np.ndarray) -> tuple[Any, CaseStatus]:
    """Return a fitted task of cases and controls, and the outcome."""
    outcome = CaseStatus(case.astype(np.int64))
    return task_of("diagnosis", BinaryOutcome()).fit(outcome), outcome


def test_a_score_that_falls_with_the_outcome_is_left_out() -> None:
    random = np.random.default_rng(0)
    y = np.arange(200) % 2
    task, outcome = binary(y)
    covariate = random.normal(size=(200, 1)) * 50 + y[:, None] * 40 + 1000
    good, bad = y + random.normal(size=200), -y + random.normal(size=200)
    scores = np.column_stack([good, bad])[:, :, None]
    coefficients, slopes, intercept = fit_scores(task, covariate, outcome, scores)
    assert coefficients[0, 0] > 0 and slopes[0] > 0 and slopes[1] == 0
    alone = fit_scores(task, covariate, outcome, scores[:, :1])
    assert intercept[0] == alone[2][0] and slopes[0] == alone[1][0]
    logit = intercept[0] + covariate @ coefficients[:, 0] + good * slopes[0]
    assert auc(y, logit) > auc(y, good)
    residual = task.weights(outcome) * (y - 1 / (1 + np.exp(-logit)))
    assert residual.sum() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_slopes_of_scores_are_where_the_loss_is_smallest(kind: str) -> None:
    """Of any number of outputs: no other multiple of the slopes fits better."""
    random = np.random.default_rng(3)
    signal, noise = random.normal(size=(2, 400))
    task = task_of("outcome", SECTIONS[kind])
    table = simulate_table(kind, 1.5 * signal, random)
    outcome = task.read(task.parse(table, "participants.tsv").columns, "participants.tsv")
    task = task.fit(outcome)
    # A score for each output, as the statistics of its own phenotype would make it.
    direction = np.linspace(-1, 1, 3) if kind == "multiclass" else np.ones(task.n_outputs)
    scores = np.stack([signal, -signal, noise], axis=1)[:, :, None] * direction
    nothing = np.zeros((400, 0))
    _, slopes, intercept = fit_scores(task, nothing, outcome, scores)
    assert slopes[0] > 0.3 and slopes[1] == pytest.approx(0, abs=1e-9) and slopes[2] < 0.3

    def loss(factor: float) -> float:
        output = intercept + factor * np.einsum("nso,s->no", scores, slopes)
        return float((task.weights(outcome) * task.losses(output, outcome)).sum())

    # The linear model of `discrete` is one of proportional hazards: near the best one of its loss.
    factors = (0.5, 2.0) if kind == "discrete" else (0.5, 0.8, 1.3, 2.0)
    assert loss(1.0) < min(map(loss, factors))


def test_features_that_do_not_vary_and_separated_classes_stay_finite() -> None:
    task, outcome = binary(np.array([0, 0, 0, 1, 1, 1]))
    separates = np.column_stack([np.full(6, 7.0), 10.0 * outcome.case])
    coefficients, _, intercept = fit_scores(task, separates, outcome, np.zeros((6, 1, 1)))
    assert coefficients[0, 0] == 0 and 0 < coefficients[1, 0] < 1 and np.isfinite(intercept)

"""What every kind of task owes to the rest of the workflow."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gendmr.config.outcomes import KINDS
from gendmr.errors import FoldError, OutcomeError
from gendmr.tasks import figures_of, kinds, task_of
from outcomes import SECTIONS, simulate_table

PARTS = np.array(["train"] * 200 + ["validation"] * 100 + ["held-out"] * 100, dtype=object)
SEED = 20


@pytest.fixture(params=sorted(SECTIONS))
def kind(request):
    return request.param


@pytest.fixture
def task(kind):
    return task_of("outcome", SECTIONS[kind])


def columns_of(task, table):
    return {suffix: column.astype(object) for suffix, column in table.items()}


def simulated(kind, task, strength=1.5, people=400, seed=SEED):
    """Return a signal and the outcome that grows with it."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=people)
    table = simulate_table(kind, strength * signal, rng)
    return signal, task.read(task.parse(table, "participants.tsv").columns, "participants.tsv")


def output_of(task, outcome, seed=1):
    """Return an output (person, n_outputs) that knows nothing."""
    return np.random.default_rng(seed).normal(size=(len(outcome), task.n_outputs))


def predicted(task, outcome, output, method_seed=0):
    """Return a fitted task and rows of predictions.tsv of all people, split as in `PARTS`."""
    train, validation = PARTS == "train", PARTS == "validation"
    fitted = task.fit(outcome.take(train))
    calibration = fitted.calibrate(
        output[validation], outcome.take(validation), output[train], outcome.take(train)
    )
    assert json.loads(json.dumps(calibration)) == calibration
    rows = fitted.predictions(output, outcome, calibration)
    return fitted, rows


def as_held_out(rows, repeats=1):
    """Return rows as the report gets them."""
    people = [f"p{number:04}" for number in range(len(rows))]
    tables = [
        rows.assign(
            participant_id=people, repeat=repeat, fold=np.arange(len(rows)) % 3, modalities="snp"
        )
        for repeat in range(repeats)
    ]
    return pd.concat(tables, ignore_index=True)


def same(left, right):
    return all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f")
        for a, b in zip(vars(left).values(), vars(right).values(), strict=True)
    )


def test_every_kind_has_a_section_and_every_section_a_task():
    assert kinds() == sorted(KINDS)
    # Masks are no numbers of a table: test_tasks_segmentation.py has what they owe.
    assert {section.kind for section in SECTIONS.values()} == set(KINDS) - {"segmentation"}


def test_given_survives_a_table_of_ours(kind, task, tmp_path):
    from gendmr.files.tables import read_table, write_table

    table = simulate_table(kind, np.random.default_rng(0).normal(size=60), np.random.default_rng(1))
    assert set(task.wanted()) <= set(table)
    table.loc[[3, 7], list(task.wanted())] = "n/a"
    result = task.parse(table, "participants.tsv")
    assert list(result.columns) == list(task.stored)
    assert set(np.flatnonzero(result.reason != "")) == {3, 7}
    named = result.columns.rename(columns=lambda suffix: f"x_{suffix}")
    write_table(tmp_path / "ours.tsv", named)
    kinds_of = {f"x_{suffix}": stored for suffix, stored in task.stored.items()}
    typed = read_table(tmp_path / "ours.tsv", kinds_of)
    text = read_table(tmp_path / "ours.tsv", dict.fromkeys(kinds_of, "text"))
    outcome = task.read({suffix: text[f"x_{suffix}"] for suffix in task.stored}, "ours.tsv")
    assert same(outcome, task.read({s: typed[f"x_{s}"] for s in task.stored}, "ours.tsv"))
    assert same(outcome, task.read(result.columns, "ours.tsv"))
    assert np.array_equal(outcome.known, result.reason == "")
    assert set(task.describe()) == set(task.stored)


def test_own_table_that_was_damaged_is_refused(task):
    damaged = {suffix: pd.Series(["???", "n/a"]) for suffix in task.stored}
    with pytest.raises(OutcomeError, match=r"ours\.tsv"):
        task.read(damaged, "ours.tsv")


def test_whole_outcomes_change_hands(kind, task):
    _, outcome = simulated(kind, task)
    order = np.random.default_rng(2).permutation(len(outcome))
    moved = outcome.permute(order)
    for field, values in vars(outcome).items():
        if isinstance(values, np.ndarray):
            assert np.array_equal(vars(moved)[field], values[order])
    assert np.array_equal(moved.strata(), outcome.strata()[order])
    assert np.array_equal(task.groups(moved), task.groups(outcome)[order])
    assert same(moved.permute(np.argsort(order)), outcome)
    some = outcome.take(np.arange(len(outcome)) % 2 == 0)
    assert len(some) == 200 and same(some, outcome.take(np.arange(0, 400, 2)))


def test_fit_takes_from_training_people_alone(kind, task):
    _, outcome = simulated(kind, task)
    order = np.arange(len(outcome))
    order[200:] = order[200:][::-1]  # other people outside of training
    train = PARTS == "train"
    constants = task.fit(outcome.take(train)).constants()
    permuted = task.fit(outcome.permute(order).take(train)).constants()
    assert constants.keys() == permuted.keys()
    assert all(np.array_equal(constants[name], permuted[name]) for name in constants)


def test_losses_with_and_without_torch_are_the_same(kind, task):
    import torch

    _, outcome = simulated(kind, task)
    fitted = task.fit(outcome)
    output = 3 * output_of(task, outcome)
    target = {name: torch.as_tensor(value) for name, value in fitted.target(outcome).items()}
    weight = torch.ones(len(outcome))
    loss = fitted.loss(torch.as_tensor(output), target, weight)
    assert loss.shape == (len(outcome),)
    assert np.allclose(loss.numpy(), fitted.losses(output, outcome), rtol=1e-6, atol=1e-6)


def test_padding_changes_no_other_loss(kind, task):
    import torch

    _, outcome = simulated(kind, task)
    fitted = task.fit(outcome)
    output = torch.as_tensor(output_of(task, outcome)).requires_grad_()
    target = {name: torch.as_tensor(value) for name, value in fitted.target(outcome).items()}
    weight = torch.ones(len(outcome)).index_fill(0, torch.arange(300, 400), 0)
    loss = fitted.loss(output, target, weight)
    alone = fitted.losses(output.detach().numpy()[:300], outcome.take(np.arange(300)))
    assert np.allclose(loss.detach().numpy()[:300], alone, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad((loss * weight).sum(), output)
    assert torch.isfinite(gradient).all()
    assert not gradient[300:].any()


def test_losses_of_many_replicates_are_those_of_each(kind, task):
    import torch

    _, outcome = simulated(kind, task, people=50)
    fitted = task.fit(outcome)
    rng = np.random.default_rng(3)
    orders = [rng.permutation(50) for _ in range(4)]
    targets = [fitted.target(outcome.permute(order)) for order in orders]
    stacked = {n: torch.as_tensor(np.stack([t[n] for t in targets])) for n in targets[0]}
    output = torch.as_tensor(rng.normal(size=(4, 50, task.n_outputs)), dtype=torch.float32)
    weight = torch.ones(4, 50).index_fill(1, torch.tensor([48, 49]), 0)
    together = torch.func.vmap(fitted.loss)(output, stacked, weight)
    for number in range(4):
        replicate = {name: values[number] for name, values in stacked.items()}
        apart = fitted.loss(output[number], replicate, weight[number])
        assert torch.allclose(together[number], apart, rtol=1e-5, atol=1e-6)


def test_losses_are_finite_at_extreme_outputs(kind, task):
    import torch

    _, outcome = simulated(kind, task)
    fitted = task.fit(outcome)
    output = (300 * torch.as_tensor(output_of(task, outcome), dtype=torch.float32)).requires_grad_()
    target = {name: torch.as_tensor(value) for name, value in fitted.target(outcome).items()}
    loss = fitted.loss(output, target, torch.ones(len(outcome)))
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    assert torch.isfinite(loss).all() and torch.isfinite(gradient).all()
    assert np.isfinite(fitted.losses(output.detach().numpy(), outcome)).all()


def test_predictions_have_the_declared_columns(kind, task):
    _, outcome = simulated(kind, task)
    _, rows = predicted(task, outcome, output_of(task, outcome))
    assert list(rows) == list(task.columns)
    for name, stored in task.columns.items():
        expected = {"text": "O", "number": "f", "integer": "i"}[stored]
        assert np.asarray(rows[name]).dtype.kind == expected, name
    assert rows.notna().all(axis=None)


def test_predictions_are_told_of_people_without_an_outcome(kind, task):
    _, outcome = simulated(kind, task)
    fitted, _ = predicted(task, outcome, output_of(task, outcome))
    train = PARTS == "train"
    output = output_of(task, outcome)
    calibration = fitted.calibrate(
        output[train], outcome.take(train), output[train], outcome.take(train)
    )
    missing = {
        suffix: pd.Series(["n/a", "n/a"]) if stored == "text" else pd.Series([np.nan, np.nan])
        for suffix, stored in task.stored.items()
    }
    nobody = task.read(missing, "participants.tsv")
    assert not nobody.known.any()
    assert not fitted.weights(nobody).any()
    rows = fitted.predictions(output[:2], nobody, calibration)
    assert list(rows) == list(task.columns)


def values_of(fitted, rows):
    train, held_out = rows[PARTS == "train"], rows[PARTS == "held-out"]
    return {
        metric.name: metric.of(held_out, train) if metric.needs_train else metric.of(held_out)
        for metric in fitted.metrics
    }


def test_metrics_are_at_chance_for_noise_and_better_for_the_truth(kind, task):
    draws: dict[str, list[float]] = {}
    gains: dict[str, list[float]] = {}
    for seed in range(20):
        signal, outcome = simulated(kind, task, seed=seed)
        fitted, rows = predicted(task, outcome, output_of(task, outcome, seed + 100))
        noise = values_of(fitted, rows)
        assert np.isfinite(list(noise.values())).all(), noise
        features = np.column_stack([signal, np.random.default_rng(seed).normal(size=400)])
        train = PARTS == "train"
        slope, level = fitted.linear(features[train], outcome.take(train), 1.0)
        assert slope.shape == (2, task.n_outputs) and level.shape == (task.n_outputs,)
        _, rows = predicted(task, outcome, features @ slope + level)
        truth = values_of(fitted, rows)
        for metric in fitted.metrics:
            if metric.spread:
                assert metric.spread[0] <= truth[metric.name] <= metric.spread[1]
            draws.setdefault(metric.name, []).append(noise[metric.name])
            gains.setdefault(metric.name, []).append(truth[metric.name] - noise[metric.name])
    for metric in fitted.metrics:
        assert (np.mean(gains[metric.name]) > 0) == (metric.better == "higher"), metric.name
        # R² of predictions that vary is below that of the mean.
        if metric.chance is not None and metric.name != "r2":
            error = np.std(draws[metric.name], ddof=1) / np.sqrt(20)
            assert abs(np.mean(draws[metric.name]) - metric.chance) < 4 * error, metric.name


def test_pooled_people_are_sorted_and_have_an_interval(kind, task):
    signal, outcome = simulated(kind, task)
    weight = np.linspace(-1, 1, task.n_outputs) if kind == "multiclass" else np.ones(task.n_outputs)
    _, rows = predicted(task, outcome, signal[:, None] * weight)
    rows = as_held_out(rows, repeats=2).sample(frac=1, random_state=0)
    pooled = task.pool(rows)
    assert pooled["participant_id"].tolist() == sorted(rows["participant_id"].unique())
    assert set(task.columns) | {"participant_id", "modalities"} == set(pooled)
    primary = task.metrics[0]
    assert not primary.needs_train
    low, high = task.interval(pooled, np.random.default_rng(0))
    assert low < primary.of(pooled) < high < low + 0.2
    again = task.interval(pooled, np.random.default_rng(0))
    assert (low, high) == again
    # Two repeats with the same predictions are as many people as one.
    once = task.pool(rows[rows["repeat"] == 0])
    assert task.interval(once, np.random.default_rng(0)) == pytest.approx((low, high))


def test_attributions_are_of_a_sum_of_outputs(kind, task):
    _, outcome = simulated(kind, task)
    output = output_of(task, outcome)
    contrast = task.contrast(output)
    assert contrast.shape == output.shape
    explained = (output * contrast).sum(axis=1)
    shifted = (task.contrast(output + 1) * (output + 1)).sum(axis=1)
    # One more in all outputs is one more, or nothing where outputs are logits of classes.
    assert np.allclose(shifted - explained, 0 if kind == "multiclass" else 1)


def test_splits_that_cannot_be_judged_are_refused(kind, task):
    _, outcome = simulated(kind, task)
    task.check_parts(outcome, PARTS, "repeat 0, fold 3")
    alone = np.flatnonzero(task.groups(outcome) == task.groups(outcome)[-1])
    if kind in {"cox", "discrete"}:
        alone = np.flatnonzero(~outcome.event)
    held_out = PARTS.copy()
    held_out[held_out == "held-out"] = "nobody"
    held_out[alone[:1]] = "held-out"
    with pytest.raises(FoldError, match="repeat 0, fold 3"):
        task.check_parts(outcome, held_out, "repeat 0, fold 3")
    task.check_groups(outcome, np.arange(400), 5)
    with pytest.raises(FoldError, match="2 independent groups, too few for 5 folds"):
        task.check_groups(outcome, np.arange(400) % 2, 5)


def test_notes_are_silent_where_all_can_be_told(kind, task):
    _, outcome = simulated(kind, task)
    assert task.notes(outcome, "held-out") == []
    _, rows = predicted(task, outcome, output_of(task, outcome))
    assert "n/a" not in task.summary(rows)
    assert "n/a" in task.summary(rows.head(1))


def test_phenotypes_know_nothing_of_the_covariates(kind, task):
    signal, outcome = simulated(kind, task)
    covariates = np.column_stack([signal, np.random.default_rng(4).normal(size=400)])
    residual = task.phenotypes(outcome, covariates)
    assert residual.shape == (400, 3 if kind == "multiclass" else 1)
    assert np.abs(residual.mean(axis=0)).max() < 1e-6
    assert np.abs(covariates.T @ residual).max() < 1e-4 * 400
    plain = task.phenotypes(outcome, np.zeros((400, 0)))
    assert np.abs(np.corrcoef(signal, plain.T)[0, 1:]).max() > 0.4


@pytest.mark.parametrize("methods", [1, 5])
def test_figures_are_drawn_for_any_number_of_methods(kind, task, methods, tmp_path):
    from PIL import Image

    signal, outcome = simulated(kind, task)
    predictions = {}
    for number in range(methods):
        output = output_of(task, outcome, number) + 0.5 * signal[:, None]
        predictions[f"method {number}"] = as_held_out(predicted(task, outcome, output)[1], 2)
    assert figures_of(task)
    for figure in figures_of(task):
        path = tmp_path / f"{figure.name}.png"
        figure.draw(predictions, path)
        assert min(Image.open(path).size) > 300
        assert path.with_suffix(".svg").stat().st_size > 1000
        assert figure.caption.endswith(".")


def test_figures_of_nobody_say_so(kind, task, tmp_path):
    _, outcome = simulated(kind, task)
    rows = as_held_out(predicted(task, outcome, output_of(task, outcome))[1]).head(0)
    for figure in figures_of(task):
        figure.draw({"method": rows}, tmp_path / f"{figure.name}.png")
        assert (tmp_path / f"{figure.name}.svg").is_file()


def test_the_page_of_outcomes_names_every_metric(kind, task, root):
    page = (root / "docs" / "reference" / "outcomes.md").read_text()
    assert f"## `{task.kind}`" in page
    section = page.split(f"## `{task.kind}`")[1].split("\n## ")[0]
    for metric in task.metrics:
        assert f"`{metric.name}`" in section
    primary = next(line for line in section.splitlines() if "**Primary**" in line)
    assert primary.startswith(f"| `{task.metrics[0].name}`")

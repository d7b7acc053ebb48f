"""The table of metrics of a method, from folds whose answers are known; nothing is retrained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gendmr.config.outcomes import parse_outcome
from gendmr.errors import InputFileError, TableError, TrainingError
from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table, write_table
from gendmr.statistics.intervals import nadeau_bengio
from gendmr.tasks import task_of
from gendmr.tasks.base import Metric, Task
from gendmr.training.commands import group
from gendmr.training.evaluate import collect_metrics, evaluate, read_folds
from outcomes import SECTIONS, simulate_table

COLUMNS = {"repeat": "text", "fold": "text", "metric": "text", "value": "number"}
BINARY = task_of("diagnosis", parse_outcome('{"kind": "binary"}', where="test"))
Row = tuple[str, int, float, str]


def write_fold(
    folder: Path, repeat: int, fold: int, rows: list[Row], *, method: str = "m", n_train: int = 8
) -> Path:
    """Of (participant, observed, score, modalities) held out; one more person was trained on."""
    place = folder / f"repeat-{repeat}" / f"fold-{fold}"
    described = {"method": method, "repeat": repeat, "fold": fold, "n_train": n_train}
    write_json(place / "fold.json", described | {"n_held_out": 2})
    table = pd.DataFrame(
        [*rows, ("trained on", 1, 0.0, "snp")],
        columns=["participant_id", "observed", "score", "modalities"],
    )
    table["set"] = ["held-out"] * len(rows) + ["train"]
    table["logit"], table["predicted"] = 0.0, (table["score"] >= 0.5).astype(int)
    order = ["participant_id", "set", "modalities", *BINARY.columns]
    write_table(place / "predictions.tsv", table[order])
    return place


def collect(
    folders: list[Path], output: Path, *, task: Task = BINARY, seed: int = 3
) -> pd.Series[float]:
    collect_metrics(folders, output, method="m", task=task, seed=seed)
    table = read_table(output, COLUMNS, extra=True)  # type: ignore[arg-type]
    assert (table["method"] == "m").all()
    return table.set_index(["metric", "repeat", "fold"])["value"]


def test_scores_of_repeats_are_averaged_over_people_before_they_are_pooled(tmp_path: Path) -> None:
    # In each repeat one case is below a control; the mean over repeats puts both above.
    first = [("01", 1, 0.9, "snp"), ("02", 1, 0.2, "snp"), ("03", 0, 0.3, "snp")]
    second = [("01", 1, 0.2, "snp"), ("02", 1, 0.9, "snp"), ("03", 0, 0.3, "snp")]
    folders = [write_fold(tmp_path, 0, 0, first), write_fold(tmp_path, 1, 0, second)]
    values = collect(folders, tmp_path / "metrics.tsv")
    assert values["auc", "n/a", "mean"] == values["auc", "0", "0"] == 0.5
    assert values["auc", "n/a", "pooled"] == 1.0


def test_metrics_of_folds_are_those_of_their_held_out_people(tmp_path: Path) -> None:
    rows = [("1", 1, 0.9, "snp"), ("2", 0, 0.6, "snp"), ("3", 1, 0.4, "snp"), ("4", 0, 0.1, "snp")]
    values = collect([write_fold(tmp_path, 0, 0, rows)], tmp_path / "metrics.tsv")
    expected = {
        "auc": 0.75, "balanced_accuracy": 0.5, "accuracy": 0.5, "sensitivity": 0.5,
        "specificity": 0.5, "f1": 0.5, "auprc": 5 / 6, "mcc": 0.0,
        "brier": np.mean([0.01, 0.36, 0.36, 0.01]), "auc:snp": 0.75,
    }  # fmt: skip
    measured = {name: values[name, "0", "0"] for name in expected}
    assert measured == pytest.approx(expected)
    assert {metric for metric, _, _ in values.index} == set(expected)


def test_pooled_metrics_by_what_is_present(tmp_path: Path) -> None:
    rows = [
        ("1", 1, 0.9, "snp+region"), ("2", 1, 0.1, "snp+region"), ("3", 1, 0.4, "snp"),
        ("4", 0, 0.2, "snp+region"), ("5", 1, 0.8, "snp"), ("6", 0, 0.3, "snp"),
        ("7", 0, 0.5, "snp"), ("8", 1, 0.5, "region"),
    ]  # fmt: skip
    folders = [
        write_fold(tmp_path, 0, 0, rows[:3]),  # one class: no AUC in this fold
        write_fold(tmp_path, 0, 1, rows[3:]),
        write_fold(tmp_path, 0, 2, [("9", 1, 0.2, "none"), ("10", 0, 0.4, "none")]),
    ]
    values = collect(folders, tmp_path / "metrics.tsv")
    assert values["auc:snp+region", "n/a", "pooled"] == 0.5
    assert values["auc:snp", "n/a", "pooled"] == 0.75
    assert values["auc:snp", "0", "1"] == 1.0 and np.isnan(values["auc:snp", "0", "0"])
    assert ("auc:snp", "0", "2") not in values.index
    assert np.isnan(values["auc:region", "n/a", "pooled"])  # a single case
    assert np.isnan(values["auc:region", "n/a", "pooled_low"])
    assert np.isnan(values["auc", "0", "0"]) and values["auc", "0", "2"] == 0.0
    fold = values["auc", "0", "1"]
    assert fold == pytest.approx(5.5 / 6)
    assert values["auc", "n/a", "mean"] == pytest.approx(fold / 2)  # of the folds that have one
    low, high = values["auc", "n/a", "low"], values["auc", "n/a", "high"]
    assert (low, high) == (0, 1)  # the t interval of two folds, -6.7 to 7.6, ends where an AUC does


def test_collect_metrics__gives_the_interval_of_nadeau_and_bengio(tmp_path: Path) -> None:
    def people(lowest: float) -> list[tuple[str, int, float, str]]:
        controls = [(f"{lowest}c{i}", 0, i / 100, "snp") for i in range(100)]
        return [*controls, (f"{lowest}p", 1, lowest, "snp")]

    folders = [write_fold(tmp_path, 0, fold, people(0.595 + fold / 100)) for fold in range(5)]
    values = collect(folders, tmp_path / "metrics.tsv")
    aucs = np.array([0.60, 0.61, 0.62, 0.63, 0.64])
    assert [values["auc", "0", str(fold)] for fold in range(5)] == pytest.approx(aucs)
    interval = values["auc", "n/a", "low"], values["auc", "n/a", "high"]
    shares = json.loads((folders[0] / "fold.json").read_text())
    ratio = shares["n_held_out"] / shares["n_train"]
    assert interval == pytest.approx(nadeau_bengio(aucs, ratio)[1:])


def test_same_seed_same_intervals(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [(f"{i}", i % 2, float(random.uniform() + 0.2 * (i % 2)), "snp") for i in range(150)]
    folders = [write_fold(tmp_path, 0, 0, rows)]
    first = collect(folders, tmp_path / "a.tsv")
    collect(folders, tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    other_seed = collect(folders, tmp_path / "c.tsv", seed=4)
    assert first["auc", "n/a", "pooled"] == other_seed["auc", "n/a", "pooled"]
    assert first["auc", "n/a", "pooled_low"] != other_seed["auc", "n/a", "pooled_low"]
    low, high = first["auc", "n/a", "pooled_low"], first["auc", "n/a", "pooled_high"]
    assert low < first["auc", "n/a", "pooled"] < high
    assert np.isnan(first["auc", "n/a", "low"])  # one fold has no interval


def test_folds_are_told_in_their_order_whatever_the_order_of_the_folders(tmp_path: Path) -> None:
    rows = [("1", 1, 0.9, "snp"), ("2", 0, 0.1, "snp")]
    folders = [write_fold(tmp_path, r, k, rows) for r, k in ((1, 0), (0, 1), (0, 0), (1, 1))]
    collect(folders, tmp_path / "a.tsv")
    collect(folders[::-1], tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    keys = [(fold.described["repeat"], fold.described["fold"])
            for fold in read_folds(folders, "m", BINARY)]  # fmt: skip
    assert keys == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_every_kind_of_outcome_has_its_metrics(tmp_path: Path, kind: str) -> None:
    """Also those that need the training people of a fold: they are told per fold, never pooled."""
    task = task_of("outcome", SECTIONS[kind])
    random = np.random.default_rng(2)
    signal = random.normal(size=300)
    table = simulate_table(kind, 1.5 * signal, random)
    outcome = task.read(task.parse(table, "participants.tsv").columns, "participants.tsv")
    role = np.repeat(["train", "validation", "held-out"], 100)
    fitted = task.fit(outcome.take(role == "train"))
    weight = np.linspace(-1, 1, 3) if kind == "multiclass" else np.ones(task.n_outputs)
    output = signal[:, None] * weight
    calibration = fitted.calibrate(
        output[100:200],
        outcome.take(role == "validation"),
        output[:100],
        outcome.take(role == "train"),
    )
    predictions = fitted.predictions(output, outcome, calibration)
    predictions.insert(0, "participant_id", [f"{number:03d}" for number in range(300)])
    predictions.insert(1, "set", role)
    predictions.insert(2, "modalities", ["snp", "snp+region"] * 150)
    write_table(tmp_path / "fold/predictions.tsv", predictions)
    described = {"method": "m", "repeat": 0, "fold": 0, "n_train": 100, "n_held_out": 100}
    write_json(tmp_path / "fold/fold.json", described)
    values = collect([tmp_path / "fold"], tmp_path / "metrics.tsv", task=task)
    held_out, train = predictions[200:], predictions[:100]
    for metric in task.metrics:
        expected = metric.of(held_out, train) if metric.needs_train else metric.of(held_out)
        assert values[metric.name, "0", "0"] == pytest.approx(expected, rel=1e-4), metric.name
        assert evaluate(metric, held_out, train) == expected
    primary = task.metrics[0].name
    pooled = {metric for metric, _, fold in values.index if fold == "pooled"}
    assert pooled == {primary, f"{primary}:snp", f"{primary}:snp+region"}
    assert values[primary, "n/a", "pooled"] == pytest.approx(values[primary, "0", "0"])


def test_a_new_metric_reads_the_predictions_that_are_there(tmp_path: Path) -> None:
    rows = [("1", 1, 0.9, "snp"), ("2", 0, 0.1, "snp")]
    folder = write_fold(tmp_path, 0, 0, rows)
    before = (folder / "predictions.tsv").stat().st_mtime_ns

    class More:
        """The task with one metric more."""

        metrics = (
            *BINARY.metrics,
            Metric("people", "people", "higher", lambda held_out, train: len(held_out) + len(train),
                   needs_train=True),
        )  # fmt: skip

        def __getattr__(self, name: str) -> Any:
            return getattr(BINARY, name)

    values = collect([folder], tmp_path / "metrics.tsv", task=More())  # type: ignore[arg-type]
    assert values["people", "0", "0"] == 3
    assert (folder / "predictions.tsv").stat().st_mtime_ns == before


def test_folds_that_are_missing_twice_or_of_another_method_are_errors(tmp_path: Path) -> None:
    rows = [("1", 1, 0.9, "snp"), ("2", 0, 0.1, "snp")]
    first = write_fold(tmp_path, 0, 0, rows)
    second = write_fold(tmp_path / "other", 0, 1, rows, method="n")
    output = tmp_path / "metrics.tsv"
    with pytest.raises(InputFileError, match="no folds of m were given"):
        collect([], output)
    with pytest.raises(InputFileError, match=r"fold\.json: no such file"):
        collect([first, tmp_path / "nowhere"], output)
    with pytest.raises(TrainingError, match="1 folders are not of m"):
        collect([first, second], output)
    with pytest.raises(TrainingError, match="1 folds were given twice"):
        collect([first, first], output)
    (first / "predictions.tsv").write_text("participant_id\tset\n1\ttrain\n")
    with pytest.raises(TableError, match="modalities"):
        collect([first], output)
    assert not output.exists()


def test_predictions_of_another_task_are_an_error(tmp_path: Path) -> None:
    folder = write_fold(tmp_path, 0, 0, [("1", 1, 0.9, "snp"), ("2", 0, 0.1, "snp")])
    memory = task_of("memory", SECTIONS["quantitative"])
    with pytest.raises(TableError, match=r"score|logit"):
        collect([folder], tmp_path / "metrics.tsv", task=memory)


def arguments(output: Path, *folders: Path) -> list[str]:
    return [
        "metrics", "--method", "m", "--outcome", "diagnosis", "--task", '{"kind": "binary"}',
        "--seed", "3", "--output", str(output), *map(str, folders),
    ]  # fmt: skip


def test_the_command_writes_what_the_function_does(tmp_path: Path) -> None:
    folder = write_fold(tmp_path, 0, 0, [("1", 1, 0.9, "snp"), ("2", 0, 0.1, "snp")])
    result = CliRunner().invoke(group, arguments(tmp_path / "a.tsv", folder))
    assert result.exit_code == 0, result.output
    collect([folder], tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_metrics_are_told_without_torch(tmp_path: Path, root: Path, kind: str) -> None:
    """A table of numbers costs no second of loading what trains networks."""
    command = arguments(tmp_path / "out.tsv", tmp_path / "nowhere")
    command[6] = SECTIONS[kind].dump()
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        " from gendmr.training.commands import group; from gendmr.errors import InputFileError;\n"
        "try:\n    group(json.loads(sys.argv[2]), standalone_mode=False)\n"
        "except InputFileError:\n    pass\nelse:\n    sys.exit(3)\n"
        "sys.exit('torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(root / "workflow"), json.dumps(command)]
    subprocess.run(words, check=True)

"""The table of metrics of a method, from folds whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table, write_table
from gendmr.training.metrics import collect_metrics, nadeau_bengio

COLUMNS = {"repeat": "text", "fold": "text", "metric": "text", "value": "number"}


def write_fold(
    folder: Path, repeat: int, fold: int, rows: list[tuple[str, int, float, str]], auc: float | None
) -> Path:
    """Of (participant, diagnosis, score, modalities) held out; one more person was trained on."""
    place = folder / f"repeat-{repeat}" / f"fold-{fold}"
    patterns = {row[3]: {"n": 1, "auc": auc} for row in rows}
    write_json(
        place / "metrics.json",
        {
            "method": "m", "repeat": repeat, "fold": fold, "n_train": 8, "n_held_out": 2,
            "held_out": {"auc": auc, "brier": 0.25}, "by_modality": patterns,
        },
    )  # fmt: skip
    table = pd.DataFrame(
        [*rows, ("trained on", 1, 0.0, "snp")],
        columns=["participant_id", "diagnosis", "score", "modalities"],
    )
    table["set"] = ["held-out"] * len(rows) + ["train"]
    table["logit"], table["predicted"] = 0.0, 0
    write_table(place / "predictions.tsv", table)
    return place


def collect(folders: list[Path], output: Path, seed: int = 3) -> pd.DataFrame:
    collect_metrics(folders, output, method="m", seed=seed)
    table = read_table(output, COLUMNS, extra=True)  # type: ignore[arg-type]
    return table.set_index(["metric", "repeat", "fold"])["value"]


def test_scores_of_repeats_are_averaged_over_people_before_they_are_pooled(tmp_path: Path) -> None:
    # In each repeat one case is below a control; the mean over repeats puts both above.
    first = [("01", 1, 0.9, "snp"), ("02", 1, 0.2, "snp"), ("03", 0, 0.3, "snp")]
    second = [("01", 1, 0.2, "snp"), ("02", 1, 0.9, "snp"), ("03", 0, 0.3, "snp")]
    folders = [write_fold(tmp_path, 0, 0, first, 0.5), write_fold(tmp_path, 1, 0, second, 0.5)]
    found = collect(folders, tmp_path / "metrics.tsv")
    assert found["auc", "n/a", "mean"] == 0.5
    assert found["auc", "n/a", "pooled"] == 1.0


def test_pooled_aucs_by_what_is_present(tmp_path: Path) -> None:
    rows = [
        ("1", 1, 0.9, "snp+region"), ("2", 0, 0.1, "snp+region"),
        ("3", 1, 0.4, "snp"), ("4", 0, 0.6, "snp"), ("5", 0, 0.3, "snp"),
        ("6", 1, 0.5, "region"),
    ]  # fmt: skip
    folders = [
        write_fold(tmp_path, 0, 0, rows[:3], None),  # one class: no AUC in this fold
        write_fold(tmp_path, 0, 1, rows[3:], 0.75),
        write_fold(tmp_path, 0, 2, [], 0.25),
    ]
    found = collect(folders, tmp_path / "metrics.tsv")
    assert found["auc:snp+region", "n/a", "pooled"] == 1.0
    assert found["auc:snp", "n/a", "pooled"] == 0.5
    assert np.isnan(found["auc:region", "n/a", "pooled"])  # a single case
    assert np.isnan(found["auc:region", "n/a", "pooled_low"])
    assert np.isnan(found["auc", "0", "0"])
    assert found["auc", "n/a", "mean"] == 0.5  # of the folds that have one
    low, high = found["auc", "n/a", "low"], found["auc", "n/a", "high"]
    assert (low, high) == pytest.approx(nadeau_bengio(np.array([0.25, 0.75]), 2 / 8)[1:])


def test_same_seed_same_intervals(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [(f"{i}", i % 2, float(random.uniform() + 0.2 * (i % 2)), "snp") for i in range(150)]
    folders = [write_fold(tmp_path, 0, 0, rows, 0.7)]
    first = collect(folders, tmp_path / "a.tsv")
    collect(folders, tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    other = collect(folders, tmp_path / "c.tsv", seed=4)
    assert first["auc", "n/a", "pooled"] == other["auc", "n/a", "pooled"]
    assert first["auc", "n/a", "pooled_low"] != other["auc", "n/a", "pooled_low"]
    assert np.isnan(first["auc", "n/a", "low"])  # one fold has no interval


def test_interval_of_nadeau_and_bengio_covers_the_mean_of_overlapping_folds() -> None:
    """Folds that share their training people vary together: the naive interval is too short."""
    random = np.random.default_rng(1)
    covered = {0.0: 0, 0.25: 0}
    draws = 2000
    for _ in range(draws):
        # Correlation n_test / (n_test + n_train) = 0.2 between folds, as the correction assumes.
        folds = np.sqrt(0.2) * random.normal() + np.sqrt(0.8) * random.normal(size=5)
        for ratio in covered:
            _, low, high = nadeau_bengio(folds, ratio)
            covered[ratio] += low < 0 < high
    assert covered[0.25] / draws == pytest.approx(0.95, abs=0.015)
    assert covered[0.0] / draws < 0.88

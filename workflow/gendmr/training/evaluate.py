"""Metrics of a method over its folds, from its predictions: means with intervals, and pooled.

No fold is fitted for a metric: a new one reads the predictions that are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import InputFileError, TrainingError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.seeds import generator
from gendmr.statistics.intervals import nadeau_bengio
from gendmr.tasks.base import Metric, Task
from gendmr.training.agreement import check_agreement

FIRST: dict[str, Kind] = {"participant_id": "text", "set": "text", "modalities": "text"}
HELD_OUT, TRAIN = "held-out", "train"


@dataclass(frozen=True)
class FoldResult:
    """What a fold left: fold.json and predictions.tsv."""

    described: Mapping[str, Any]
    predictions: pd.DataFrame

    @property
    def held_out(self) -> pd.DataFrame:
        """Rows of held-out people, with `repeat` and `fold`."""
        rows = self.predictions[self.predictions["set"] == HELD_OUT]
        return rows.assign(repeat=self.described["repeat"], fold=self.described["fold"])

    @property
    def train(self) -> pd.DataFrame:
        """Rows of the people that were trained on."""
        return self.predictions[self.predictions["set"] == TRAIN]


def collect_metrics(
    folders: Sequence[Path | str], output: Path | str, *, method: str, task: Task, seed: int
) -> None:
    """Write `training/<method>/metrics.tsv`.

    Rows per fold; `fold` = `mean`, `low`, `high` (95 % interval of the mean, `nadeau_bengio`,
    within the range of the metric: a t interval of few folds knows no bounds, an AUC ends at 1);
    and `pooled`, `pooled_low`, `pooled_high`: the primary metric of held-out people of all folds,
    scores averaged over repeats, with a 95 % bootstrap interval over participants.
    `<metric>:<modalities>` is the primary metric among the people who have just these modalities.

    Raises
    ------
    InputFileError
        A fold's result is missing.
    TrainingError
        The folders hold another method, or one fold twice.
    """
    results = read_folds(folders, method, task)
    rows: list[dict[str, Any]] = []
    values_of: dict[str, list[float]] = {}
    shares = []
    for result in results:
        described = result.described
        shares.append(described["n_held_out"] / max(described["n_train"], 1))
        for metric, value in _of_fold(result, task):
            place = str(described["repeat"]), str(described["fold"])
            rows.append(_row(method, *place, metric, value))
            values_of.setdefault(metric, []).append(value)
    spreads = {metric.name: metric.spread for metric in task.metrics}
    for metric, values in values_of.items():
        interval = nadeau_bengio(np.array(values), float(np.mean(shares)))
        spread = spreads[metric.partition(":")[0]]
        mean, low, high = interval if spread is None else np.clip(interval, *spread)
        for name, value in (("mean", mean), ("low", low), ("high", high)):
            rows.append(_row(method, "n/a", name, metric, value))
    people = task.pool(pd.concat([result.held_out for result in results], ignore_index=True))
    primary = task.metrics[0]
    subsets = {primary.name: people}
    for pattern in sorted(people["modalities"].unique()):
        subsets[f"{primary.name}:{pattern}"] = people[people["modalities"] == pattern]
    for metric, part in subsets.items():
        low, high = task.interval(part, generator(seed, "metrics", method, metric))
        for name, value in (
            ("pooled", primary.of(part)),
            ("pooled_low", low),
            ("pooled_high", high),
        ):
            rows.append(_row(method, "n/a", name, metric, value))
    write_table(output, pd.DataFrame(rows))


def _of_fold(result: FoldResult, task: Task) -> Iterator[tuple[str, float]]:
    """Give the metrics of a fold, and the primary one by pattern of modalities."""
    rows, train = result.held_out, result.train
    for metric in task.metrics:
        yield metric.name, evaluate(metric, rows, train)
    primary = task.metrics[0]
    for pattern, part in rows.groupby("modalities", sort=True):
        yield f"{primary.name}:{pattern}", evaluate(primary, part, train)


def evaluate(metric: Metric, rows: pd.DataFrame, train: pd.DataFrame) -> float:
    """Return a metric of some rows of predictions, NaN where it cannot be told."""
    return float(metric.of(rows, train) if metric.needs_train else metric.of(rows))


def read_folds(folders: Sequence[Path | str], method: str, task: Task) -> list[FoldResult]:
    """Return the results of all folds of a method, by repeat and fold.

    Raises
    ------
    InputFileError
        A fold's result is missing.
    TrainingError
        The folders hold another method, or one fold twice.
    FoldError
        Folds were made of different files or settings.
    """
    if not folders:
        raise InputFileError(
            f"no folds of {method} were given",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    check_agreement([Path(folder) for folder in folders])
    results = []
    for folder in folders:
        path = Path(folder) / "fold.json"
        if not path.is_file():
            raise InputFileError(
                f"{path}: no such file",
                cause="the fold has not been trained, or its job failed",
                next_step=f"look into its log; snakemake --cores 2 {path} --configfile CONFIG",
            )
        columns = {**FIRST, **task.columns}
        table = read_table(Path(folder) / "predictions.tsv", columns)
        results.append(FoldResult(read_json(path), table))
    wrong = [
        str(folder)
        for folder, result in zip(folders, results, strict=True)
        if result.described["method"] != method
    ]
    if wrong:
        raise TrainingError(f"{len(wrong)} folders are not of {method}: {first_few(wrong)}")
    results.sort(key=lambda result: (result.described["repeat"], result.described["fold"]))
    keys = [(result.described["repeat"], result.described["fold"]) for result in results]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise TrainingError(f"{len(twice)} folds were given twice: {first_few(twice)}")
    return results


def _row(method: str, repeat: str, fold: str, metric: str, value: float) -> dict[str, Any]:
    return {"method": method, "repeat": repeat, "fold": fold, "metric": metric, "value": value}

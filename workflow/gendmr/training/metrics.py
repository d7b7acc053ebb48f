"""Metrics of a method over its folds: means with intervals, and pooled over people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import InputFileError, TrainingError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table, write_table
from gendmr.seeds import generator
from gendmr.training.scores import auc

BOOTSTRAPS = 2000
PREDICTIONS = {
    "participant_id": "text",
    "set": "text",
    "diagnosis": "integer",
    "score": "number",
    "logit": "number",
    "predicted": "integer",
    "modalities": "text",
}


def collect_metrics(
    folders: Sequence[Path | str], output: Path | str, *, method: str, seed: int
) -> None:
    """Write `training/<method>/metrics.tsv`.

    Rows per fold; `fold` = `mean`, `low`, `high` (95 % interval of the mean, `nadeau_bengio`);
    and `pooled`, `pooled_low`, `pooled_high`: the AUC of held-out scores of all folds, averaged
    over repeats, with a 95 % bootstrap interval over participants. `auc:<modalities>` is the AUC
    among the people who have just these modalities.

    Raises
    ------
    InputFileError
        A fold's result is missing.
    TrainingError
        The folders hold another method, or one fold twice.
    """
    results = _read(folders, method)
    rows: list[dict[str, Any]] = []
    collected: dict[str, list[float]] = {}
    shares = []
    for _, result in results:
        shares.append(result["n_held_out"] / max(result["n_train"], 1))
        values = dict(result["held_out"])
        for pattern, found in result["by_modality"].items():
            values[f"auc:{pattern}"] = found["auc"]
        for metric, value in values.items():
            number = np.nan if value is None else float(value)
            rows.append(_row(method, str(result["repeat"]), str(result["fold"]), metric, number))
            collected.setdefault(metric, []).append(number)
    for metric, numbers in collected.items():
        mean, low, high = nadeau_bengio(np.array(numbers), float(np.mean(shares)))
        for name, value in (("mean", mean), ("low", low), ("high", high)):
            rows.append(_row(method, "n/a", name, metric, value))

    held_out = pd.concat([_held_out(folder) for folder, _ in results], ignore_index=True)
    people = held_out.groupby("participant_id", sort=True).agg(
        diagnosis=("diagnosis", "first"),
        score=("score", "mean"),
        modalities=("modalities", "first"),
    )
    chosen = {"auc": np.ones(len(people), dtype=bool)}
    for pattern in sorted(people["modalities"].unique()):
        chosen[f"auc:{pattern}"] = (people["modalities"] == pattern).to_numpy()
    diagnosis = people["diagnosis"].to_numpy(dtype=int)
    score = people["score"].to_numpy(dtype=float)
    for metric, index in chosen.items():
        value = auc(diagnosis[index], score[index])
        low, high = bootstrap_auc(
            diagnosis[index], score[index], generator(seed, "metrics", method, metric)
        )
        for name, number in (("pooled", value), ("pooled_low", low), ("pooled_high", high)):
            rows.append(_row(method, "n/a", name, metric, number))
    write_table(output, pd.DataFrame(rows))


def _read(folders: Sequence[Path | str], method: str) -> list[tuple[Path, dict[str, Any]]]:
    if not folders:
        raise InputFileError(
            f"no folds of {method} were given", next_step="run `snakemake training` first"
        )
    results = []
    for folder in folders:
        path = Path(folder) / "metrics.json"
        if not path.is_file():
            raise InputFileError(
                f"{path}: no such file",
                cause="the fold has not been trained, or its job failed",
                next_step=f"look into its log and run: snakemake {path}",
            )
        results.append((Path(folder), read_json(path)))
    wrong = [str(folder) for folder, result in results if result["method"] != method]
    if wrong:
        raise TrainingError(f"{len(wrong)} folders are not of {method}: {first_few(wrong)}")
    results.sort(key=lambda item: (item[1]["repeat"], item[1]["fold"]))
    keys = [(result["repeat"], result["fold"]) for _, result in results]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise TrainingError(f"{len(twice)} folds were given twice: {first_few(twice)}")
    return results


def nadeau_bengio(values: np.ndarray, ratio: float) -> tuple[float, float, float]:
    """Return the mean over folds with its 95 % interval, for overlapping training sets.

    Nadeau & Bengio (2003), Machine Learning 52:239: the variance of the mean of J folds is
    (1/J + n_test/n_train) times the variance over folds; t distribution with J - 1 degrees of
    freedom. Folds without a value do not count.

    Parameters
    ----------
    values : float (folds,)
    ratio : float
        Held-out people per training person.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if values.size == 1:
        return mean, np.nan, np.nan
    error = np.sqrt((1 / values.size + ratio) * values.var(ddof=1))
    half = float(stdtrit(values.size - 1, 0.975) * error)
    return mean, mean - half, mean + half


def bootstrap_auc(
    diagnosis: np.ndarray, score: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC over resampled people.

    Cases and controls are drawn apart, so that every resample has both.
    """
    cases, controls = score[diagnosis == 1], score[diagnosis == 0]
    if not cases.size or not controls.size:
        return np.nan, np.nan
    order = np.argsort(controls, kind="stable")
    below = np.searchsorted(controls[order], cases, side="left")
    upto = np.searchsorted(controls[order], cases, side="right")
    found = np.empty(BOOTSTRAPS)
    for number in range(BOOTSTRAPS):
        drawn = np.bincount(
            random.integers(controls.size, size=controls.size), minlength=order.size
        )
        cumulated = np.concatenate([[0], np.cumsum(drawn)])
        wins = (cumulated[below] + cumulated[upto]) / 2
        found[number] = wins[random.integers(cases.size, size=cases.size)].mean() / controls.size
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _held_out(folder: Path) -> pd.DataFrame:
    table = read_table(folder / "predictions.tsv", PREDICTIONS)  # type: ignore[arg-type]
    return table[table["set"] == "held-out"]


def _row(method: str, repeat: str, fold: str, metric: str, value: float) -> dict[str, Any]:
    return {"method": method, "repeat": repeat, "fold": fold, "metric": metric, "value": value}

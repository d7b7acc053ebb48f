"""How well each method predicts, against the others in the same folds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table

METRICS: dict[str, Kind] = {
    "method": "text",
    "repeat": "text",
    "fold": "text",
    "metric": "text",
    "value": "number",
}
PREDICTIONS: dict[str, Kind] = {
    "participant_id": "text",
    "set": "text",
    "diagnosis": "integer",
    "score": "number",
    "modalities": "text",
}
SHOWN = (
    "auc",
    "balanced_accuracy",
    "accuracy",
    "sensitivity",
    "specificity",
    "f1",
    "auprc",
    "brier",
)
SUMMARIES = ("mean", "low", "high", "pooled", "pooled_low", "pooled_high")


def method_summary(results: Path, name: str) -> dict[str, Any]:
    """Collect the metrics, runs and notes of one method.

    Returns
    -------
    dict
        ``metrics`` (metric: mean, low, high over folds, pooled over people), ``auc_of_folds``
        (repeat, fold, auc), ``by_modality``, ``modalities``, ``kind``, ``notes``, ``versions``,
        ``seeds``, ``devices``.

    Raises
    ------
    InputFileError
        The table lists no fold, or a file of a fold is missing.
    """
    folder = results / "training" / name
    table = read_table(folder / "metrics.tsv", METRICS)
    metrics: dict[str, dict[str, float | None]] = {}
    for metric, fold, value in zip(table["metric"], table["fold"], table["value"], strict=True):
        if fold in SUMMARIES:
            metrics.setdefault(metric, {})[fold] = finite(value)
    per_fold = table[table["fold"].str.isdigit() & (table["metric"] == "auc")]
    folds = sorted(
        (int(repeat), int(fold), finite(value))
        for repeat, fold, value in zip(
            per_fold["repeat"], per_fold["fold"], per_fold["value"], strict=True
        )
    )
    if not folds:
        raise InputFileError(
            f"{folder}/metrics.tsv: no fold has an AUC", next_step="snakemake --cores 2 training"
        )
    runs, sizes = [], []
    for repeat, fold, _ in folds:
        place = folder / f"repeat-{repeat}" / f"fold-{fold}"
        runs.append(read_json(place / "run.json"))
        held = read_json(place / "metrics.json")
        sizes.append((held.get("n_train"), held.get("n_held_out")))
    notes = Counter(str(note) for run in runs for note in run.get("notes", []))
    options = runs[0].get("options") or {}
    return {
        "method": name,
        "kind": str(runs[0].get("kind", "")),
        "modalities": list((options.get("method") or options).get("modalities") or []),
        "metrics": {metric: metrics[metric] for metric in SHOWN if metric in metrics},
        "auc_of_folds": [
            {
                "repeat": repeat,
                "fold": fold,
                "auc": value,
                "n_train": size[0],
                "n_held_out": size[1],
            }
            for (repeat, fold, value), size in zip(folds, sizes, strict=True)
        ],
        "by_modality": by_modality(
            metrics, held_out(results, name, [(repeat, fold) for repeat, fold, _ in folds])
        ),
        "notes": [
            {"note": note, "folds": count, "of": len(runs)} for note, count in sorted(notes.items())
        ],
        "versions": merged(run.get("versions") or {} for run in runs),
        "seeds": sorted({int(run["seed"]) for run in runs if "seed" in run}),
        "devices": sorted({str(run["device"]) for run in runs if "device" in run}),
        "failed": sum(str(run.get("status", "")).lower() == "failed" for run in runs),
    }


def held_out(results: Path, name: str, folds: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Return held-out predictions: participant_id, diagnosis, score, modalities, repeat, fold.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    name : str
        The method.
    folds : sequence of (repeat, fold)
        Those that its table of metrics lists.
    """
    parts = []
    for repeat, fold in folds:
        place = results / "training" / name / f"repeat-{repeat}" / f"fold-{fold}"
        part = read_table(place / "predictions.tsv", PREDICTIONS, extra=True)
        parts.append(part[part["set"] == "held-out"].assign(repeat=repeat, fold=fold))
    columns = ["participant_id", "diagnosis", "score", "modalities", "repeat", "fold"]
    return pd.concat(parts, ignore_index=True)[columns]


def by_modality(
    metrics: dict[str, dict[str, float | None]], rows: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the pooled AUC among people with the same modalities, and how many they are."""
    people = rows.drop_duplicates("participant_id")
    out = []
    for pattern, part in people.groupby("modalities", sort=True):
        pooled = metrics.get(f"auc:{pattern}", {})
        out.append(
            {
                "modalities": str(pattern),
                "n": len(part),
                "cases": int((part["diagnosis"] == 1).sum()),
                "controls": int((part["diagnosis"] == 0).sum()),
                "auc": pooled.get("pooled"),
                "low": pooled.get("pooled_low"),
                "high": pooled.get("pooled_high"),
            }
        )
    return out


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, float | None]:
    """Return the difference in AUC of two methods over the same folds, with its 95 % interval.

    The variance is that of Nadeau and Bengio (2003): ``(1/k + n_held_out/n_train) s^2`` for the k
    differences, since training sets overlap.
    """
    other = {(row["repeat"], row["fold"]): row["auc"] for row in second["auc_of_folds"]}
    pairs = [
        (row, other.get((row["repeat"], row["fold"])))
        for row in first["auc_of_folds"]
        if row["auc"] is not None and other.get((row["repeat"], row["fold"])) is not None
    ]
    deltas = np.array([row["auc"] - auc for row, auc in pairs], dtype=float)
    if len(deltas) == 0:
        return {"mean": None, "low": None, "high": None}
    mean = float(deltas.mean())
    if len(deltas) == 1:
        return {"mean": finite(mean), "low": None, "high": None}
    from scipy.special import stdtrit

    ratios = [
        row["n_held_out"] / row["n_train"]
        for row, _ in pairs
        if row["n_held_out"] and row["n_train"]
    ]
    ratio = float(np.mean(ratios)) if ratios else 1 / (len(deltas) - 1)
    spread = math.sqrt((1 / len(deltas) + ratio) * float(deltas.var(ddof=1)))
    half = float(stdtrit(len(deltas) - 1, 0.975)) * spread
    return {"mean": finite(mean), "low": finite(mean - half), "high": finite(mean + half)}


def finite(value: float | None) -> float | None:
    """Return a number rounded to 6 digits, or None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 6)


def merged(dictionaries: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Merge versions by name; where they differ, all are named."""
    found: dict[str, set[str]] = {}
    for each in dictionaries:
        for name, version in each.items():
            found.setdefault(str(name), set()).add(str(version))
    return {name: " and ".join(sorted(versions)) for name, versions in sorted(found.items())}

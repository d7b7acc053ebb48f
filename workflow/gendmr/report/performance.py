"""How well each method predicts: its metrics, what it reads, on whom it was judged."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.report.ancestry import by_ancestry
from gendmr.report.schema import Estimate, FoldAuc, MethodSummary

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
# What the kinds read that have no option for it.
READS: dict[str, tuple[str, ...]] = {
    "locus": ("snp", "covariates"),
    "polygenic": ("snp", "covariates"),
    "association": ("snp", "region"),
    "fusion": ("snp", "region"),
}
SUMMARIES = ("mean", "low", "high", "pooled", "pooled_low", "pooled_high")


def method_summary(results: Path, name: str, groups: dict[str, str] | None = None) -> MethodSummary:
    """Collect the metrics, runs and notes of one method.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    name : str
        The method.
    groups : dict of str to str, optional
        Ancestry group of each participant.

    Returns
    -------
    MethodSummary
        Without a difference from the reference, which needs the other methods.

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
    runs, sizes, said = [], [], []
    for repeat, fold, _ in folds:
        place = folder / f"repeat-{repeat}" / f"fold-{fold}"
        runs.append(read_json(place / "run.json"))
        held = read_json(place / "metrics.json")
        said.append([*runs[-1].get("notes", []), *held.get("notes", [])])
        sizes.append((held["n_train"], held["n_held_out"]))
    notes = Counter(note for items in said for note in dict.fromkeys(map(str, items)))
    kind = str(runs[0].get("kind", ""))
    options = (runs[0].get("options") or {}).get("method") or {}
    reads = tuple(options.get("modalities") or READS.get(kind, ()))
    predictions = held_out(results, name, [(repeat, fold) for repeat, fold, _ in folds])
    return MethodSummary(
        method=name,
        kind=kind,
        reads=list(reads),
        exclude=list(options.get("exclude") or []),
        metrics={metric: Estimate(metrics[metric]) for metric in SHOWN if metric in metrics},
        auc_of_folds=[
            FoldAuc(repeat, fold, value, n_train=n_train, n_held_out=n_held_out)
            for (repeat, fold, value), (n_train, n_held_out) in zip(folds, sizes, strict=True)
        ],
        by_modality=list(by_modality(metrics, predictions, reads)),
        by_ancestry=list(by_ancestry(name, predictions, reads, groups)) if groups else [],
        notes=[
            {"note": note, "folds": count, "of": len(runs)} for note, count in sorted(notes.items())
        ],
        versions=merged(run.get("versions") or {} for run in runs),
        seeds=sorted({int(run["seed"]) for run in runs if "seed" in run}),
        devices=sorted({str(run["device"]) for run in runs if "device" in run}),
        best_epochs=[run.get("best_epoch") for run in runs],
        people=digests(predictions),
    )


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
    metrics: dict[str, dict[str, float | None]], rows: pd.DataFrame, reads: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the pooled AUC among people with the same modalities, and how many they are.

    Where a method reads nothing of such people, all of a fold get the same score: an AUC would
    compare the folds' shares of cases, so there is none, and ``note`` says so.
    """
    people = rows.drop_duplicates("participant_id")
    out = []
    for pattern, part in people.groupby("modalities", sort=True):
        pooled = metrics.get(f"auc:{pattern}", {})
        blind = bool(reads) and not {*str(pattern).split("+"), "covariates"} & set(reads)
        cases = int((part["diagnosis"] == 1).sum())
        if blind:
            note = "reads nothing of these people"
        else:
            note = "" if 0 < cases < len(part) else "cases or controls only"
        out.append(
            {
                "modalities": str(pattern),
                "n": len(part),
                "cases": cases,
                "controls": len(part) - cases,
                **{
                    short: None if blind else pooled.get(name)
                    for short, name in (
                        ("auc", "pooled"),
                        ("low", "pooled_low"),
                        ("high", "pooled_high"),
                    )
                },
                "note": note or None,
            }
        )
    return out


def digests(rows: pd.DataFrame) -> dict[tuple[int, int], str]:
    """Return a digest of the held-out people and their diagnoses for each (repeat, fold)."""
    found = {}
    for key, part in rows.groupby(["repeat", "fold"]):
        repeat, fold = cast("tuple[int, int]", key)
        lines = sorted(
            f"{who}\t{truth}"
            for who, truth in zip(part["participant_id"], part["diagnosis"], strict=True)
        )
        found[int(repeat), int(fold)] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return found


def finite(value: float | None) -> float | None:
    """Return a number rounded to 6 digits, or None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 6)


def merged(dictionaries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Merge versions by name; where they differ, all are named."""
    found: dict[str, set[str]] = {}
    for each in dictionaries:
        for name, version in each.items():
            found.setdefault(str(name), set()).add(str(version))
    return {name: " and ".join(sorted(versions)) for name, versions in sorted(found.items())}

"""How well each method predicts: its metrics, what it reads, on whom it was judged."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.report.method_schema import Estimate, FoldMetric, MethodSummary, MetricWords
from gendmr.report.numbers import finite
from gendmr.report.outcomes import OutcomeOfPeople, words_of
from gendmr.report.sections.genetics.ancestry import by_ancestry
from gendmr.report.sections.genetics.apoe import excluded_intervals
from gendmr.tasks.base import Task
from gendmr.training.evaluate import read_folds

METRICS: dict[str, Kind] = {
    "method": "text",
    "repeat": "text",
    "fold": "text",
    "metric": "text",
    "value": "number",
}
SUMMARIES = ("mean", "low", "high", "pooled", "pooled_low", "pooled_high")
COVARIATES = "covariates"


def outcome_of(results: Path, name: str) -> str:
    """Return the outcome that a method learns, as its runs say.

    Raises
    ------
    InputFileError
        The method has no finished fold.
    """
    runs = sorted((results / "training" / name).glob("repeat-*/fold-*/run.json"))
    if not runs:
        raise InputFileError(
            f"{results}/training/{name}: no fold has a run.json",
            cause="training has not finished",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    return str(read_json(runs[0]).get("outcome", ""))


def method_summary(
    results: Path, name: str, outcome: OutcomeOfPeople, groups: Mapping[str, str] | None = None
) -> MethodSummary:
    """Collect the metrics, runs and notes of one method.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    name : str
        The method.
    outcome : OutcomeOfPeople
        What it learns.
    groups : mapping of str to str, optional
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
    task = outcome.task
    primary = words_of(task.metrics[0])
    table = read_table(folder / "metrics.tsv", METRICS)
    metrics: dict[str, dict[str, float | None]] = {}
    for metric, fold, value in zip(table["metric"], table["fold"], table["value"], strict=True):
        if fold in SUMMARIES:
            metrics.setdefault(metric, {})[fold] = finite(value)
    values = _values_of_folds(table, primary.name, folder)
    runs, sizes, notes_of_folds = [], [], []
    for repeat, fold in values:
        place = folder / f"repeat-{repeat}" / f"fold-{fold}"
        runs.append(read_json(place / "run.json"))
        described = read_json(place / "fold.json")
        notes_of_folds.append([*runs[-1].get("notes", []), *described.get("notes", [])])
        sizes.append((described["n_train"], described["n_held_out"]))
    notes = Counter(note for items in notes_of_folds for note in dict.fromkeys(map(str, items)))
    options = runs[0].get("options") or {}
    reads = [str(name_read) for name_read in runs[0].get("reads", [])]
    rows = held_out(results, name, task, list(values))
    return MethodSummary(
        method=name,
        kind=str(runs[0].get("kind", "")),
        outcome=task.name,
        reads=reads,
        exclude=excluded_intervals(options),
        primary=primary,
        metrics={
            metric.name: Estimate(metrics[metric.name])
            for metric in task.metrics
            if metric.name in metrics
        },
        primary_of_folds=[
            FoldMetric(repeat, fold, value, n_train, n_held_out)
            for ((repeat, fold), value), (n_train, n_held_out) in zip(
                values.items(), sizes, strict=True
            )
        ],
        by_modality=by_modality(metrics, rows, reads, outcome),
        by_ancestry=by_ancestry(name, rows, reads, groups, outcome) if groups else [],
        notes=[{"note": note, "folds": count, "of": len(values)} for note, count in notes.items()],
        versions=merged(run.get("versions") or {} for run in runs),
        seeds=sorted({int(run["seed"]) for run in runs if "seed" in run}),
        devices=sorted({str(run["device"]) for run in runs if "device" in run}),
        best_epochs=[run.get("best_epoch") for run in runs],
        people=digests(rows, task),
        unjudged=_why_unjudged(values, notes, primary),
    )


def _values_of_folds(
    table: pd.DataFrame, primary: str, folder: Path
) -> dict[tuple[int, int], float | None]:
    """Return the primary metric by (repeat, fold); None where a fold has no finite one."""
    of_folds = table[table["fold"].str.isdigit()]
    places = zip(of_folds["repeat"].astype(int), of_folds["fold"].astype(int), strict=True)
    values: dict[tuple[int, int], float | None] = dict.fromkeys(sorted(set(places)))
    if not values:
        raise InputFileError(
            f"{folder}/metrics.tsv: no fold is listed",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    primary_rows = of_folds[of_folds["metric"] == primary]
    for repeat, fold, value in zip(
        primary_rows["repeat"], primary_rows["fold"], primary_rows["value"], strict=True
    ):
        values[int(repeat), int(fold)] = finite(value)
    return values


def _why_unjudged(
    values: Mapping[tuple[int, int], float | None], notes: Counter[str], primary: MetricWords
) -> str:
    if any(value is not None for value in values.values()):
        return ""
    causes = [note for note, _ in notes.most_common() if "held-out" in note]
    return causes[0] if causes else f"no fold has a {primary.label} that is a number"


def held_out(
    results: Path, name: str, task: Task[Any], folds: Sequence[tuple[int, int]]
) -> pd.DataFrame:
    """Return held-out rows of predictions.tsv with `repeat` and `fold`.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    name : str
        The method.
    task : Task
        Of its outcome: columns of the table.
    folds : sequence of (repeat, fold)
        Those that its table of metrics lists.
    """
    folder = results / "training" / name
    places = [folder / f"repeat-{repeat}" / f"fold-{fold}" for repeat, fold in folds]
    tables = [result.held_out for result in read_folds(places, name, task)]
    return pd.concat(tables, ignore_index=True)


def by_modality(
    metrics: Mapping[str, Mapping[str, float | None]],
    rows: pd.DataFrame,
    reads: Sequence[str],
    outcome: OutcomeOfPeople,
) -> list[dict[str, Any]]:
    """Return the pooled primary metric among people with the same modalities, and their number.

    Where a method reads nothing of such people, all of a fold get the same score: a metric would
    compare the folds' shares of cases, so there is none, and ``note`` says so.
    """
    primary = outcome.task.metrics[0].name
    people = rows.drop_duplicates("participant_id")
    entries = []
    for pattern, members in people.groupby("modalities", sort=True):
        pooled = metrics.get(f"{primary}:{pattern}", {})
        blind = reads_nothing_of(str(pattern), reads)
        value = None if blind else pooled.get("pooled")
        note = "reads nothing of these people" if blind else ""
        if not blind and value is None:
            note = "cannot be told of these people alone"
        entries.append(
            {
                "modalities": str(pattern),
                "n": len(members),
                "groups": outcome.counted(members["participant_id"]),
                "value": value,
                "low": None if blind else pooled.get("pooled_low"),
                "high": None if blind else pooled.get("pooled_high"),
                "note": note or None,
            }
        )
    return entries


def reads_nothing_of(pattern: str, reads: Sequence[str]) -> bool:
    """Return whether a method reads nothing of people who have just these modalities."""
    return bool(reads) and not {*pattern.split("+"), COVARIATES} & set(reads)


def digests(rows: pd.DataFrame, task: Task[Any]) -> dict[tuple[int, int], str]:
    """Return a digest of the held-out people and their outcomes for each (repeat, fold)."""
    observed = [suffix or "observed" for suffix in task.stored]
    digest_of: dict[tuple[int, int], str] = {}
    for key, fold_rows in rows.groupby(["repeat", "fold"]):
        repeat, fold = cast("tuple[int, int]", key)
        lines = sorted(
            "\t".join(map(str, values))
            for values in fold_rows[["participant_id", *observed]].itertuples(index=False)
        )
        digest_of[int(repeat), int(fold)] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return digest_of


def merged(dictionaries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Merge versions by name; where they differ, all are named."""
    by_name: dict[str, set[str]] = {}
    for versions_of_run in dictionaries:
        for name, version in versions_of_run.items():
            by_name.setdefault(str(name), set()).add(str(version))
    return {name: " and ".join(sorted(versions)) for name, versions in sorted(by_name.items())}

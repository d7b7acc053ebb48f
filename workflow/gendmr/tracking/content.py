"""What the files of folds and methods are in MLflow's terms: names, metrics, parameters, notes.

Metrics: those on held-out people bear their plain name (``auc``), for a method the mean over its
folds does, so that methods and folds sort by one column. ``by_modality/…`` and ``curve/…`` (by
epoch) are apart. Tags: what a fold is found by, and ``outcome`` and ``task``. Parameters:
``method``, ``repeat``, ``fold`` and the options by their keys in the configuration
(``optimisation.learning_rate``); what the selection in a fold found is ``selected.…``.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gendmr.files.atomic import read_json, read_json_lines
from gendmr.files.tables import read_table
from gendmr.tracking.listing import METRICS_COLUMNS, PATTERN, Fold, TrackedMethod

LONGEST_PARAMETER = 6000  # characters: MLflow's limit
POSITION = ("epoch", "step")
IDENTITY = ("method", "kind", "repeat", "fold", "seed", "device")
COUNTED = ("epochs", "best_epoch")

Point = tuple[str, float, int]


def run_name(method: str, repeat: int, fold: int) -> str:
    """Return the name of a fold's run; MLflow's lists show some twenty characters."""
    return f"{method} · r{repeat} · f{fold}"


def fold_tags(method: str, repeat: int, fold: int) -> dict[str, str]:
    """Return what a fold is found by."""
    return {"level": "fold", "method": method, "repeat": str(repeat), "fold": str(fold)}


def task_tags(run: dict[str, Any]) -> dict[str, str]:
    """Return which outcome was learned, and of what kind."""
    return {name: str(run[name]) for name in ("outcome", "task") if run.get(name) is not None}


def metric_points(fold: Fold) -> list[Point]:
    """Return the metrics of a fold in the order of the table.

    The primary one comes first: MLflow's page of a comparison draws the first metric that it finds.
    """
    return [(metric_name(name), value, 0) for name, value in fold.metrics if math.isfinite(value)]


def fold_points(fold: Fold, run: dict[str, Any]) -> list[Point]:
    """Return the metrics, the counts and the curves of a finished fold."""
    lines = read_json_lines(fold.folder / "history.jsonl")
    described = read_json(fold.folder / "fold.json")
    values = {
        **{name: described.get(name) for name in ("n_train", "n_validation", "n_held_out")},
        **described.get("calibration", {}),
    }
    return [
        *metric_points(fold),
        *((safe(name), float(value), 0) for name, value in values.items() if _is_number(value)),
        *((name, float(run[name]), 0) for name in COUNTED if _is_number(run.get(name))),
        *curve_points(lines),
    ]


def curve_points(history: Iterable[dict[str, Any]]) -> Iterator[Point]:
    """Return the curves of a history, by epoch."""
    for number, entry in enumerate(history):
        step = int(entry.get("epoch", entry.get("step", number)))
        for name, value in entry.items():
            if name not in POSITION and _is_number(value):
                yield safe(f"curve/{name}"), float(value), step


def summary_points(method: TrackedMethod) -> Iterator[Point]:
    """Return the metrics of a method over its folds."""
    rows = read_table(method.table, METRICS_COLUMNS)
    for fold, metric, value in zip(rows["fold"], rows["metric"], rows["value"], strict=True):
        if not str(fold).isdigit() and not math.isnan(value):
            point_name = metric_name(metric)
            yield point_name if fold == "mean" else f"{point_name}/{fold}", float(value), 0


def fold_notes(fold: Fold, run: dict[str, Any]) -> str:
    """Return what was done differently in a fold, in fitting it and in judging it; Markdown."""
    judged = read_json(fold.folder / "fold.json").get("notes", [])
    return _bullets([*run.get("notes", []), *judged])


def method_notes(method: TrackedMethod, runs: Sequence[dict[str, Any]]) -> str:
    """Return the notes of a method's folds, each once with its number of folds; Markdown."""
    counts: Counter[str] = Counter()
    for fold, run in zip(method.folds, runs, strict=True):
        judged = read_json(fold.folder / "fold.json").get("notes", [])
        counts.update({str(note) for note in [*run.get("notes", []), *judged]})
    counted = [f"{note} ({count} of {len(runs)} folds)" for note, count in sorted(counts.items())]
    ranked = read_json(method.ranking).get("notes", []) if method.ranking else []
    return _bullets([*counted, *ranked])


def parameters(run: dict[str, Any]) -> dict[str, str]:
    """Return the parameters of a fold."""
    values: dict[str, Any] = {name: run[name] for name in IDENTITY if run.get(name) is not None}
    values |= _flat(run.get("options") or {}, "")
    values |= _flat(run.get("selection") or {}, "selected.")
    values |= _flat(run.get("versions") or {}, "versions.")
    return {
        safe(name): (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[
            :LONGEST_PARAMETER
        ]
        for name, value in values.items()
        # Options of what a method does not have (a ridge's optimisation) are columns of `null`.
        if value is not None
    }


def shared_parameters(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the parameters that all folds of a method have in common."""
    parameters_of_fold = [parameters(run) for run in runs]
    return {
        name: value
        for name, value in (parameters_of_fold[0] if parameters_of_fold else {}).items()
        if all(
            parameters_of_other.get(name) == value for parameters_of_other in parameters_of_fold[1:]
        )
    }


def metric_name(name: str) -> str:
    """Return the name of a metric, those of people with some modalities in a group.

    >>> metric_name("auc:snp+region")
    'by_modality/snp_region/auc'
    """
    metric, _, pattern = name.partition(PATTERN)
    return safe(f"by_modality/{pattern}/{metric}" if pattern else metric)


def safe(name: str) -> str:
    """Return a name that MLflow takes: letters, digits, spaces and _ - . / stay."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-./ ") else "_" for c in name)[:250]


def milliseconds(path: Path) -> int:
    """Return the time of a file as MLflow counts it."""
    return path.stat().st_mtime_ns // 1_000_000


def begun(folder: Path) -> int:
    """Return when the job of a fold began, in milliseconds since the epoch.

    Snakemake writes how long it took beside its log; without that file it is when the fold's first
    result was there.
    """
    study = folder.parents[3]
    place = Path(folder.parents[1].name, folder.parent.name, f"{folder.name}.benchmark.tsv")
    benchmark = study.parents[1] / "logs" / study.name / "training" / place
    if benchmark.is_file():
        header, row = benchmark.read_text(encoding="utf-8").splitlines()[:2]
        seconds = dict(zip(header.split("\t"), row.split("\t"), strict=False)).get("s", "")
        with contextlib.suppress(ValueError):
            return milliseconds(folder / "run.json") - round(1000 * float(seconds))
    # The first fit writes run.json last, a fold that is judged again fold.json.
    return min(milliseconds(folder / name) for name in ("fold.json", "run.json"))


def duration(folder: Path) -> int:
    """Return how long the job of a fold took, in milliseconds."""
    return milliseconds(folder / "run.json") - begun(folder)


def _flat(value: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict) and item:
            flat.update(_flat(item, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def _bullets(notes: Sequence[object]) -> str:
    return "\n".join(f"* {note}" for note in dict.fromkeys(map(str, notes)))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

"""Which folds a study has, with the checksums of the files that are replayed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gendmr.errors import TrackingError, first_few
from gendmr.files.atomic import sha256
from gendmr.files.tables import Kind, read_table

FOLD_FILES = ("run.json", "fold.json", "history.jsonl")
PATTERN = ":"  # before the modalities of the people whom a metric is of: auc:snp+region
METRICS_COLUMNS: dict[str, Kind] = {
    "method": "text",
    "repeat": "text",
    "fold": "text",
    "metric": "text",
    "value": "number",
}


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat of one method: where it lies and what its files hash to.

    `metrics` are its rows of the method's table: a fold that was finished while others train has
    none yet.
    """

    method: str
    repeat: int
    fold: int
    folder: Path
    files: dict[str, str]
    metrics: tuple[tuple[str, float], ...] = ()

    @property
    def key(self) -> str:
        """Name of the fold within the study."""
        return fold_key(self.method, self.repeat, self.fold)

    @property
    def checksum(self) -> str:
        """One checksum over the files that are replayed."""
        return _joint(self.files)

    @property
    def metrics_checksum(self) -> str:
        """One checksum over its metrics; empty without any."""
        return _joint({name: repr(value) for name, value in self.metrics}) if self.metrics else ""


@dataclass(frozen=True)
class TrackedMethod:
    """One method: its table of metrics, its folds, the files that go with it.

    `metrics` are the names of its metrics in the order of the table: the first is the primary one.
    `ranking` is the summary of its ranking, whose notes are shown with the method.
    """

    name: str
    table: Path
    folds: tuple[Fold, ...]
    attachments: dict[str, Path] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    ranking: Path | None = None
    metrics: tuple[str, ...] = ()

    @property
    def checksum(self) -> str:
        """One checksum over all that its run shows; that is also the notes of its folds."""
        return _joint(self.files | {fold.key: fold.checksum for fold in self.folds})


def find_methods(results: Path, names: Sequence[str] | None = None) -> tuple[TrackedMethod, ...]:
    """Return the methods of a study with their folds.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    names : sequence of str, optional
        The methods to take, in this order; absent: all that have a table of metrics. The folds
        are those that the table lists, so that folders left over from an earlier configuration
        are not taken for results.

    Raises
    ------
    TrackingError
        There are no finished methods, or files of a listed fold are missing.
    """
    if names is None:
        names = sorted(path.parent.name for path in results.glob("training/*/metrics.tsv"))
    if not names:
        raise TrackingError(
            f"{results}/training: no method has a metrics.tsv",
            cause="no fold has been trained yet, or the path is not results/<study>",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    return tuple(_method(results, name) for name in names)


def fold_folder(results: Path, method: str, repeat: int, fold: int) -> Path:
    """Return where a fold lies."""
    return results / "training" / method / f"repeat-{repeat}" / f"fold-{fold}"


def read_fold(
    results: Path,
    method: str,
    repeat: int,
    fold: int,
    metrics: Sequence[tuple[str, float]] = (),
) -> Fold:
    """Return a finished fold with the checksums of its files."""
    folder = fold_folder(results, method, repeat, fold)
    files = {file: sha256(folder / file) for file in FOLD_FILES}
    return Fold(method, repeat, fold, folder, files, tuple(metrics))


def fold_key(method: str, repeat: int, fold: int) -> str:
    """Return the name of a fold within its study."""
    return f"{method}/repeat-{repeat}/fold-{fold}"


def listing(study: str, methods: Sequence[TrackedMethod], notes: Sequence[str]) -> dict[str, Any]:
    """Return what ``synced.json`` holds: the same for the same files, whenever it is made."""
    return {
        "study": study,
        "methods": [{"method": method.name, "files": method.files} for method in methods],
        "runs": [
            {
                "method": fold.method,
                "repeat": fold.repeat,
                "fold": fold.fold,
                "checksum": fold.checksum,
                "files": fold.files,
            }
            for method in methods
            for fold in method.folds
        ],
        "notes": list(notes),
    }


def _method(results: Path, name: str) -> TrackedMethod:
    table = results / "training" / name / "metrics.tsv"
    rows = read_table(table, METRICS_COLUMNS)
    metrics_of: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for row in rows.to_dict("records"):
        if row["repeat"].isdigit() and row["fold"].isdigit():
            place = int(row["repeat"]), int(row["fold"])
            metrics_of.setdefault(place, []).append((row["metric"], float(row["value"])))
    folds, absent = [], []
    for (repeat, fold), metrics in sorted(metrics_of.items()):
        folder = fold_folder(results, name, repeat, fold)
        missing = [str(folder / file) for file in FOLD_FILES if not (folder / file).is_file()]
        absent += missing
        if not missing:
            folds.append(read_fold(results, name, repeat, fold, metrics))
    if absent:
        raise TrackingError(
            f"{table}: {len(absent)} files of the folds it lists are missing: {first_few(absent)}",
            cause="a fold was deleted after its metrics were collected",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    ranking = results / "ranking" / name
    attachments = {
        f"ranking/{path.relative_to(ranking).as_posix()}": path
        for path in sorted([*ranking.glob("*.tsv"), *ranking.glob("figures/*.png")])
    }
    attachments["metrics.tsv"] = table
    names = tuple(dict.fromkeys(metric for metric in rows["metric"] if PATTERN not in metric))
    files = {label: sha256(path) for label, path in sorted(attachments.items())}
    summary = ranking / "summary.json"
    if not summary.is_file():
        return TrackedMethod(name, table, tuple(folds), attachments, files, None, names)
    files["ranking/summary.json"] = sha256(summary)
    return TrackedMethod(name, table, tuple(folds), attachments, files, summary, names)


def _joint(files: dict[str, str]) -> str:
    text = "".join(f"{name}\0{digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

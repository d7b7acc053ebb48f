"""The dominant modality during training: shares of the training people, epoch by epoch.

A method that decides for each training person which modality is dominant writes columns
``lead_<modality>_<group>`` into its history: the share of a group of people (cases, a class, people
with an event, all) for whom that modality was dominant; ``lead_none_<group>`` where none was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr import modalities
from gendmr.files.atomic import read_json_lines
from gendmr.report.method_schema import MethodSummary
from gendmr.report.numbers import finite

PREFIX = "lead_"
NONE = "none"
NONE_DOMINANT = "none dominant"


@dataclass(frozen=True)
class Dominance:
    """Shares of training people by dominant modality, of one method.

    Attributes
    ----------
    method : str
    epochs : ndarray (epochs,) of int
        Counted from 1, up to the longest fold.
    shares : dict of (modality, group) to ndarray (folds, epochs)
        Modalities are named by their label (`images`, `genotypes`) or are `NONE_DOMINANT`, which
        comes last; groups are those of the task, in its order; between 0 and 1; NaN after a fold
        has stopped, and where it has nobody with all of these modalities.
    """

    method: str
    epochs: np.ndarray
    shares: dict[tuple[str, str], np.ndarray]

    @property
    def modalities(self) -> list[str]:
        """Labels of the modalities, `NONE_DOMINANT` last."""
        return list(dict.fromkeys(modality for modality, _ in self.shares))

    @property
    def groups(self) -> list[str]:
        """Groups of people, in the order of the task."""
        return list(dict.fromkeys(group for _, group in self.shares))

    def mean(self, modality: str, group: str) -> np.ndarray:
        """Return the mean over folds (epochs,); NaN where fewer than half of the folds go on."""
        shares = self.shares[modality, group]
        present = np.isfinite(shares)
        count = present.sum(axis=0)
        total = np.where(present, shares, 0.0).sum(axis=0)
        sufficient = 2 * count >= max(1, int(present.any(axis=1).sum()))
        return np.where(sufficient & (count > 0), total / np.maximum(count, 1), np.nan)


def read_dominance(results: Path, name: str, folds: Sequence[tuple[int, int]]) -> Dominance | None:
    """Read the shares from ``history.jsonl`` of each fold.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    name : str
        The method.
    folds : sequence of (repeat, fold)
        Those that its table of metrics lists.

    Returns
    -------
    Dominance or None
        None where no fold has the columns ``lead_<modality>_<group>``, or none holds a number: the
        method has no roles, or nobody had all of the modalities.
    """
    histories = []
    for repeat, fold in folds:
        path = results / "training" / name / f"repeat-{repeat}" / f"fold-{fold}" / "history.jsonl"
        histories.append(read_json_lines(path))
    columns = _columns(key for history in histories for line in history for key in line)
    longest = max((len(history) for history in histories), default=0)
    shares = {
        key: np.array(
            [
                [_number(line.get(column)) for line in history]
                + [np.nan] * (longest - len(history))
                for history in histories
            ],
            dtype=np.float64,
        )
        for key, column in columns.items()
    }
    if not any(np.isfinite(values).any() for values in shares.values()):
        return None
    return Dominance(name, np.arange(1, longest + 1), shares)


def shares_at_best_epochs(
    dominance: Dominance, best_epochs: Sequence[int | None]
) -> dict[str, Any]:
    """Return the shares at the epoch whose weights were kept, averaged over folds.

    Parameters
    ----------
    dominance : Dominance
    best_epochs : sequence of int
        Of the same folds in the same order, counted from 1.

    Returns
    -------
    dict
        ``method``; ``modalities``, labels in order; ``groups``, for each its name as ``group`` and
        its ``shares`` by modality.
    """
    groups = []
    for group in dominance.groups:
        means: dict[str, float | None] = {}
        for modality in dominance.modalities:
            shares = dominance.shares[modality, group]
            values = [
                fold[epoch - 1]
                for fold, epoch in zip(shares, best_epochs, strict=True)
                if epoch and epoch <= shares.shape[1] and np.isfinite(fold[epoch - 1])
            ]
            means[modality] = finite(float(np.mean(values))) if values else None
        groups.append({"group": group, "shares": means})
    return {"method": dominance.method, "modalities": dominance.modalities, "groups": groups}


def dominance_of(results: Path, methods: Sequence[MethodSummary]) -> list[dict[str, Any]]:
    """Return the shares at the epoch whose weights were kept, for each method that has them."""
    rows = []
    for item in methods:
        dominance = read_dominance(results, item.method, item.folds)
        if dominance is not None:
            rows.append(shares_at_best_epochs(dominance, item.best_epochs))
    return rows


def _columns(keys: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the columns of shares by label of the modality and group, none dominant last."""
    names = sorted(modalities.names(), key=len, reverse=True)
    labels = {name: modalities.modality_of(name).label for name in names} | {NONE: NONE_DOMINANT}
    columns: dict[tuple[str, str], str] = {}
    for key in dict.fromkeys(keys):
        for name, label in labels.items():
            if key.startswith(f"{PREFIX}{name}_"):
                columns[label, key.removeprefix(f"{PREFIX}{name}_")] = key
                break
    return dict(sorted(columns.items(), key=lambda item: item[0][0] == NONE_DOMINANT))


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)

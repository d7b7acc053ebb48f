"""The dominant modality during training: shares of the training people, epoch by epoch.

GenDMR decides for each training person who has genotypes and images which modality is dominant:
that whose head gives the person's true diagnosis the higher probability, averaged over epochs, if
it is ahead by more than a margin; else neither is. Its history holds the shares by diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.files.atomic import read_json_lines
from gendmr.report.method_schema import MethodSummary
from gendmr.report.numbers import finite

MODALITIES = {"region": "imaging", "snp": "genetics", "none": "neither"}
GROUPS = ("case", "control")
COLUMNS = {f"lead_{column}_{group}" for column in MODALITIES for group in GROUPS}


@dataclass(frozen=True)
class Dominance:
    """Shares of training people by dominant modality, of one method.

    Attributes
    ----------
    method : str
    epochs : ndarray (epochs,) of int
        Counted from 1, up to the longest fold.
    shares : dict of (modality, group) to ndarray (folds, epochs)
        Modalities are the values of `MODALITIES`; between 0 and 1; NaN after a fold has stopped,
        and where it has nobody with both modalities.
    """

    method: str
    epochs: np.ndarray
    shares: dict[tuple[str, str], np.ndarray]

    def mean(self, modality: str, group: str) -> np.ndarray:
        """Return the mean over folds (epochs,); NaN where fewer than half of the folds go on."""
        shares = self.shares[modality, group]
        present = np.isfinite(shares)
        count = present.sum(axis=0)
        total = np.where(present, shares, 0.0).sum(axis=0)
        enough = 2 * count >= max(1, int(present.any(axis=1).sum()))
        return np.where(enough & (count > 0), total / np.maximum(count, 1), np.nan)


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
        None where no fold has the columns ``lead_<region, snp, none>_<case, control>``, or none
        holds a number: the method has no roles, or nobody had both modalities.
    """
    histories = []
    for repeat, fold in folds:
        path = results / "training" / name / f"repeat-{repeat}" / f"fold-{fold}" / "history.jsonl"
        lines = read_json_lines(path)
        histories.append([line for line in lines if line.keys() >= COLUMNS])
    longest = max((len(history) for history in histories), default=0)
    shares = {
        (modality, group): np.array(
            [
                [_number(line[f"lead_{column}_{group}"]) for line in history]
                + [np.nan] * (longest - len(history))
                for history in histories
            ],
            dtype=np.float64,
        )
        for column, modality in MODALITIES.items()
        for group in GROUPS
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
        ``method`` and, for `case` and `control`, the share of each modality.
    """
    row: dict[str, Any] = {"method": dominance.method}
    for group in GROUPS:
        row[group] = {}
        for modality in MODALITIES.values():
            shares = dominance.shares[modality, group]
            values = [
                fold[epoch - 1]
                for fold, epoch in zip(shares, best_epochs, strict=True)
                if epoch and epoch <= shares.shape[1] and np.isfinite(fold[epoch - 1])
            ]
            row[group][modality] = finite(float(np.mean(values))) if values else None
    return row


def dominance_of(results: Path, methods: Sequence[MethodSummary]) -> list[dict[str, Any]]:
    """Return the shares at the epoch whose weights were kept, for each method that has them."""
    rows = []
    for item in methods:
        dominance = read_dominance(results, item.method, item.folds)
        if dominance is not None:
            rows.append(shares_at_best_epochs(dominance, item.best_epochs))
    return rows


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)

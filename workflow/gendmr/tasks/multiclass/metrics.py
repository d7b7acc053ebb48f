"""Metrics of classes, from rows of predictions.tsv.

Classes that nobody of these rows belongs to are left out of means over classes; where fewer than
two are left, no such mean is told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.statistics.classification import auc, confusion, matthews
from gendmr.tasks.base import Metric
from gendmr.tasks.multiclass.columns import probabilities

if TYPE_CHECKING:
    from gendmr.tasks.multiclass.task import MulticlassTask


def counts(rows: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Return the confusion matrix: rows are observed classes, columns predicted ones."""
    place = {name: number for number, name in enumerate(classes)}
    truth, called = (rows[name].map(place).to_numpy(int) for name in ("observed", "predicted"))
    return confusion(truth, called, len(classes))


def macro_auc(rows: pd.DataFrame, classes: tuple[str, ...]) -> float:
    """Return the mean over classes of the AUC of one against the rest."""
    scores, observed = probabilities(rows, classes), rows["observed"].to_numpy()
    areas = [auc(observed == name, scores[:, k]) for k, name in enumerate(classes)]
    finite = [area for area in areas if np.isfinite(area)]
    return float(np.mean(finite)) if len(finite) > 1 else float("nan")


def _over_classes(values: np.ndarray, present: np.ndarray) -> float:
    return float(values[present].mean()) if present.sum() > 1 else float("nan")


def balanced_accuracy(rows: pd.DataFrame, classes: tuple[str, ...]) -> float:
    """Return the mean over classes of the share that is called right."""
    table = counts(rows, classes)
    people = table.sum(axis=1)
    return _over_classes(np.diag(table) / np.maximum(people, 1), people > 0)


def accuracy(rows: pd.DataFrame) -> float:
    """Return the share of people called what they are."""
    return float((rows["observed"] == rows["predicted"]).mean()) if len(rows) else float("nan")


def macro_f1(rows: pd.DataFrame, classes: tuple[str, ...]) -> float:
    """Return the mean over classes of F1."""
    table = counts(rows, classes)
    people = table.sum(axis=1)
    share = 2 * np.diag(table) / np.maximum(people + table.sum(axis=0), 1)
    return _over_classes(share, people > 0)


def mcc(rows: pd.DataFrame, classes: tuple[str, ...]) -> float:
    """Return the Matthews correlation of classes and calls."""
    return matthews(counts(rows, classes))


def metrics(task: MulticlassTask) -> tuple[Metric, ...]:
    """Return the metrics of the classes of a task; the macro-averaged AUC is the primary one."""
    classes = task.classes
    level = 1 / len(classes)

    def of(function: Callable[..., float]) -> Callable[..., float]:
        return partial(function, classes=classes)

    return (
        Metric(
            "macro_auc",
            "macro AUC",
            "higher",
            of(macro_auc),
            0.5,
            spread=(0, 1),
            meaning="how often a person of a class gets a higher probability of it than a person of"
            " another class, averaged over classes",
        ),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "higher",
            of(balanced_accuracy),
            level,
            spread=(0, 1),
        ),
        Metric("accuracy", "accuracy", "higher", accuracy, spread=(0, 1)),
        Metric("macro_f1", "macro F1", "higher", of(macro_f1), spread=(0, 1)),
        Metric("mcc", "MCC", "higher", of(mcc), 0.0, spread=(-1, 1)),
    )

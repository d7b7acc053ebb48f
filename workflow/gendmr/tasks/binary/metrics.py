"""Metrics of cases and controls, from rows of predictions.tsv."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.statistics.classification import auc, auprc, confusion, matthews
from gendmr.tasks.base import Metric, Task


def _counts(rows: pd.DataFrame) -> tuple[int, int, int, int]:
    """Return true negatives, false positives, false negatives, true positives."""
    truth, predicted = rows["observed"].to_numpy(int), rows["predicted"].to_numpy(int)
    table = confusion(truth, predicted, 2)
    return int(table[0, 0]), int(table[0, 1]), int(table[1, 0]), int(table[1, 1])


def _share(part: float, of: float) -> float:
    return float(part / of) if of else float("nan")


def area(rows: pd.DataFrame) -> float:
    """Return the area under the ROC curve."""
    return auc(rows["observed"].to_numpy(int), rows["score"].to_numpy(float))


def average_precision(rows: pd.DataFrame) -> float:
    """Return the area under the precision-recall curve."""
    return auprc(rows["observed"].to_numpy(int), rows["score"].to_numpy(float))


def sensitivity(rows: pd.DataFrame) -> float:
    """Return the share of cases called cases."""
    _, _, false_negatives, true_positives = _counts(rows)
    return _share(true_positives, false_negatives + true_positives)


def specificity(rows: pd.DataFrame) -> float:
    """Return the share of controls called controls."""
    right, wrong, _, _ = _counts(rows)
    return _share(right, right + wrong)


def balanced_accuracy(rows: pd.DataFrame) -> float:
    """Return the mean of sensitivity and specificity."""
    return (sensitivity(rows) + specificity(rows)) / 2


def accuracy(rows: pd.DataFrame) -> float:
    """Return the share of people called what they are."""
    true_negatives, _, _, true_positives = _counts(rows)
    return _share(true_negatives + true_positives, len(rows))


def f1(rows: pd.DataFrame) -> float:
    """Return the harmonic mean of precision and sensitivity."""
    _, false_positives, false_negatives, true_positives = _counts(rows)
    return _share(2 * true_positives, 2 * true_positives + false_negatives + false_positives)


def brier(rows: pd.DataFrame) -> float:
    """Return the mean squared difference of the probability from 0 or 1."""
    if rows.empty:
        return float("nan")
    truth, score = rows["observed"].to_numpy(int), rows["score"].to_numpy(float)
    return float(((score - truth) ** 2).mean())


def mcc(rows: pd.DataFrame) -> float:
    """Return the Matthews correlation of classes and calls."""
    truth, called = rows["observed"].to_numpy(int), rows["predicted"].to_numpy(int)
    return matthews(confusion(truth, called, 2)) if len(rows) else float(np.nan)


METRICS: tuple[Metric, ...] = (
    Metric(
        "auc",
        "AUC",
        "higher",
        area,
        0.5,
        spread=(0, 1),
        meaning="how often, of one case and one control taken at random, the case gets the higher"
        " score",
    ),
    Metric(
        "balanced_accuracy", "balanced accuracy", "higher", balanced_accuracy, 0.5, spread=(0, 1)
    ),
    Metric("accuracy", "accuracy", "higher", accuracy, spread=(0, 1)),
    Metric("sensitivity", "sensitivity", "higher", sensitivity, spread=(0, 1)),
    Metric("specificity", "specificity", "higher", specificity, spread=(0, 1)),
    Metric("f1", "F1", "higher", f1, spread=(0, 1)),
    Metric("auprc", "AUPRC", "higher", average_precision, spread=(0, 1)),
    Metric("brier", "Brier score", "lower", brier, spread=(0, 1)),
    Metric("mcc", "MCC", "higher", mcc, 0.0, spread=(-1, 1)),
)


def metrics(task: Task) -> tuple[Metric, ...]:
    """Return the metrics of cases and controls, which are the same for every task."""
    return METRICS

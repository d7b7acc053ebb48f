"""Performance of a score: numbers per set of people, None where one class is missing."""

from __future__ import annotations

import numpy as np

METRICS = (
    "auc",
    "balanced_accuracy",
    "accuracy",
    "sensitivity",
    "specificity",
    "f1",
    "auprc",
    "brier",
)


def auc(diagnosis: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve; ties count one half; NaN where a class is missing."""
    cases = int((diagnosis == 1).sum())
    controls = len(diagnosis) - cases
    if not cases or not controls:
        return float("nan")
    _, back, counts = np.unique(score, return_inverse=True, return_counts=True)
    midrank = np.cumsum(counts) - (counts - 1) / 2
    total = midrank[back][diagnosis == 1].sum()
    return float((total - cases * (cases + 1) / 2) / (cases * controls))


def auprc(diagnosis: np.ndarray, score: np.ndarray) -> float:
    """Return the average precision: precision at each threshold weighted by the gain in recall."""
    cases = int((diagnosis == 1).sum())
    if not cases or cases == len(diagnosis):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(diagnosis[order] == 1)
    last = np.append(score[order][1:] != score[order][:-1], True)  # one threshold per tie
    hits, seen = hits[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) / cases * (hits / seen)).sum())


def best_threshold(diagnosis: np.ndarray, probability: np.ndarray) -> float:
    """Return the threshold of the best balanced accuracy, the nearest to 0.5 among equals.

    0.5 where a class is missing.
    """
    cases = diagnosis == 1
    if cases.all() or not cases.any():
        return 0.5
    values = np.unique(probability)
    cuts = np.concatenate([[0.5], (values[1:] + values[:-1]) / 2])
    called = probability[None, :] >= cuts[:, None]
    balanced = (called[:, cases].mean(axis=1) + (~called[:, ~cases]).mean(axis=1)) / 2
    best = np.flatnonzero(balanced >= balanced.max() - 1e-12)
    return float(cuts[best[np.abs(cuts[best] - 0.5).argmin()]])


def evaluate(
    diagnosis: np.ndarray, probability: np.ndarray, predicted: np.ndarray
) -> dict[str, float | None]:
    """Return every metric of `METRICS`.

    Parameters
    ----------
    diagnosis, predicted : int (people,)
        1 case, 0 control. Sensitivity is of cases.
    probability : float (people,)
        Of being a case.
    """
    cases, positive = diagnosis == 1, predicted == 1
    with np.errstate(invalid="ignore", divide="ignore"):
        true = float((cases & positive).sum())
        sensitivity = true / cases.sum() if cases.any() else np.nan
        specificity = (~cases & ~positive).sum() / (~cases).sum() if (~cases).any() else np.nan
        called = 2 * true + (cases & ~positive).sum() + (~cases & positive).sum()
        values = {
            "auc": auc(diagnosis, probability),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "accuracy": (cases == positive).mean() if len(cases) else np.nan,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "f1": 2 * true / called if called else np.nan,
            "auprc": auprc(diagnosis, probability),
            "brier": ((probability - diagnosis) ** 2).mean() if len(cases) else np.nan,
        }
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-logit)) without overflow, in float64."""
    logit = logit.astype(np.float64)
    small = np.exp(-np.abs(logit))
    return np.asarray(np.where(logit >= 0, 1 / (1 + small), small / (1 + small)))


def log_loss(diagnosis: np.ndarray, logit: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted mean cross-entropy."""
    signed = np.where(diagnosis == 1, -1.0, 1.0) * logit.astype(np.float64)
    return float((weight * np.logaddexp(0, signed)).sum() / weight.sum())


def class_weights(diagnosis: np.ndarray) -> tuple[float, float]:
    """Return the weights of a control and a case that make both classes count the same."""
    n, cases = len(diagnosis), int(diagnosis.sum())
    return n / (2 * (n - cases)), n / (2 * cases)

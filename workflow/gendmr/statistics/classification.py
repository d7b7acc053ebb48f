"""How well scores tell classes apart: areas under curves, thresholds, correlations."""

from __future__ import annotations

import numpy as np


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-logit)) without overflow, in float64."""
    logit = logit.astype(np.float64)
    small = np.exp(-np.abs(logit))
    return np.asarray(np.where(logit >= 0, 1 / (1 + small), small / (1 + small)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities float64 (person, class) of logits (person, class)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve; ties count one half; NaN where a class is missing.

    Parameters
    ----------
    truth : int or bool (person,)
        1 for those whose score should be high.
    score : float (person,)
    """
    cases = int((truth == 1).sum())
    controls = len(truth) - cases
    if not cases or not controls:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    midrank = np.cumsum(counts) - (counts - 1) / 2
    total = midrank[inverse][truth == 1].sum()
    return float((total - cases * (cases + 1) / 2) / (cases * controls))


def auprc(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the average precision: precision at each threshold weighted by the gain in recall.

    NaN where a class is missing. Parameters as of `auc`.
    """
    cases = int((truth == 1).sum())
    if not cases or cases == len(truth):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    true_positives = np.cumsum(truth[order] == 1)
    last = np.append(score[order][1:] != score[order][:-1], True)  # one threshold per tie
    true_positives, n_called = true_positives[last], np.flatnonzero(last) + 1
    return float((np.diff(true_positives, prepend=0) / cases * (true_positives / n_called)).sum())


def best_threshold(truth: np.ndarray, probability: np.ndarray) -> float:
    """Return the threshold of the best balanced accuracy, the nearest to 0.5 among equals.

    0.5 where a class is missing.
    """
    cases = truth == 1
    if cases.all() or not cases.any():
        return 0.5
    values = np.unique(probability)
    cuts = np.concatenate([[0.5], (values[1:] + values[:-1]) / 2])
    called = probability[None, :] >= cuts[:, None]
    balanced = (called[:, cases].mean(axis=1) + (~called[:, ~cases]).mean(axis=1)) / 2
    best = np.flatnonzero(balanced >= balanced.max() - 1e-12)
    return float(cuts[best[np.abs(cuts[best] - 0.5).argmin()]])


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts int64 (class, class): rows are true classes, columns predicted ones.

    Parameters
    ----------
    truth, predicted : int (person,)
        From 0 to `classes` - 1.
    """
    counts = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def matthews(counts: np.ndarray) -> float:
    """Return the Matthews correlation of a confusion matrix.

    Of any number of classes (Gorodkin 2004, Comput Biol Chem 28:367). NaN where fewer than two
    classes are there; 0 where all are predicted to be of one class.

    Parameters
    ----------
    counts : int (class, class)
        See `confusion`.
    """
    counts = counts.astype(np.float64)
    true, called, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    if (true > 0).sum() < 2:
        return float("nan")
    covariance = np.trace(counts) * total - true @ called
    spread = np.sqrt((total**2 - called @ called) * (total**2 - true @ true))
    return float(covariance / spread) if spread > 0 else 0.0

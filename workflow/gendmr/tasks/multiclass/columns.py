"""Columns of predictions.tsv that hold probabilities of classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.tasks.pooling import pool_people


def probability_of(name: str) -> str:
    """Return the column of the probability of a class."""
    return f"probability:{name}"


def probabilities(rows: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Return probabilities, float64 (person, class)."""
    return rows[[probability_of(name) for name in classes]].to_numpy(float)


def pool_classes(rows: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return a row per person: probabilities averaged over repeats, and the most probable class."""
    pooled = pool_people(rows, ("observed",), [probability_of(name) for name in classes])
    called = probabilities(pooled, classes).argmax(axis=1)
    pooled["predicted"] = np.array(classes, dtype=object)[called]
    return pooled

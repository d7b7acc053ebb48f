"""Metrics of a task, found by name: what judges predictions trains nothing."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pandas as pd

from gendmr.tasks.base import Metric


class Judged:
    """What all tasks have: metrics that live in the module `metrics` of their package.

    No module that a fit runs imports that one, so that a new metric trains nothing again.
    """

    kind: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics; the first is the primary one."""
        module = importlib.import_module(f"gendmr.tasks.{self.kind}.metrics")
        metrics: tuple[Metric, ...] = module.metrics(self)
        return metrics

    def trait(self, outcome: Any) -> np.ndarray | None:
        """Return None: PLINK has no model of such an outcome; see `gendmr.tasks.base.Task`."""
        return None

    def finite(self, output: Any) -> np.ndarray:
        """Return who has a finite output, bool (person,); see `gendmr.tasks.base.Task`."""
        return np.asarray(np.isfinite(output).all(axis=1))

    def summary(self, predictions: pd.DataFrame) -> str:
        """Return the primary metric of some predictions, for the log."""
        primary = self.metrics[0]
        value = float(primary.of(predictions))
        return f"{primary.label} {value:.3f}" if math.isfinite(value) else f"{primary.label} n/a"

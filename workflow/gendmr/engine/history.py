"""Numbers of the history, from outputs: nothing here knows what the task is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gendmr.engine.batches import Piece
from gendmr.engine.step import StepResult
from gendmr.tasks.base import Outcome, Task

COLUMNS = ("phase", "epoch", "step", "train_loss", "learning_rate")  # of every line


def train_outputs(
    piece_results: list[tuple[Piece | None, StepResult]], number: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows and output of a replicate's training people in an epoch."""
    pairs = [
        (piece.rows, result.output[number])
        for piece, result in piece_results
        if piece is not None and result.output[number] is not None
    ]
    if not pairs:
        return None
    values = torch.cat([output for _, output in pairs if output is not None])
    return np.concatenate([index for index, _ in pairs]), values.cpu().numpy()


def performance(
    role: str, task: Task, output: np.ndarray, outcome: Outcome
) -> tuple[dict[str, float], np.ndarray, float]:
    """Return columns of the history, losses of people whose outcome is known, and the metric.

    Both in float64 and without torch: early stopping does not depend on the device's rounding.
    """
    losses, weight = task.losses(output, outcome), task.weights(outcome)
    has_outcome = weight > 0
    metric = task.score(output, outcome)
    mean = (
        float((weight * losses)[has_outcome].sum() / weight.sum())
        if has_outcome.any()
        else math.nan
    )
    columns = {f"{role}_loss": mean, f"{role}_{task.metrics[0].name}": metric}
    return columns, losses[has_outcome], metric


def mean_over_steps(values: Sequence[torch.Tensor]) -> float:
    """Return the mean of scalars, NaN where there is none."""
    return float(torch.stack(list(values)).mean()) if values else math.nan


def describe(line: Mapping[str, Any], task: Task) -> str:
    """Return a line of the history in words, for the log."""
    metric = task.metrics[0]
    words = [f"epoch {line['epoch']}: loss {line['train_loss']:.3f}"]
    if "validation_loss" in line:
        words.append(f"validation loss {line['validation_loss']:.3f}")
        words.append(f"{metric.label} {line[f'validation_{metric.name}']:.3f}")
    else:
        # Nothing judges such a phase but its own terms.
        words += [f"{name} {value:.3f}" for name, value in line.items() if name not in COLUMNS]
    return ", ".join(words)

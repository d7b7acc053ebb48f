"""Which epoch is kept: against the rules as they are written."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gendmr.engine.stopping import EarlyStopping

# Losses of four people by epoch; metrics.
EPOCHS = [
    ([1.0, 1.2, 0.8, 1.0], 0.60),
    ([0.9, 1.1, 0.7, 0.9], 0.55),  # smallest mean
    ([0.9, 1.0, 0.8, 0.92], 0.70),  # within one standard error of it
    ([2.0, 2.2, 1.8, 2.0], 0.70),
    ([2.1, 2.2, 1.8, 2.0], math.nan),
]


def train(rule: str, higher: bool = True, patience: int = 2) -> EarlyStopping:
    start = torch.zeros(1, 1)
    stopping = EarlyStopping(start, {"count": torch.zeros(1)}, rule, patience, higher)  # type: ignore[arg-type]
    for epoch, (losses, metric) in enumerate(EPOCHS, start=1):
        if not stopping.running:
            break
        weights = torch.full((1, 1), float(epoch))
        stopping.update(
            weights, {"count": weights[:, 0]}, epoch, {0: (metric, float(np.mean(losses)))},
            {0: np.array(losses)},
        )  # fmt: skip
    return stopping


@pytest.mark.parametrize(
    ("rule", "higher", "epoch"),
    [
        ("one_standard_error", True, 3),
        ("best_metric", True, 3),  # of equals the one with the smaller loss
        ("best_metric", False, 2),
        ("last", True, 5),
    ],
)
def test_the_epoch_of_the_rule_is_kept(rule: str, higher: bool, epoch: int) -> None:
    stopping = train(rule, higher)
    assert stopping.epoch == [epoch]
    assert stopping.weights.item() == stopping.buffers["count"].item() == epoch
    assert bool(stopping.running) == (rule == "last")


def test_a_replicate_stops_after_the_epochs_of_its_patience() -> None:
    assert train("best_metric", patience=3).running == [0]
    assert train("best_metric", higher=False, patience=3).running == []

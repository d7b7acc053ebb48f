"""Early stopping: the weights to keep of every replicate, and which replicates still train."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gendmr.engine.batches import Tensors
from gendmr.engine.phase import StoppingRule


class EarlyStopping:
    """The weights to keep, and which replicates still train.

    `one_standard_error` keeps the last epoch whose validation loss is not worse than the smallest
    by more than one standard error of their difference over people (Breiman et al. 1984): a hundred
    people cannot tell good epochs apart, and the luckiest is a worse choice than the last of them.
    `best_metric` keeps the epoch with the best primary metric of the task; among equals, the
    smallest loss. `last` keeps the last epoch.

    Parameters
    ----------
    weights : float (replicate, weight)
    buffers : dict of Tensor (replicate, ...)
    rule : str
    patience : int
        Epochs in a row that the rule does not keep before a replicate stops.
    higher : bool
        Whether the primary metric is better when higher.
    """

    def __init__(
        self,
        weights: torch.Tensor,
        buffers: Tensors,
        rule: StoppingRule,
        patience: int,
        higher: bool,
    ) -> None:
        replicates = weights.shape[0]
        self.weights = weights.clone()
        self.buffers = dict(buffers)
        self.epoch = [0] * replicates
        self.best = [(-math.inf, -math.inf)] * replicates
        self.least: list[list[float]] = [[] for _ in range(replicates)]
        self.active = torch.ones(replicates, dtype=torch.bool, device=weights.device)
        self.patience, self.rule, self.sign = patience, rule, 1.0 if higher else -1.0

    @property
    def running(self) -> list[int]:
        """Replicates that still train."""
        return [int(number) for number in torch.nonzero(self.active).reshape(-1)]

    def update(
        self,
        weights: torch.Tensor,
        buffers: Tensors,
        epoch: int,
        scores: Mapping[int, tuple[float, float]],
        losses: Mapping[int, np.ndarray],
    ) -> None:
        """Look at an epoch of every running replicate.

        Parameters
        ----------
        weights, buffers
            After the epoch.
        epoch : int
            Of the phase, counted from 1.
        scores : mapping of int to (float, float)
            Primary metric and loss of the validation, by replicate.
        losses : mapping of int to float64 (person,)
            Of each person of the validation.
        """
        improved = torch.zeros(len(self.epoch), dtype=torch.bool)
        for replicate in scores:
            if self._keeps(replicate, scores[replicate], losses[replicate]):
                self.epoch[replicate] = epoch
                improved[replicate] = True
            elif epoch - self.epoch[replicate] >= self.patience:
                self.active[replicate] = False
        improved = improved.to(weights.device)
        self.weights = torch.where(improved[:, None], weights, self.weights)
        self.buffers = {
            name: torch.where(
                improved.reshape(improved.shape + (1,) * (value.ndim - 1)), value, past
            )
            for (name, value), past in zip(buffers.items(), self.buffers.values(), strict=True)
        }

    def _keeps(self, replicate: int, score: tuple[float, float], losses: np.ndarray) -> bool:
        if self.rule == "last":
            return True
        if self.rule == "best_metric":
            metric, loss = score
            value = (-math.inf if math.isnan(metric) else self.sign * metric, -loss)
            improves = value > self.best[replicate]
            if improves:
                self.best[replicate] = value
            return improves
        return self._within_one_standard_error(replicate, losses)

    def _within_one_standard_error(self, replicate: int, losses: np.ndarray) -> bool:
        least = self.least[replicate]
        if not least or losses.mean() < np.mean(least):
            self.least[replicate] = losses.tolist()
            return True
        differences = losses - np.array(least)
        return bool(differences.mean() <= differences.std() / math.sqrt(len(differences)))

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the tensors and the rest, for a checkpoint."""
        tensors = {"best": self.weights, "active": self.active}
        tensors |= {f"best_buffer.{name}": value for name, value in self.buffers.items()}
        return {name: value.cpu().numpy() for name, value in tensors.items()}, {
            "best_epoch": self.epoch,
            "best_value": self.best,
            "least": self.least,
        }

    def restore(self, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Go to where a checkpoint stands."""

        def read(name: str) -> torch.Tensor:
            return torch.from_numpy(tensors[name].copy()).to(self.weights.device)

        self.weights, self.active = read("best"), read("active")
        self.buffers = {name: read(f"best_buffer.{name}") for name in self.buffers}
        self.epoch = list(values["best_epoch"])
        self.least = [list(losses) for losses in values["least"]]
        self.best = [(float(a), float(b)) for a, b in values["best_value"]]

"""Everything that changes from step to step, the replicate axis first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gendmr.engine.batches import Tensors


@dataclass
class State:
    """Where a phase stands.

    Parameters
    ----------
    weights, anchor : float (replicate, weight)
        Now, and where the phase started.
    first, second : float (replicate, column)
        Moments of the weights that the phase trains.
    steps : int64 (replicate,)
        Steps of each replicate: one with fewer people takes fewer.
    first_loss : float (replicate,)
        The first loss above 0; NaN before it.
    teachers, memory, buffers : dict of Tensor (replicate, ...)
    epoch : int
        Of the phase.
    """

    weights: torch.Tensor
    anchor: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    steps: torch.Tensor
    first_loss: torch.Tensor
    teachers: Tensors = field(default_factory=dict)
    memory: Tensors = field(default_factory=dict)
    buffers: Tensors = field(default_factory=dict)
    epoch: int = 0

    @classmethod
    def start(
        cls,
        weights: torch.Tensor,
        buffers: Tensors,
        columns: int,
        teachers: list[str],
        memory: Tensors,
    ) -> State:
        """Return the state before the first step of a phase that trains so many weights."""
        count = weights.shape[0]
        return cls(
            weights=weights.clone(),
            anchor=weights.clone(),
            first=weights.new_zeros(count, columns),
            second=weights.new_zeros(count, columns),
            steps=torch.zeros(count, dtype=torch.int64, device=weights.device),
            first_loss=torch.full((count,), math.nan, device=weights.device),
            teachers={name: weights.clone() for name in teachers},
            memory=dict(memory),
            buffers=dict(buffers),
        )

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the tensors and the rest, for a checkpoint."""
        tensors = {
            "weights": self.weights,
            "anchor": self.anchor,
            "first": self.first,
            "second": self.second,
            "steps": self.steps,
            "first_loss": self.first_loss,
            **{f"teacher.{name}": value for name, value in self.teachers.items()},
            **{f"memory.{name}": value for name, value in self.memory.items()},
            **{f"buffer.{name}": value for name, value in self.buffers.items()},
        }
        return {name: value.cpu().numpy() for name, value in tensors.items()}, {"epoch": self.epoch}

    def restore(self, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Go to where a checkpoint stands."""

        def read(name: str) -> torch.Tensor:
            # Copied, because the arrays of safetensors are read-only.
            return torch.from_numpy(tensors[name].copy()).to(self.weights.device)

        for name in ("weights", "anchor", "first", "second", "steps", "first_loss"):
            setattr(self, name, read(name))
        self.teachers = {name: read(f"teacher.{name}") for name in self.teachers}
        self.memory = {name: read(f"memory.{name}") for name in self.memory}
        self.buffers = {name: read(f"buffer.{name}") for name in self.buffers}
        self.epoch = values["epoch"]

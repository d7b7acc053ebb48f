"""A network after training: predictions in batches, weights by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from gendmr.engine.batches import Tensors, in_order
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.methods.base import Attribution
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.base import Task

if TYPE_CHECKING:
    from gendmr.methods.network_method import NetworkMethod


@dataclass
class FittedNetwork:
    """A fitted network of one replicate.

    Parameters
    ----------
    method : NetworkMethod
    module : torch.nn.Module
        Of the replicate's own sizes; its weights are `row` (weight,) and `buffers`.
    modalities : tuple of str
        That were trained.
    preparation : Preparation
    fixed : dict of Tensor
        See `FitProblem`; `slot` is that of people outside training.
    kept : dict of Tensor (weight,)
        Weights that phases before the last kept, by their names.
    """

    method: NetworkMethod
    module: nn.Module
    modalities: tuple[str, ...]
    preparation: Preparation
    fixed: Tensors
    slot: int
    row: torch.Tensor
    buffers: Tensors
    history: list[dict[str, Any]]
    best_epoch: int
    device: str
    notes: list[str] = field(default_factory=list)
    kept: Tensors = field(default_factory=dict)

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages whose versions belong to the result."""
        return self.method.packages

    @property
    def task(self) -> Task:
        """The task of the fold."""
        return self.preparation.task

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        named = {**Layout(self.module).unflatten(self.row), **self.buffers}
        arrays = {name: value.cpu().numpy() for name, value in named.items()}
        return {**arrays, **self.method.learned(self)}

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """Nothing: the output of a network is no sum of terms."""
        return {}

    def predict(self, people: PreparedSubset) -> Any:
        """Return the output that the task reads; see `Fitted.predict`."""
        return self.method.predicted(self, people)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return attributions by modality; see `Method`."""
        return self.method.attributions(self, people)

    def leave(self, folder: Path, people: PreparedSubset) -> None:
        """Write further files of held-out people; see `gendmr.methods.base.LeavesReadouts`."""
        self.method.leave(self, folder, people)

    def outputs(
        self, people: PreparedSubset, read_out: bool = False, slopes: bool = False
    ) -> list[tuple[Tensors, Tensors]]:
        """Return outputs and batch of people in their order, in batches.

        Parameters
        ----------
        people : PreparedSubset
        read_out : bool
            Adds `read_out` to the batch: forward passes may then give more than training needs.
        slopes : bool
            Keeps gradients by the tensors of modalities.
        """
        forward = Forward(self.method.forward, self.module, Layout(self.module))
        pieces = []
        for piece in in_order(len(people), self.method.optimisation.batch_size):
            batch = self.method.people_tensors(
                people.take(piece.rows), self.preparation, self.modalities
            )
            batch = {name: value.to(self.row.device) for name, value in batch.items()}
            batch["slot"] = torch.tensor(self.slot, device=self.row.device)
            batch["person"] = torch.from_numpy(piece.rows).to(self.row.device)
            if read_out:
                batch["read_out"] = torch.ones((), device=self.row.device)
            if slopes:
                for name in self.modalities:
                    batch[name].requires_grad_(True)
            with torch.set_grad_enabled(slopes):
                outputs = forward(self.row, self.buffers, {**self.fixed, **batch}, False)
            pieces.append((outputs, batch))
        return pieces

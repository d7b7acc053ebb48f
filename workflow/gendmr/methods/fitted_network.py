"""A network after training: predictions in batches, weights by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors, in_order
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.methods.base import Attribution
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.base import Task

if TYPE_CHECKING:
    from gendmr.methods.network_method import Architecture, NetworkMethod


@dataclass
class FittedNetwork:
    """A fitted network of one replicate.

    Parameters
    ----------
    method : NetworkMethod
    architecture : Architecture
    module : torch.nn.Module
        Of the replicate's own sizes; its weights are `row` (weight,) and `buffers`.
    modalities : tuple of str
        That were trained.
    preparation : Preparation
    fixed : dict of Tensor
        See `FitProblem`; `slot` is that of people outside training.
    phase_weights : dict of Tensor (weight,)
        Weights that phases before the last kept, by their names.
    """

    method: NetworkMethod
    architecture: Architecture
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
    phase_weights: Tensors = field(default_factory=dict)

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

    def portable(self) -> StoredNetwork:
        """Return what a model file holds of it; see `gendmr.files.portable`."""
        return StoredNetwork(
            options=self.preparation.options,
            architecture=self.architecture,
            modalities=self.modalities,
            preparation=self.preparation,
            fixed=self.fixed,
            slot=self.slot,
            weights=Layout(self.module).unflatten(self.row),
            buffers=self.buffers,
            best_epoch=self.best_epoch,
            notes=self.notes,
        )

    def predict(self, people: PreparedSubset) -> Any:
        """Return the output that the task reads; see `Fitted.predict`."""
        return self.method.predicted(self, people)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return attributions by modality; see `Method`."""
        return self.method.attributions(self, people)

    def leave(self, folder: Path, people: PreparedSubset) -> list[str]:
        """Write further files of held-out people; see `gendmr.methods.base.LeavesReadouts`."""
        return self.method.leave(self, folder, people)

    def outputs(
        self, people: PreparedSubset, read_out: bool = False, slopes: bool = False
    ) -> Iterator[tuple[Tensors, Tensors]]:
        """Yield outputs and batch of people in their order, batch by batch: bags are large.

        Parameters
        ----------
        people : PreparedSubset
        read_out : bool
            Adds `read_out` to the batch: forward passes may then give more than training needs.
        slopes : bool
            Keeps gradients by the tensors of modalities.
        """
        forward = Forward(self.method.forward, self.module, Layout(self.module))
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
            yield outputs, batch


@dataclass(frozen=True)
class StoredNetwork:
    """A fitted network without its module, which is built anew from the options.

    Parameters
    ----------
    options : MethodOptions
    architecture : Architecture
    modalities, preparation, fixed, slot, buffers, best_epoch, notes
        See `FittedNetwork`.
    weights : dict of Tensor
        By name of the parameter.
    """

    options: MethodOptions
    architecture: Architecture
    modalities: tuple[str, ...]
    preparation: Preparation
    fixed: Tensors
    slot: int
    weights: Tensors
    buffers: Tensors
    best_epoch: int
    notes: list[str]

    def restored(self) -> FittedNetwork:
        """Return the network on the CPU, with the module of its options and architecture."""
        module = importlib.import_module(f"gendmr.{self.options.method.module}")
        method: NetworkMethod = module.build(self.options)
        network = method.network(self.architecture)
        layout = Layout(network)
        shapes = [tuple(self.weights[name].shape) for name in layout.names]
        if shapes != layout.shapes:
            raise ValueError(f"parameters of {self.options.method.kind} have other shapes")
        return FittedNetwork(
            method=method,
            architecture=self.architecture,
            module=network,
            modalities=self.modalities,
            preparation=self.preparation,
            fixed=self.fixed,
            slot=self.slot,
            row=torch.cat([self.weights[name].reshape(-1) for name in layout.names]),
            buffers=self.buffers,
            history=[],
            best_epoch=self.best_epoch,
            device="cpu",
            notes=self.notes,
        )

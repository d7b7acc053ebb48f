"""Batches: which people take part in a step, and their tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch

from gendmr.seeds import generator

if TYPE_CHECKING:
    from gendmr.engine.network import FitProblem

Tensors = dict[str, torch.Tensor]


class Piece(NamedTuple):
    """Who takes part in one step of a replicate.

    Parameters
    ----------
    rows : int64 (person,)
    slot : int
        Which of several tables of `FitProblem.fixed` the step reads.
    """

    rows: np.ndarray
    slot: int = 0


class Rows(Protocol):
    """Tensors of people; a modality whose people do not fit into memory reads them in `take`."""

    def __len__(self) -> int:
        """Return the number of people."""

    def take(self, index: np.ndarray) -> Tensors:
        """Return tensors (person, ...) of some people, `weight` among them."""


class TensorRows:
    """People in memory.

    Parameters
    ----------
    tensors : dict of Tensor (person, ...)
    """

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors["weight"])

    def take(self, index: np.ndarray) -> Tensors:
        """Return tensors (person, ...) of some people."""
        where = torch.from_numpy(index)
        return {name: value[where] for name, value in self.tensors.items()}


BatchSource = Callable[["FitProblem", str, int, int], Iterator[Piece]]
"""``source(problem, phase, epoch, size)`` gives the steps of one replicate in an epoch, counted
from 1, with at most `size` people each."""


def shuffled(problem: FitProblem, phase: str, epoch: int, size: int) -> Iterator[Piece]:
    """Give all training people in random order."""
    order = generator(problem.seed, "batches", phase, epoch).permutation(len(problem.train))
    for index in np.array_split(order, max(math.ceil(len(order) / size), 1)):
        yield Piece(index)


def in_order(people: int, size: int, slot: int = 0) -> Iterator[Piece]:
    """Give people in their order: for validation and prediction."""
    for first in range(0, people, size):
        yield Piece(np.arange(first, min(first + size, people)), slot)


class PaddedStep(NamedTuple):
    """One step of all replicates: None for those without people in it."""

    pieces: tuple[Piece | None, ...]
    size: int

    @property
    def takes_part(self) -> list[bool]:
        """Return which replicates have people in it."""
        return [piece is not None for piece in self.pieces]


def align(sources: Sequence[Iterator[Piece]]) -> list[PaddedStep]:
    """Return steps of all replicates side by side: numbers of rows alone, no measurements."""
    return [
        PaddedStep(step, max(len(piece.rows) for piece in step if piece is not None))
        for step in zip_longest(*sources)
    ]


def stack(items: Sequence[Tensors], device: torch.device | None = None) -> Tensors:
    """Stack tensors of replicates, the replicate axis first.

    Replicates may differ in their numbers of people and instances: smaller tensors are padded with
    zeros at the end of every axis. Weight 0 marks a padded person; what marks a padded instance is
    the network's business (`Network.pad_fixed`).
    """
    stacked = {}
    for name in items[0]:
        values = [item[name] for item in items]
        shape = [max(sizes) for sizes in zip(*(value.shape for value in values), strict=True)]
        if any(list(value.shape) != shape for value in values):
            values = [_pad(value, shape) for value in values]
        stacked[name] = torch.stack(values).to(device)
    return stacked


def _pad(value: torch.Tensor, shape: list[int]) -> torch.Tensor:
    padded = value.new_zeros(shape)
    padded[tuple(slice(size) for size in value.shape)] = value
    return padded


class Gatherer:
    """Makes the batches of a step from rows.

    Parameters
    ----------
    rows : sequence of Rows
        Of each replicate.
    device : torch.device
    together : bool
        Whether replicates are stacked.
    """

    def __init__(self, rows: Sequence[Rows], device: torch.device, together: bool) -> None:
        self.rows = rows
        self.device = device
        self.max_rows = max(len(replicate_rows) for replicate_rows in rows)
        in_memory = [
            replicate_rows.tensors
            for replicate_rows in rows
            if isinstance(replicate_rows, TensorRows)
        ]
        self.stacked = (
            stack(in_memory, device) if together and len(in_memory) == len(rows) else None
        )

    def together(self, step: PaddedStep) -> Tensors:
        """Return tensors (replicate, person, ...) of a step, padded."""
        shape = (len(self.rows), step.size)
        index = np.zeros(shape, dtype=np.int64)
        person = np.full(shape, self.max_rows, dtype=np.int64)
        slot = np.zeros(len(self.rows), dtype=np.int64)
        for row, piece in enumerate(step.pieces):
            if piece is not None:
                count, slot[row] = len(piece.rows), piece.slot
                index[row, :count] = person[row, :count] = piece.rows
        if self.stacked is not None:
            rows = torch.arange(len(self.rows), device=self.device)[:, None]
            columns = torch.from_numpy(index).to(self.device)
            batch = {name: value[rows, columns] for name, value in self.stacked.items()}
        else:
            no_rows = Piece(np.zeros(0, dtype=np.int64))
            by_replicate = [
                replicate_rows.take((piece or no_rows).rows)
                for replicate_rows, piece in zip(self.rows, step.pieces, strict=True)
            ]
            batch = stack(by_replicate, self.device)
        batch["person"] = torch.from_numpy(person).to(self.device)
        batch["weight"] = batch["weight"] * (batch["person"] < self.max_rows)
        batch["slot"] = torch.from_numpy(slot).to(self.device)
        return batch

    def apart(self, replicate: int, piece: Piece) -> Tensors:
        """Return tensors (person, ...) of one replicate, without padding."""
        tensors = self.rows[replicate].take(piece.rows)
        batch = {name: value.to(self.device) for name, value in tensors.items()}
        batch["person"] = torch.from_numpy(piece.rows).to(self.device)
        batch["slot"] = torch.tensor(piece.slot, device=self.device)
        return batch

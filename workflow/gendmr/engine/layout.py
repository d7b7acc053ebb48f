"""Where each parameter of a module lies in a row of the weight matrix."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from gendmr.engine.batches import Tensors


class Layout:
    """Names and shapes of the parameters of a module, in the order of a row.

    Parameters
    ----------
    module : torch.nn.Module
    """

    def __init__(self, module: nn.Module) -> None:
        self.names = [name for name, _ in module.named_parameters()]
        self.shapes = [tuple(value.shape) for _, value in module.named_parameters()]
        self.sizes = [math.prod(shape) for shape in self.shapes]

    @property
    def width(self) -> int:
        """Number of weights."""
        return sum(self.sizes)

    def flatten(self, module: nn.Module) -> torch.Tensor:
        """Return the parameters of a module (weight,), which may be smaller: padded with zeros."""
        pieces = []
        for shape, (_, value) in zip(self.shapes, module.named_parameters(), strict=True):
            if tuple(value.shape) == shape:
                pieces.append(value.detach().reshape(-1))
            else:
                padded = value.new_zeros(shape)
                padded[tuple(slice(size) for size in value.shape)] = value.detach()
                pieces.append(padded.reshape(-1))
        return torch.cat(pieces)

    def unflatten(self, row: torch.Tensor) -> Tensors:
        """Return views of one row (weight,) by parameter name."""
        pieces = torch.split(row, self.sizes)
        return {
            name: piece.view(shape)
            for name, piece, shape in zip(self.names, pieces, self.shapes, strict=True)
        }

    def trim(self, row: torch.Tensor, smaller: Layout) -> torch.Tensor:
        """Return the row (weight,) of a smaller module, without the padding of `flatten`."""
        whole = self.unflatten(row)
        return torch.cat(
            [
                whole[name][tuple(slice(size) for size in shape)].reshape(-1)
                for name, shape in zip(smaller.names, smaller.shapes, strict=True)
            ]
        )

    def spread(self, value_of: Callable[[str, tuple[int, ...]], float]) -> torch.Tensor:
        """Return one row with the same value for all weights of a parameter."""
        return torch.cat(
            [
                torch.full((size,), value_of(name, shape))
                for name, shape, size in zip(self.names, self.shapes, self.sizes, strict=True)
            ]
        )

    def columns(self, trainable: Callable[[str], bool]) -> torch.Tensor | None:
        """Return the places (column,) of weights that are trained; None where all are."""
        trained = [trainable(name) for name in self.names]
        if all(trained):
            return None
        mask = torch.cat(
            [
                torch.full((size,), is_trained)
                for size, is_trained in zip(self.sizes, trained, strict=True)
            ]
        )
        return torch.nonzero(mask).reshape(-1)

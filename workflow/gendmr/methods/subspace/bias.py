"""The continuous position bias of deformable attention, without its intermediate tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


def log_distance(distance: torch.Tensor) -> torch.Tensor:
    """Return sign(x) log(|x| + 1), in which far pairs differ less than near ones."""
    return torch.sign(distance) * torch.log(distance.abs() + 1)


class PositionBias(nn.Module):
    """A network 2 -> width -> width -> 1 of the log distances between a query and a key.

    The queries stand on a grid. Of its first layer, each axis is computed for the rows or columns
    of the grid alone and the two are added (the layer is linear, so that this is exact); the rest
    runs over one row of the grid at a time, forwards and backwards, so that no tensor of all pairs
    and hidden units exists. `plain` is the same as it is written down.

    Parameters
    ----------
    width : int
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)

    def forward(self, axis: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Return the bias (n, side * side, key).

        Parameters
        ----------
        axis : Tensor (side,)
            Positions of the rows, which are those of the columns.
        keys : Tensor (n, key, 2)
            Positions of keys: x, y.
        """
        across = log_distance(axis[None, :, None] - keys[:, None, :, 0])  # (n, side, key)
        down = log_distance(axis[None, :, None] - keys[:, None, :, 1])  # (n, side, key)
        weight = self.first.weight
        columns = across[..., None] * weight[:, 0]  # (n, side, key, width)
        rows = down[..., None] * weight[:, 1] + self.first.bias  # (n, side, key, width)
        bias: torch.Tensor = _Rest.apply(  # type: ignore[no-untyped-call]
            columns,
            rows,
            self.second.weight,
            self.second.bias,
            self.last.weight,
            self.last.bias,
        )
        return bias

    def plain(self, axis: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Return the same, pair by pair."""
        down, across = torch.meshgrid(axis, axis, indexing="ij")
        queries = torch.stack([across, down], dim=-1).reshape(-1, 2)  # (side * side, 2)
        distance = queries[None, :, None] - keys[:, None]  # (n, side * side, key, 2)
        hidden = functional.relu(self.first(log_distance(distance)))
        hidden = functional.relu(self.second(hidden))
        return torch.as_tensor(self.last(hidden)[..., 0])


class _Rest(torch.autograd.Function):
    """What follows the first layer, a row of the grid at a time.

    Nothing of a row is kept: going back computes it again, which is cheaper than memory.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: torch.Tensor) -> torch.Tensor:
        """Return the bias of all queries and keys; see `PositionBias.forward`."""
        # columns and rows (n, side, key, width); the result (n, side, side, key)
        columns, rows, weight, bias, last, level = arguments
        ctx.save_for_backward(*arguments)
        n, side, keys, width = columns.shape
        result = columns.new_empty(n, side, side, keys)
        for item in range(n):
            for row in range(side):
                hidden = (columns[item] + rows[item, row]).clamp_(min=0).view(-1, width)
                hidden = torch.addmm(bias, hidden, weight.T).clamp_(min=0)
                result[item, row] = (hidden @ last[0]).view(side, keys)
        return (result + level).view(n, side * side, keys)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the gradients of all arguments of `forward`."""
        columns, rows, weight, bias, last, level = ctx.saved_tensors
        n, side, keys, width = columns.shape
        gradient = gradients[0].reshape(n, side, side * keys)
        to_columns, to_rows = torch.zeros_like(columns), torch.empty_like(rows)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        to_last = torch.zeros_like(last)
        for item in range(n):
            for row in range(side):
                first = (columns[item] + rows[item, row]).clamp_(min=0).view(-1, width)
                second = torch.addmm(bias, first, weight.T).clamp_(min=0)
                slope = gradient[item, row]  # (side * key,)
                to_last[0] += slope @ second
                back = (slope[:, None] * last[0]).mul_(second > 0)  # (side * key, width)
                to_weight += back.T @ first
                to_bias += back.sum(0)
                back = (back @ weight).mul_(first > 0).view(side, keys, width)
                to_columns[item] += back
                to_rows[item, row] = back.sum(0)
        return to_columns, to_rows, to_weight, to_bias, to_last, gradient.sum().view_as(level)

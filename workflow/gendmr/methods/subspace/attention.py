"""Deformable cross-attention from fused tokens to patches, on a square grid.

Xia et al. 2022, "Vision transformer with deformable attention" (CVPR), with a continuous position
bias: keys and values are sampled from the patches at points that the queries choose.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from gendmr.methods.subspace.bias import PositionBias

STRIDE, REACH = 4, 4 / 11  # as published, where a bag has 50 x 50 places and 12 x 12 keys
PADDING = 1  # of the network of offsets; its kernel is two wider than the stride
# Hidden numbers of the position bias below which row by row costs more than it saves.
FEW = 1 << 23


def keys_per_side(side: int, stride: int = STRIDE) -> int:
    """Return the side of the grid of keys.

    Examples
    --------
    >>> [keys_per_side(side) for side in (4, 12, 20, 50)]
    [1, 3, 5, 12]
    >>> keys_per_side(8, stride=2)
    4
    """
    return side // stride


class DeformableAttention(nn.Module):
    """Attention of each position of a grid to points sampled from another one.

    Parameters
    ----------
    width : int
        Of tokens.
    heads : int
        Also the number of groups of channels, each with offsets of its own.
    head_width : int
    dropout : float
        Of shares.
    stride : int
        Positions between keys.
    reach : float
        How far a key may move from its place on the regular grid, as a share of the distance of
        the first and the last key.
    plain : bool
        Compute the position bias pair by pair however many pairs there are.

    Attributes
    ----------
    few : int
        Hidden numbers of the position bias up to which it is computed pair by pair anyway.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        head_width: int,
        dropout: float,
        *,
        stride: int = STRIDE,
        reach: float = REACH,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.reach = reach
        self.heads, self.head_width, self.plain, self.few = heads, head_width, plain, FEW
        inner = heads * head_width
        self.to_query = nn.Conv2d(width, inner, 1, groups=heads, bias=False)
        self.to_key = nn.Conv2d(width, inner, 1, groups=heads, bias=False)
        self.to_value = nn.Conv2d(width, inner, 1, groups=heads, bias=False)
        self.offset = nn.Sequential(
            nn.Conv2d(
                head_width, head_width, stride + 2 * PADDING, stride, PADDING, groups=head_width
            ),
            nn.GELU(),
            nn.Conv2d(head_width, 2, 1, bias=False),
        )
        self.bias = PositionBias(max(width // 4, 1))
        self.out = nn.Conv2d(inner, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: torch.Tensor, patches: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each position gets, and the points in units of the grid of keys.

        Parameters
        ----------
        queries, patches : Tensor (person, position, width)

        Returns
        -------
        mixed : Tensor (person, position, width)
        points : Tensor (person * head, 2, key side, key side)
            x, y.
        """
        people, positions, width = queries.shape
        side = round(positions**0.5)
        heads, inner = self.heads, self.head_width
        grid = queries.transpose(1, 2).reshape(people, width, side, side)
        source = patches.transpose(1, 2).reshape(people, width, side, side)
        query = self.to_query(grid)  # (person, head * head width, side, side)
        offsets = torch.tanh(self.offset(query.reshape(people * heads, inner, side, side)))
        count = offsets.shape[-1]
        offsets = self.reach * max(count - 1, 1) * offsets
        steps = torch.arange(count, device=queries.device, dtype=queries.dtype)
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        points = offsets + torch.stack([across, down])  # (person * head, 2, count, count)
        places = 2 * points / max(count - 1, 1) - 1
        where = places.permute(0, 2, 3, 1)  # (person * head, count, count, 2)
        sampled = functional.grid_sample(
            source.reshape(people * heads, width // heads, side, side),
            where,
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        sampled = sampled.reshape(people, width, count, count)
        query = query.reshape(people, heads, inner, positions).transpose(2, 3) * inner**-0.5
        key = self.to_key(sampled).reshape(people, heads, inner, -1)
        value = self.to_value(sampled).reshape(people, heads, inner, -1).transpose(2, 3)
        axis = torch.linspace(-1, 1, side, device=queries.device, dtype=queries.dtype)
        hidden = people * heads * positions * count * count * self.bias.width
        pairwise = self.plain or hidden <= self.few
        bias = (self.bias.plain if pairwise else self.bias)(axis, where.reshape(len(where), -1, 2))
        scores = query @ key + bias.reshape(people, heads, positions, -1)
        share = self.dropout(torch.softmax(scores, dim=-1))  # (person, head, position, key)
        mixed = (share @ value).transpose(2, 3).reshape(people, heads * inner, side, side)
        mixed = self.out(mixed).reshape(people, width, positions).transpose(1, 2)
        return mixed, points

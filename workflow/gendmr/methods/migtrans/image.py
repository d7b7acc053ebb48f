"""Encoder of grey-matter maps: a 3-D DenseNet, attention over its maps, tokens of positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

AXES = ("sagittal", "coronal", "axial")  # the plane of maps; x, y, z is then the sequence


class ConvLstm(nn.Module):
    """An LSTM whose products are convolutions (Shi et al. 2015, NeurIPS), without peepholes.

    Parameters
    ----------
    width : int
        Channels of inputs and of the state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return the states (person, step, width, a, b) of a sequence of maps of that shape."""
        state = sequence.new_zeros(sequence.shape[0], *sequence.shape[2:])
        memory, states = state, []
        for step in sequence.unbind(1):
            gates = self.gates(torch.cat([step, state], dim=1))
            input_gate, forget_gate, output_gate, candidate = gates.chunk(4, dim=1)
            memory = torch.sigmoid(forget_gate) * memory + torch.sigmoid(input_gate) * torch.tanh(
                candidate
            )
            state = torch.sigmoid(output_gate) * torch.tanh(memory)
            states.append(state)
        return torch.stack(states, dim=1)


class SpatialSequenceAttention(nn.Module):
    """A gate of all channels from maps read as a sequence, forwards and backwards.

    Parameters
    ----------
    channels, width : int
        Of the maps, and of the states.
    axis : int
        Of space, along which maps follow each other: 0, 1 or 2.
    """

    def __init__(self, channels: int, width: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.narrow = nn.Conv3d(channels, width, 1)
        self.forwards, self.backwards = ConvLstm(width), ConvLstm(width)
        self.widen = nn.Conv3d(2 * width, channels, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the gate (person, channel, x, y, z), 0 to 1, of maps of that shape."""
        narrow = self.narrow(maps).movedim(2 + self.axis, 1)  # (person, step, width, a, b)
        first, second = self.forwards(narrow), self.backwards(narrow.flip(1)).flip(1)
        states = torch.cat([first, second], dim=2).movedim(1, 2 + self.axis)
        return torch.sigmoid(self.widen(states))


class SqueezeExcitation(nn.Module):
    """A gate of channels from their means (Hu et al. 2018, CVPR), the same at all positions.

    Parameters
    ----------
    channels : int
    reduction : int
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the gate (person, channel, x, y, z) of maps of that shape."""
        gate = self.gate(maps.mean(dim=(2, 3, 4)))[:, :, None, None, None]
        return torch.as_tensor(gate.expand_as(maps))


class ImageEncoder(nn.Module):
    """Tokens of the positions of the DenseNet's last maps.

    Parameters
    ----------
    grid : sequence of int
        Voxels along x, y, z.
    large : bool
        DenseNet121 (Huang et al. 2017, CVPR) with volumetric kernels; else one of 8 layers.
    attention : str
        `convlstm`, `se` or `none`.
    axis : int
        See `SpatialSequenceAttention`.
    attention_width, width : int
    """

    def __init__(
        self,
        grid: Sequence[int],
        large: bool,
        attention: str,
        axis: int,
        attention_width: int,
        width: int,
    ) -> None:
        super().__init__()
        # MONAI takes a second to import: only where there are images.
        from monai.networks.nets.densenet import DenseNet

        self.grid = tuple(grid)
        sizes = (64, 32, (6, 12, 24, 16)) if large else (16, 8, (2, 3, 3))
        net = DenseNet(3, 1, 1, init_features=sizes[0], growth_rate=sizes[1], block_config=sizes[2])
        self.features = net.features
        channels = dict(net.named_parameters())["class_layers.out.weight"].shape[1]
        self.attention: nn.Module | None = None
        if attention == "convlstm":
            self.attention = SpatialSequenceAttention(channels, attention_width, axis)
        elif attention == "se":
            self.attention = SqueezeExcitation(channels)
        self.project = nn.Linear(channels, width)

    def forward(
        self, values: torch.Tensor, places: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return tokens (person, position, width) and the gate at each position, or None.

        Parameters
        ----------
        values : Tensor (person, voxel, 1)
            Of the voxels that are read; the others are 0, as the mean of the training people.
        places : int64 (voxel,)
            Where they lie in the grid, its last axis running fastest.
        """
        image = values.new_zeros(len(values), math.prod(self.grid))
        image = image.index_copy(1, places, values[:, :, 0])
        maps = torch.relu(
            self.features(image.view(-1, 1, *self.grid))
        )  # (person, channel, x, y, z)
        shape, gate = maps.shape[2:], None
        if self.attention is not None:
            gate = self.attention(maps)
            maps = maps + maps * gate
            gate = gate.mean(1)  # (person, x, y, z)
        tokens = self.project(maps.flatten(2).transpose(1, 2))
        return tokens + sines(shape, tokens.shape[2]).to(tokens), gate


def sines(shape: Sequence[int], width: int) -> torch.Tensor:
    """Return codes of the positions of a grid (position, width), which nothing learns.

    Sines and cosines of each axis by itself, as Vaswani et al. 2017 have them of a sequence.
    """
    axis_width = 2 * (width // 6)
    codes = torch.zeros(*shape, width)
    rates = 100.0 ** (-torch.arange(axis_width // 2) / max(axis_width // 2, 1))
    for axis, size in enumerate(shape):
        angle = torch.arange(size)[:, None] * rates  # (size, axis_width / 2)
        axis_codes = torch.cat([angle.sin(), angle.cos()], dim=1)
        view = [1, 1, 1, axis_width]
        view[axis] = size
        codes[..., axis * axis_width : (axis + 1) * axis_width] = axis_codes.view(view)
    return codes.flatten(0, 2)

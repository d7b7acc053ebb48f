"""MONAI's networks of slices, for any number of pixels, and simple augmentation."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.unet import UnetMethod

PATCH = 16  # pixels of a token of UNETR
FLIPS, SCALE, SHIFT, HIDDEN = "flips", "scale", "shift", "hidden"  # noise of a step
INTENSITY = 0.1  # of scale, and of shift in SDs


class SegmentationNet(nn.Module):
    """A network of slices with the channels and, for each, whether it is known.

    Parameters
    ----------
    options : UnetMethod
    channels : int
    side : int
        Rows, and columns, of a slice; padded to a multiple of what the network halves.
    """

    def __init__(self, options: UnetMethod, channels: int, side: int) -> None:
        from monai.networks.nets.unet import UNet
        from monai.networks.nets.unetr import UNETR

        super().__init__()
        multiple = PATCH if options.architecture == "unetr" else 2 ** (options.levels - 1)
        self.pad = -side % multiple
        if options.architecture == "unetr":
            self.net: nn.Module = UNETR(
                in_channels=2 * channels,
                out_channels=1,
                img_size=side + self.pad,
                feature_size=options.width,
                hidden_size=8 * options.width,
                mlp_dim=32 * options.width,
                num_heads=4,
                norm_name="batch",
                spatial_dims=2,
            )
        else:
            self.net = UNet(
                spatial_dims=2,
                in_channels=2 * channels,
                out_channels=1,
                channels=[options.width * 2**level for level in range(options.levels)],
                strides=[2] * (options.levels - 1),
                num_res_units=1,
                norm="batch",
            )

    def forward(self, images: torch.Tensor, channel_known: torch.Tensor) -> torch.Tensor:
        """Return log-odds of lesion (slice, row, column).

        Parameters
        ----------
        images : Tensor (slice, channel, row, column)
        channel_known : Tensor (slice, channel)
        """
        planes = channel_known[:, :, None, None].expand_as(images)
        inputs = torch.cat([images, planes], dim=1)  # (slice, 2 channel, row, column)
        padded = functional.pad(inputs, (0, self.pad, 0, self.pad))
        logits: torch.Tensor = self.net(padded)[:, 0]  # (slice, row + pad, column + pad)
        return logits[:, : images.shape[2], : images.shape[3]]


def turned(maps: torch.Tensor, flips: torch.Tensor, inverse: bool = False) -> torch.Tensor:
    """Return square maps flipped and transposed, each its own way.

    Parameters
    ----------
    maps : Tensor (slice, channel, row, column)
    flips : Tensor (slice, 3)
        0 or 1: flip rows, flip columns, then transpose.
    inverse : bool
        Undo it.
    """
    steps = [(0, lambda batch: batch.flip(2)), (1, lambda batch: batch.flip(3)), (2, _transposed)]
    for place, change in reversed(steps) if inverse else steps:
        flipped = flips[:, place].bool()[:, None, None, None]
        maps = torch.where(flipped, change(maps), maps)
    return maps


def _transposed(maps: torch.Tensor) -> torch.Tensor:
    return maps.transpose(2, 3)


def augmentation(
    slices: int, channels: int, options: UnetMethod, random: torch.Generator
) -> dict[str, torch.Tensor]:
    """Return the noise of a step: what is flipped, scaled, moved and hidden in each slice."""
    noise = {HIDDEN: torch.rand(slices, channels, generator=random)}
    if options.augmentation:
        noise[FLIPS] = torch.randint(0, 2, (slices, 3), generator=random)
        noise[SCALE] = 1 + INTENSITY * torch.randn(slices, channels, generator=random)
        noise[SHIFT] = INTENSITY * torch.randn(slices, channels, generator=random)
    return noise


def shown(channel_known: torch.Tensor, draw: torch.Tensor, probability: float) -> torch.Tensor:
    """Return which known channels are left, 0 or 1 (slice, channel); one is always.

    Parameters
    ----------
    channel_known : Tensor (slice, channel)
    draw : Tensor (slice, channel)
        Uniform; the known channel with the largest is always left.
    probability : float
        Of hiding a channel.
    """
    best = torch.where(channel_known > 0, draw, -torch.ones_like(draw)).argmax(dim=1, keepdim=True)
    visible = (draw >= probability).to(channel_known).scatter(1, best, 1.0)
    return channel_known * visible

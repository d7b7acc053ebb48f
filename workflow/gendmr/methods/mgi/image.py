"""Encoder and decoder of slices: a vision transformer, and maps that grow back to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

NARROWEST = 8  # channels of a decoder


def padded(side: int, patch: int) -> int:
    """Return the least multiple of a patch that holds an edge of pixels."""
    return math.ceil(side / patch) * patch


class SliceEncoder(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021, ICLR), of MONAI.

    Parameters
    ----------
    channels : int
    sides : (int, int)
        Rows and columns of a slice, multiples of `patch`.
    patch, width, layers, heads : int
    """

    def __init__(
        self, channels: int, sides: tuple[int, int], patch: int, width: int, layers: int, heads: int
    ) -> None:
        super().__init__()
        # MONAI takes a second to import: only where there are images.
        from monai.networks.nets.vit import ViT

        self.vit = ViT(
            channels,
            sides,
            (patch, patch),
            hidden_size=width,
            mlp_dim=4 * width,
            num_layers=layers,
            num_heads=heads,
            spatial_dims=2,
        )

    def forward(self, slices: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return tokens (image, place, width), and those after each layer."""
        tokens, layers = self.vit(slices)
        return tokens, layers


class Decoder(nn.Module):
    """Maps of tokens, enlarged twofold with a convolution until a token is its patch again.

    Parameters
    ----------
    channels, width, layers : int
        Of the slices, of the tokens, and how many layers the encoder has.
    patch : int
        A power of 2.
    skips : str
        `none`; `image`: two convolutions of the slice join the last maps; `unetr`: tokens of
        earlier layers and the slice join at every size (Hatamizadeh et al. 2022, WACV), with blocks
        of MONAI.
    """

    def __init__(self, channels: int, width: int, layers: int, patch: int, skips: str) -> None:
        super().__init__()
        stages = round(math.log2(patch))
        widths = [max(width // 2**stage, NARROWEST) for stage in range(stages + 1)]
        self.skips = skips
        self.grow = nn.ModuleList()
        self.early = nn.ModuleList()
        self.layers: Sequence[int] = ()
        if skips == "unetr":
            from monai.networks.blocks.unetr_block import (
                UnetrBasicBlock,
                UnetrPrUpBlock,
                UnetrUpBlock,
            )

            # The last stage joins the slice, those before it layers from late to early.
            self.layers = [
                round(layers * (stages - stage) / stages) - 1 for stage in range(1, stages)
            ]
            for stage in range(1, stages):
                self.early.append(
                    UnetrPrUpBlock(
                        2, width, widths[stage], num_layer=stage - 1, kernel_size=3, stride=1,
                        upsample_kernel_size=2, norm_name="instance", conv_block=True,
                        res_block=True,
                    )
                )  # fmt: skip
            self.early.append(UnetrBasicBlock(2, channels, widths[-1], 3, 1, "instance", True))
            for stage in range(stages):
                self.grow.append(
                    UnetrUpBlock(2, widths[stage], widths[stage + 1], 3, 2, "instance", True)
                )
        else:
            for stage in range(stages):
                skip_channels = channels if skips == "image" and stage == stages - 1 else 0
                self.grow.append(_Stage(widths[stage], widths[stage + 1], skip_channels))
        self.head = nn.Conv2d(widths[-1], 1, 1)

    def forward(
        self,
        tokens: torch.Tensor,
        earlier: Sequence[torch.Tensor],
        slices: torch.Tensor,
        grid: tuple[int, int],
    ) -> torch.Tensor:
        """Return logits (image, row, column).

        Parameters
        ----------
        tokens : Tensor (image, place, width)
        earlier : sequence of Tensor (image, place, width)
            After each layer of the encoder.
        slices : Tensor (image, channel, row, column)
        grid : (int, int)
            Patches along rows and columns.
        """
        maps = as_maps(tokens, grid)
        for stage, grow in enumerate(self.grow):
            last = stage == len(self.grow) - 1
            if self.skips == "unetr":
                skip = slices if last else as_maps(earlier[self.layers[stage]], grid)
                maps = grow(maps, self.early[stage](skip))
            else:
                maps = grow(maps, slices if last and self.skips == "image" else None)
        logits: torch.Tensor = self.head(maps)[:, 0]  # (image, row, column)
        return logits


class _Stage(nn.Module):
    """Twice the size, then a convolution; with a slice of that size, one that sees it, and another.

    Maps are normalised together. Each by itself would have SD 1 in every slice: a slice without a
    lesion, or with a small one, would then look like one with a large one.
    """

    def __init__(self, width: int, narrower: int, channels: int) -> None:
        super().__init__()
        self.stem = self.refine = None
        if channels:
            self.stem = nn.Sequential(
                nn.Conv2d(channels, narrower, 3, padding=1), nn.GELU(),
                nn.Conv2d(narrower, narrower, 3, padding=1), nn.GELU(),
            )  # fmt: skip
            self.refine = nn.Conv2d(narrower, narrower, 3, padding=1)
        self.convolve = nn.Conv2d(width + (narrower if channels else 0), narrower, 3, padding=1)
        self.norm = nn.GroupNorm(1, narrower)

    def forward(self, maps: torch.Tensor, slices: torch.Tensor | None) -> torch.Tensor:
        """Return maps (image, narrower, row, column) of twice the size."""
        maps = functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
        if self.stem is not None:
            maps = torch.cat([maps, self.stem(slices)], dim=1)
        # (image, narrower, row, column) of twice the size
        maps = functional.gelu(self.norm(self.convolve(maps)))
        return maps if self.refine is None else maps + functional.gelu(self.refine(maps))


def as_maps(tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Return tokens (image, place, width) as maps (image, width, row, column)."""
    images, _, width = tokens.shape
    return tokens.transpose(1, 2).reshape(images, width, *grid)

"""The network: encoders of slices and genes, projections, fusion, decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from gendmr.methods.mgi.fusion import GatedFusion
from gendmr.methods.mgi.genes import GeneSequence
from gendmr.methods.mgi.image import Decoder, SliceEncoder, padded

HIGHEST_SCALE = 100.0  # of cosines in the contrastive loss


@dataclass(frozen=True)
class Shape:
    """Sizes of what the network reads.

    Parameters
    ----------
    channels, rows, columns : int
        Of a slice.
    genes : int
    """

    channels: int
    rows: int
    columns: int
    genes: int


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network, named as in the section of the method."""

    patch: int
    image_width: int
    image_layers: int
    image_heads: int
    gene_width: int
    gene_layers: int
    gene_expand: int
    gene_states: int
    gene_patch: int
    gene_tokens: int
    projection: int
    temperature: float
    fusion: str
    skips: str


class MgiNet(nn.Module):
    """Encoders of slices and genes, and what aligns and joins them.

    Parameters
    ----------
    shape : Shape
    sizes : Sizes
    """

    def __init__(self, shape: Shape, sizes: Sizes) -> None:
        super().__init__()
        patch = sizes.patch
        self.sides = (padded(shape.rows, patch), padded(shape.columns, patch))
        self.grid = (self.sides[0] // patch, self.sides[1] // patch)
        self.image = SliceEncoder(
            shape.channels, self.sides, patch, sizes.image_width, sizes.image_layers,
            sizes.image_heads,
        )  # fmt: skip
        self.genes = self.gene_project = self.fusion = None
        if shape.genes:
            self.genes = GeneSequence(
                shape.genes, sizes.gene_width, sizes.gene_layers, sizes.gene_expand,
                sizes.gene_states, sizes.gene_patch,
            )  # fmt: skip
            self.image_project = _projection(2 * sizes.image_width, sizes.projection)
            self.gene_project = _projection(sizes.gene_width, sizes.projection)
            self.log_scale = nn.Parameter(torch.tensor(math.log(1 / sizes.temperature)))
            if sizes.fusion != "none":
                self.fusion = GatedFusion(
                    sizes.fusion, sizes.image_width, sizes.gene_width, sizes.image_heads,
                    sizes.gene_tokens,
                )  # fmt: skip
        self.decoder = Decoder(
            shape.channels, sizes.image_width, sizes.image_layers, patch, sizes.skips
        )

    @property
    def scale(self) -> torch.Tensor:
        """What cosines are multiplied with."""
        return self.log_scale.exp().clamp(max=HIGHEST_SCALE)

    def embed_images(self, slices: torch.Tensor) -> torch.Tensor:
        """Return embeddings (image, projection), of length 1, of slices (image, channel, ...)."""
        tokens, _ = self.image(self._padded(slices))
        # A lesion fills few tokens: their mean alone would hardly know of it.
        pooled = torch.cat([tokens.mean(1), tokens.amax(1)], dim=-1)  # (image, 2 * width)
        embedding: torch.Tensor = functional.normalize(self.image_project(pooled), dim=-1)
        return embedding

    def embed_genes(self, levels: torch.Tensor) -> torch.Tensor:
        """Return embeddings (person, projection) of length 1 of levels (person, gene)."""
        if self.genes is None or self.gene_project is None:
            raise ValueError("a network without genes")
        embedding: torch.Tensor = functional.normalize(
            self.gene_project(self.genes(levels).mean(1)), dim=-1
        )
        return embedding

    def segment(
        self,
        slices: torch.Tensor,
        owner: torch.Tensor,
        levels: torch.Tensor | None,
        has_genes: torch.Tensor | None,
        copies: int = 1,
    ) -> torch.Tensor:
        """Return logits (copies * image, row, column).

        Parameters
        ----------
        slices : Tensor (image, channel, row, column)
        owner : int64 (copies * image,)
            Whose slice it is, among the people of `levels`.
        levels : Tensor (person, gene), optional
        has_genes : Tensor (person,), optional
        copies : int
            How often all slices stand one after the other, with other genes each time.
        """
        rows, columns = slices.shape[-2:]
        large = self._padded(slices)
        tokens, earlier = self.image(large)
        if copies > 1:
            tokens, large = tokens.repeat(copies, 1, 1), large.repeat(copies, 1, 1, 1)
            earlier = [layer_tokens.repeat(copies, 1, 1) for layer_tokens in earlier]
        if self.fusion is not None and self.genes is not None and levels is not None:
            # Genes are encoded once for each person, however many slices there are.
            gene_tokens = self.genes(levels)[owner]  # (image, token, width)
            genes_present = torch.ones_like(levels[:, 0]) if has_genes is None else has_genes
            tokens = self.fusion(tokens, gene_tokens, genes_present[owner])
        logits = self.decoder(tokens, earlier, large, self.grid)
        cut: torch.Tensor = logits[:, :rows, :columns]
        return cut

    def _padded(self, slices: torch.Tensor) -> torch.Tensor:
        rows, columns = slices.shape[-2:]
        edges = (0, self.sides[1] - columns, 0, self.sides[0] - rows)
        return functional.pad(slices, edges) if any(edges) else slices


def _projection(width: int, projection: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, projection, bias=False))

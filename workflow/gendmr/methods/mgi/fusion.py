"""What genes add to tokens of an image: nothing at the start, whatever the kind of fusion."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

KINDS = ("none", "concat", "film", "cross_attention")


class GatedFusion(nn.Module):
    """Tokens of an image plus a gate times what genes say of them; the gate starts at 0.

    Parameters
    ----------
    kind : str
        `concat` (a network of a token beside the mean of the genes), `film` (scale and shift of all
        tokens, Perez et al. 2018, AAAI), `cross_attention` (tokens of the image ask those of the
        genes).
    width, gene_width, heads : int
    gene_tokens : int
        To which tokens of genes are pooled, along the sequence, where there are more.
    """

    def __init__(
        self, kind: str, width: int, gene_width: int, heads: int, gene_tokens: int
    ) -> None:
        super().__init__()
        self.kind, self.gene_tokens = kind, gene_tokens
        self.norm = nn.LayerNorm(width)
        self.gene_norm = nn.LayerNorm(gene_width)
        if kind == "concat":
            self.mix: nn.Module = nn.Sequential(
                nn.Linear(width + gene_width, width), nn.GELU(), nn.Linear(width, width)
            )
        elif kind == "film":
            self.mix = nn.Sequential(
                nn.Linear(gene_width, width), nn.GELU(), nn.Linear(width, 2 * width)
            )
        elif kind == "cross_attention":
            self.mix = nn.MultiheadAttention(
                width, heads, kdim=gene_width, vdim=gene_width, batch_first=True
            )
        else:
            raise ValueError(f"no kind of fusion: {kind}")
        self.gate = nn.Parameter(torch.zeros(width))

    def forward(
        self, image: torch.Tensor, genes: torch.Tensor, has_genes: torch.Tensor
    ) -> torch.Tensor:
        """Return tokens of the image (image, place, width).

        Parameters
        ----------
        image : Tensor (image, place, width)
        genes : Tensor (image, token, gene_width)
        has_genes : Tensor (image,)
            0: nothing is added.
        """
        tokens, context = self.norm(image), self.gene_norm(genes)
        if self.kind == "cross_attention":
            if context.shape[1] > self.gene_tokens:
                context = functional.adaptive_avg_pool1d(context.transpose(1, 2), self.gene_tokens)
                context = context.transpose(1, 2)  # (image, gene_tokens, gene_width)
            added, _ = self.mix(tokens, context, context, need_weights=False)
        elif self.kind == "film":
            scale, shift = self.mix(context.mean(1))[:, None].chunk(2, dim=-1)  # (image, 1, width)
            added = tokens * scale + shift
        else:
            mean = context.mean(1)[:, None].expand(-1, tokens.shape[1], -1)
            added = self.mix(torch.cat([tokens, mean], dim=-1))  # (image, place, width)
        fused: torch.Tensor = image + self.gate * added * has_genes[:, None, None]
        return fused

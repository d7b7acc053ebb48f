"""The encoder of genes: a sequence of them through selective state spaces."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from gendmr.methods.selective_scan import MambaBlock


class MambaLayer(nn.Module):
    """A block with norm and residual; parts are named as those of mamba-ssm.

    Parameters
    ----------
    width, expand, states : int
    """

    def __init__(self, width: int, expand: int, states: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.mixer = MambaBlock(width, expand=expand, states=states)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (person, token, width)."""
        mixed: torch.Tensor = tokens + self.mixer(self.norm(tokens))
        return mixed


class GeneSequence(nn.Module):
    """Tokens of genes in a fixed order, each knowing those before it.

    Parameters
    ----------
    genes, width, layers, expand, states : int
    patch : int
        Genes of a token; the last is filled up with zeros.
    """

    def __init__(
        self, genes: int, width: int, layers: int, expand: int, states: int, patch: int
    ) -> None:
        super().__init__()
        self.patch, self.tokens = patch, math.ceil(genes / patch)
        self.empty = self.tokens * patch - genes
        # A direction for each gene: with one for all, levels of all genes would look alike.
        self.gene = nn.Parameter(torch.randn(self.tokens, patch, width) * patch**-0.5)
        self.place = nn.Parameter(0.02 * torch.randn(self.tokens, width))
        self.layers = nn.ModuleList(MambaLayer(width, expand, states) for _ in range(layers))
        self.norm_f = nn.RMSNorm(width, eps=1e-5)

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Return tokens (person, token, width) of levels (person, gene) in SDs."""
        whole = functional.pad(levels, (0, self.empty))
        parts = whole.view(len(whole), self.tokens, self.patch)
        embedded = torch.einsum("ntp,tpd->ntd", parts, self.gene)  # (person, token, width)
        tokens = embedded + self.place
        for layer in self.layers:
            tokens = layer(tokens)
        read: torch.Tensor = self.norm_f(tokens)
        return read

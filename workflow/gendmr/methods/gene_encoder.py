"""The encoder of expression that several networks share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

HIDDEN = (64, 48, 32)


class GeneEncoder(nn.Module):
    """A self-normalising network (Klambauer et al. 2017) with weights of variance 1 / inputs.

    Parameters
    ----------
    genes, width : int
    dropout : float
    """

    def __init__(self, genes: int, width: int, dropout: float) -> None:
        super().__init__()
        sizes = (genes, *HIDDEN, width)
        layers: list[nn.Module] = []
        for size, following in pairwise(sizes):
            layers += [nn.Linear(size, following), nn.ELU(), nn.AlphaDropout(dropout)]
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=max(layer.in_features, 1) ** -0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, expression: torch.Tensor) -> torch.Tensor:
        """Return codes (person, width) of expression (person, gene)."""
        return functional.relu(self.layers(expression))

"""Encoders of modalities: from numbers of a person to tokens of one width."""

from __future__ import annotations

import torch
from torch import nn


class VectorEncoder(nn.Module):
    """Two dense layers, and their result cut into tokens.

    Parameters
    ----------
    inputs : int
    hidden : tuple of int
        Widths of the two layers; the second is cut into `tokens`.
    tokens, width : int
        Number of tokens, and the width of each.
    dropout, input_dropout : float
        Of hidden units, and of inputs.
    """

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, int],
        tokens: int,
        width: int,
        dropout: float,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        first, second = hidden
        self.tokens = tokens
        self.input_dropout = nn.Dropout(input_dropout)
        self.first = nn.Linear(inputs, first)
        self.first_norm = nn.LayerNorm(first)
        self.second = nn.Linear(first, second)
        self.second_norm = nn.LayerNorm(second)
        self.gelu = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(second // tokens, width)

    def code(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the dense layers make of numbers (person, input): (person, hidden)."""
        hidden = self.first_norm(self.first(self.input_dropout(values)))
        hidden = self.dropout(self.gelu(hidden))  # (person, first)
        return torch.as_tensor(self.dropout(self.gelu(self.second_norm(self.second(hidden)))))

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens (person, token, width) and the code (person, hidden) they are cut from.

        Parameters
        ----------
        values : Tensor (person, instance, measure)
        """
        code = self.code(values.flatten(1))
        return self.project(code.reshape(len(code), self.tokens, -1)), code


class RegionEncoder(nn.Module):
    """A token for each region: its measures times a matrix of its own, and a place of its own.

    Gorishniy et al. 2021, "Revisiting deep learning models for tabular data" (NeurIPS), the
    feature tokenizer.

    Parameters
    ----------
    regions, measures, width : int
    dropout : float
    """

    def __init__(self, regions: int, measures: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(regions, measures, width) * measures**-0.5)
        self.place = nn.Parameter(torch.randn(regions, width) * 0.02)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return tokens (person, region, width) of values (person, region, measure)."""
        tokens = torch.einsum("nrm,rmw->nrw", values, self.weight) + self.place
        return self.dropout(tokens), None

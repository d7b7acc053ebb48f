"""Shares of the tokens of a bag, learned."""

from __future__ import annotations

import torch
from torch import nn


class GatedAttention(nn.Module):
    """Shares of tokens, by a hidden layer of tanh and one of sigmoid (Ilse et al. 2018).

    Parameters
    ----------
    width, hidden : int
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.say = nn.Linear(width, hidden)
        self.gate = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, tokens: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """Return shares (person, token), 0 for those that are not used.

        Parameters
        ----------
        tokens : Tensor (person, token, width)
        used : Tensor (person, token)
        """
        hidden = torch.tanh(self.say(tokens)) * torch.sigmoid(self.gate(tokens))
        return masked_share(self.score(hidden)[..., 0], used)  # (person, token)


def masked_share(scores: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
    """Return a softmax over what is used; all 0 where nothing is."""
    scores = scores.masked_fill(used == 0, torch.finfo(scores.dtype).min)
    return torch.softmax(scores, dim=-1) * used

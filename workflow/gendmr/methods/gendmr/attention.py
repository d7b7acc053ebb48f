"""Attention over instances: gated bags whose risks add up, and blocks within a chromosome."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

SLOPE_DECAY = 10.0  # of slopes: they rest on some 1 / (10 learning rates) steps


class GatedBag(nn.Module):
    """Gated attention (Ilse, Tomczak & Welling 2018, eq. 9) with signed risks that add up."""

    def __init__(
        self,
        width: int,
        hidden: int,
        channels: int,
        risks: int,
        outputs: int,
        evidence: bool,
        slopes: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.evidence = evidence
        # What instances are worth by themselves is the start; what tokens say departs from it.
        self.shrunken = evidence or slopes is not None
        if slopes is not None:
            self.slope = nn.Parameter(torch.zeros(*slopes, risks))
        self.tanh = nn.Linear(width, hidden)
        self.gate_ = nn.Linear(width, hidden)
        self.attend = nn.Linear(hidden, 1, bias=False)
        self.free = nn.Linear(width, risks, bias=False)
        self.gain = nn.Linear(width, risks, bias=False)
        self.log_scale = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.trust = nn.Parameter(torch.zeros(channels))
        self.caution = nn.Parameter(torch.zeros(1))
        self.mixture = nn.Parameter(torch.zeros(channels))

    def start(self, trust: tuple[float, ...], caution: float, mixture: tuple[float, ...]) -> None:
        """Set the two-group model: trust in each channel, log odds against, and the mixture."""
        with torch.no_grad():
            self.trust.copy_(torch.tensor([math.log(math.expm1(value)) for value in trust]))
            self.caution.fill_(caution)
            self.mixture.copy_(torch.tensor([math.log(math.expm1(value)) for value in mixture]))
            if self.shrunken:
                for layer in (self.attend, self.free, self.gain):
                    layer.weight.zero_()

    def score(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the gated part (...,) of the attention logit of tokens (..., width)."""
        hidden = torch.tanh(self.tanh(tokens)) * torch.sigmoid(self.gate_(tokens))
        logit: torch.Tensor = self.attend(hidden).squeeze(-1)
        return logit / math.sqrt(hidden.shape[-1])

    def weighted(self, statistics: torch.Tensor) -> torch.Tensor:
        """Return each channel's share of the effect (instance, channel, phenotype).

        Shares are positive: no channel is believed backwards.
        """
        return statistics * functional.softplus(self.mixture)[:, None]

    def effect(self, statistics: torch.Tensor) -> torch.Tensor:
        """Return the signed mixture of the channels (instance, phenotype)."""
        return self.weighted(statistics).sum(-2)

    def support(self, statistics: torch.Tensor) -> torch.Tensor:
        """Return the log Bayes factor (instance,) for being worth attention.

        Of the phenotype that an instance says most of; from z (instance, channel, phenotype).
        """
        trusted = functional.softplus(self.trust)[:, None] * statistics**2
        return 0.5 * trusted.sum(-2).amax(-1)

    def prior(self, statistics: torch.Tensor) -> torch.Tensor:
        """Return the log probability (instance,) of being worth attention; see `support`."""
        return functional.logsigmoid(self.support(statistics) - self.caution)

    def slopes(self, steps: torch.Tensor) -> torch.Tensor:
        """Return the slopes of instances, each times the probability that it is one.

        Under AdamW a weight with decay `d` comes to rest where `d` times the weight is the mean of
        its gradient over steps by their root mean square, `u`, in -1 to 1: what the training people
        say of it, beyond what the other slopes explain already. So `u / sqrt(1 - u^2)` times the
        root of the steps of an epoch is a z statistic, and a slope is believed as the same
        two-group model believes evidence: see `prior`.

        Parameters
        ----------
        steps : Tensor ()
            Of an epoch.
        """
        u = (self.slope * SLOPE_DECAY).clamp(-0.999, 0.999)
        support = u**2 / (1 - u**2) * steps
        return u * torch.sigmoid(0.5 * support - self.caution)


class Block(nn.Module):
    """Pre-norm attention among the SNPs of a chromosome, weaker with distance.

    It mixes what is known of SNPs, not the genotypes of people: a SNP's context takes up that of
    its neighbours once for everybody. Time and memory grow with the sum of the squared numbers of
    SNPs per chromosome.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.range = nn.Parameter(torch.zeros(heads))
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(
        self,
        context: torch.Tensor,
        chromosomes: Sequence[tuple[torch.Tensor, torch.Tensor]],
        place: torch.Tensor,
    ) -> torch.Tensor:
        """Mix the context (snp, width) of SNPs.

        Parameters
        ----------
        context : torch.Tensor
        chromosomes : sequence of (members, far)
            SNP numbers (slot,) and log(1 + bp / 10^4) between them (slot, slot); columns of padded
            slots are huge.
        place : int tensor (snp,)
            Where a SNP stands among the slots of all chromosomes.
        """
        mixed = self.query_key_value(self.norm(context))
        reach = functional.softplus(self.range)[:, None, None]
        mixed_by_chromosome = [
            self._attend(mixed[members], reach * far) for members, far in chromosomes
        ]
        context = context + self.out(torch.cat(mixed_by_chromosome)[place])
        change: torch.Tensor = self.down(functional.gelu(self.up(self.norm_mlp(context))))
        return context + change

    def _attend(self, mixed: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        slots = mixed.shape[0]
        packed = mixed.reshape(slots, 3, self.heads, -1).permute(1, 2, 0, 3)
        query, key, value = packed[0], packed[1], packed[2]
        weight = torch.softmax(
            query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) - bias, dim=-1
        )
        return (weight @ value).transpose(0, 1).reshape(slots, -1)

"""The network: an encoder for each modality, stepwise attention, a class token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import nn

from gendmr.engine.batches import Tensors
from gendmr.engine.network import OUTPUT
from gendmr.methods.migtrans.shortcut import around, nothing_counts

ALONE, REBUILT, GATE, PLACES = "alone_", "rebuilt_", "gate_", "places_"
SEED, ONE_SEED = "seed_", "one_seed"  # outputs of one network of several; which one is asked


class AttentionStep(nn.Module):
    """Attention from queries to keys with a residual, then a feed-forward layer; norms first.

    Parameters
    ----------
    width, heads : int
    feed_forward : int
        Width of the hidden layer over `width`; 0: without the layer.
    dropout : float
    """

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.key_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = (
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, feed_forward * width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(feed_forward * width, width),
            )
            if feed_forward
            else None
        )

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, has_keys: torch.Tensor
    ) -> torch.Tensor:
        """Return queries with what they found among keys.

        Parameters
        ----------
        queries, keys : Tensor (person, token, width)
        has_keys : Tensor (person,)
            0 for people without the modality of the keys: nothing of it is added.
        """
        normed_queries, normed_keys = self.query_norm(queries), self.key_norm(keys)
        attended, _ = self.attention(normed_queries, normed_keys, normed_keys, need_weights=False)
        queries = queries + attended * has_keys[:, None, None]  # (person, token, width)
        return queries if self.feed_forward is None else queries + self.feed_forward(queries)


class MigtransNet(nn.Module):
    """Encoders, one step of attention for each modality after the first, a class token, a head.

    Parameters
    ----------
    encoders : mapping of str to Module
        By modality, in the order of the steps: tokens of the second query those of the first, and
        so on. Each returns tokens (person, token, width) and a code (person, hidden) or None; those
        of images also read `places_` and the modality's name, and return a gate for a code.
    width, heads, feed_forward, outputs : int
    dropout, modality_dropout : float
        The latter is the chance that a person loses a modality in a step of training.
    inputs : mapping of str to tuple of int
        Hidden and input size of the modalities that are rebuilt from their codes.
    alone : bool
        A head for each modality besides, on the mean of its tokens.
    silent : bool
        The head starts at 0: there is a ridge beside the network (`shortcut`).
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        width: int,
        heads: int,
        feed_forward: int,
        outputs: int,
        dropout: float,
        modality_dropout: float,
        inputs: Mapping[str, tuple[int, int]],
        alone: bool = False,
        silent: bool = False,
    ) -> None:
        super().__init__()
        self.names, self.modality_dropout = tuple(encoders), modality_dropout
        self.encode = nn.ModuleDict(encoders)
        self.steps = nn.ModuleDict(
            {name: AttentionStep(width, heads, feed_forward, dropout) for name in self.names[1:]}
        )
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.read = AttentionStep(width, heads, feed_forward, dropout)
        last = nn.Linear(width, outputs)
        self.head, self.outputs = nn.Sequential(nn.LayerNorm(width), last), outputs
        self.rebuild = nn.ModuleDict({name: nn.Linear(*sizes) for name, sizes in inputs.items()})
        self.alone = nn.ModuleDict(
            {name: nn.Linear(width, outputs) for name in self.names} if alone else {}
        )
        if silent:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what terms of the loss read besides.

        Parameters
        ----------
        batch : dict of Tensor
            By modality its values, and `has_` and its name (person,).
        """
        if not self.training and "read_out" not in batch and nothing_counts(batch):
            people = len(batch[f"has_{self.names[0]}"])
            silence = self.class_token.new_zeros(people, self.outputs)
            return {OUTPUT: around(silence, batch)}
        present = self._has(batch)
        outputs: Tensors = {}
        tokens: Tensors = {}
        for name in self.names:
            places = batch.get(f"{PLACES}{name}")
            arguments = (batch[name],) if places is None else (batch[name], places)
            modality_tokens, code = self.encode[name](*arguments)
            # People without a modality have tokens of zeros, which no parameter has to learn.
            tokens[name] = modality_tokens * present[name][:, None, None]  # (person, token, width)
            if name in self.rebuild and code is not None:
                outputs[f"{REBUILT}{name}"] = self.rebuild[name](code)
            if name in self.alone:
                outputs[f"{ALONE}{name}"] = self.alone[name](tokens[name].mean(1))
            if places is not None and code is not None and "read_out" in batch:
                outputs[f"{GATE}{name}"] = code  # (person, x, y, z)
        state = tokens[self.names[0]]
        has_state = present[self.names[0]]
        for name in self.names[1:]:
            state = self.steps[name](tokens[name], state, has_state)
            has_state = torch.maximum(has_state, present[name])
        people = len(state)
        state = torch.cat([self.class_token.expand(people, -1, -1), state], dim=1)
        read = self.read(state, state, torch.ones_like(has_state))  # (person, 1 + token, width)
        outputs[OUTPUT] = around(self.head(read[:, 0]), batch)  # (person, output)
        return outputs

    def rebuilt(self, batch: Tensors) -> Tensors:
        """Return what the modalities' codes rebuild (person, input), without fusing anything."""
        return {
            f"{REBUILT}{name}": rebuild(self.encode[name](batch[name])[1])
            for name, rebuild in self.rebuild.items()
        }

    def _has(self, batch: Tensors) -> Tensors:
        """Return who has each modality (person,); in training some lose one, nobody all."""
        present = torch.stack([batch[f"has_{name}"] for name in self.names])  # (modality, person)
        if self.training and self.modality_dropout > 0 and len(self.names) > 1:
            remaining = present * (
                torch.rand(present.shape, device=present.device) >= self.modality_dropout
            )
            present = torch.where(remaining.sum(0) > 0, remaining, present)
        return dict(zip(self.names, present, strict=True))


class SeveralSeeds(nn.Module):
    """Networks that differ in their initial weights and dropout; the output is the mean of theirs.

    Parameters
    ----------
    networks : sequence of MigtransNet
    """

    def __init__(self, networks: Sequence[MigtransNet]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, batch: Tensors) -> Tensors:
        """Return the mean `output` (person, n_outputs), and all that each gives as `seed_<n>_`.

        Parameters
        ----------
        batch : dict of Tensor
            See `MigtransNet.forward`; with `one_seed`, a number, the outputs of that network alone
            are returned by their own names.
        """
        if ONE_SEED in batch:
            alone: Tensors = self.networks[int(batch[ONE_SEED])](batch)
            return alone
        by_network = [network(batch) for network in self.networks]
        outputs = {
            f"{SEED}{number}_{name}": value
            for number, network_outputs in enumerate(by_network)
            for name, value in network_outputs.items()
        }
        outputs[OUTPUT] = torch.stack(
            [network_outputs[OUTPUT] for network_outputs in by_network]
        ).mean(0)
        return outputs

    def rebuilt(self, batch: Tensors) -> Tensors:
        """Return what the modalities' codes rebuild, as `seed_<n>_`."""
        return {
            f"{SEED}{number}_{name}": value
            for number, network in enumerate(self.networks)
            for name, value in cast(MigtransNet, network).rebuilt(batch).items()
        }


def in_steps(order: Sequence[str], modalities: Sequence[str]) -> tuple[str, ...]:
    """Return modalities in the order of the steps; those that it does not name come last.

    Examples
    --------
    >>> in_steps(("snp", "edge", "region"), ("region", "other", "snp"))
    ('snp', 'region', 'other')
    """
    named = [name for name in order if name in modalities]
    return (*named, *(name for name in modalities if name not in named))

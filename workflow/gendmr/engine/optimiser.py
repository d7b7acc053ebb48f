"""AdamW on the weights of all replicates, each with its own clipping."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gendmr.config.optimisation import OptimisationSection
from gendmr.engine.layout import Layout
from gendmr.engine.network import Network
from gendmr.engine.state import State

BETAS, EPSILON = (0.9, 0.999), 1e-8


class AdamW:
    """AdamW (Loshchilov & Hutter 2019) on the weights that a phase trains.

    Weights decay towards where the phase started (Li, Grandvalet & Davoine 2018, L2-SP), not to
    zero.

    Parameters
    ----------
    network : Network
        Says decay and multiple of the learning rate of each parameter.
    layout : Layout
    options : OptimisationSection
    columns : Tensor (column,), optional
        Weights that are trained; all where there is none.
    device : torch.device
    lr_multiplier : callable, optional
        Of a parameter's learning rate by its name; without it, that of the network.
    """

    def __init__(
        self,
        network: Network,
        layout: Layout,
        options: OptimisationSection,
        columns: torch.Tensor | None,
        device: torch.device,
        lr_multiplier: Callable[[str], float] | None = None,
    ) -> None:
        multiple_of = lr_multiplier or network.lr_multiplier
        decay = layout.spread(lambda name, shape: network.weight_decay(name, shape, options))
        multiple = layout.spread(lambda name, shape: multiple_of(name))
        if columns is not None:
            decay, multiple = decay[columns], multiple[columns]
        self.columns = None if columns is None else columns.to(device)
        self.decay, self.lr_multiplier = decay.to(device), multiple.to(device)
        self.clip = options.clip

    def update(
        self, state: State, gradient: torch.Tensor, rate: torch.Tensor, moving: torch.Tensor
    ) -> None:
        """Move weights and averages in `state` by one step.

        Parameters
        ----------
        state : State
            Its `steps` include this one.
        gradient : float (replicate, weight)
        rate : float (replicate, 1)
        moving : bool (replicate, 1)
            The others stay as they are.
        """
        gradient, weights, anchor = map(self._trained, (gradient, state.weights, state.anchor))
        norm = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (self.clip / norm.clamp(min=self.clip))
        first = BETAS[0] * state.first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * state.second + (1 - BETAS[1]) * gradient**2
        steps = state.steps[:, None].clamp(min=1).to(first.dtype)
        mean = first / (1 - BETAS[0] ** steps)
        size = (second / (1 - BETAS[1] ** steps)).sqrt() + EPSILON
        decay = self.decay * (weights - anchor)
        updated = weights - rate * self.lr_multiplier * (mean / size + decay)
        updated = torch.where(moving, updated, weights)
        if self.columns is None:
            state.weights = updated
        else:
            state.weights = state.weights.index_copy(1, self.columns, updated)
        state.first = torch.where(moving, first, state.first)
        state.second = torch.where(moving, second, state.second)

    def _trained(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.columns is None else values[:, self.columns]

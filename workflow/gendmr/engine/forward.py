"""The forward pass of a module whose weights come from outside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call

from gendmr.engine.batches import Tensors, stack
from gendmr.engine.layout import Layout
from gendmr.engine.network import FitProblem, Network

ForwardPass = Callable[[nn.Module, Tensors], Tensors]


class _Bound(nn.Module):
    """A module whose forward pass is that of the network or of a phase."""

    def __init__(self, function: ForwardPass, module: nn.Module) -> None:
        super().__init__()
        self.function, self.module = function, module

    def forward(self, batch: Tensors) -> Tensors:
        """Return the outputs (person, n_outputs) and views of a batch."""
        return self.function(self.module, batch)


class Forward:
    """The forward pass of a module with weights from outside.

    Parameters
    ----------
    function : callable
        ``function(module, batch)`` gives outputs.
    module : torch.nn.Module
    layout : Layout
    """

    def __init__(self, function: ForwardPass, module: nn.Module, layout: Layout) -> None:
        self.module, self.layout = module, layout
        self.bound = _Bound(function, module)

    def __call__(
        self, row: torch.Tensor, buffers: Tensors, batch: Tensors, training: bool
    ) -> Tensors:
        """Return float32 outputs for weights (weight,); running statistics in `buffers` move."""
        self.module.train(training)
        values = {f"module.{name}": value for name, value in self.layout.unflatten(row).items()}
        values |= {f"module.{name}": value for name, value in buffers.items()}
        outputs: Tensors = functional_call(self.bound, values, (batch,))
        return {
            name: value.float() if value.is_floating_point() else value
            for name, value in outputs.items()
        }


def fixed_of(network: Network, problem: FitProblem, device: torch.device) -> Tensors:
    """Return what all batches of one replicate share, on the device, without replicate axis."""
    fixed = stack([problem.fixed], device)
    network.pad_fixed(fixed, [problem])
    return {name: value[0] for name, value in fixed.items()}

"""Selective state space over a long sequence (Mamba), in plain torch.

The recurrence is h[t] = exp(delta[t] A) h[t-1] + delta[t] B[t] x[t], y[t] = C[t] h[t] + D x[t]
(Gu and Dao 2023, arXiv 2312.00752, algorithm 2). Parameters of `MambaBlock` are named as those of
mamba-ssm, so that weights can be exchanged.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

KERNEL = "mamba_ssm.ops.selective_scan_interface"
CHUNK = 16  # steps whose states are in memory at once
SMALLEST_STEP, LARGEST_STEP = 1e-3, 1e-1  # of delta at the start


def selective_scan(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Return the outputs of the recurrence, causal in the sequence.

    States of the whole sequence are never in memory: the backward pass computes those of a chunk
    again from the state at its start. On a GPU the kernel of mamba-ssm is used where it is
    installed.

    Parameters
    ----------
    x, delta : Tensor (batch, step, channel)
        Input, and how far the state moves; delta is above 0.
    a : Tensor (channel, state)
        Below 0.
    b, c : Tensor (batch, step, state)
    d : Tensor (channel,)

    Returns
    -------
    Tensor (batch, step, channel)
    """
    fused = fused_scan() if x.is_cuda else None
    if fused is not None:
        return by_kernel(fused, x, delta, a, b, c, d)
    y: Tensor = _Scan.apply(x, delta, a, b, c)  # type: ignore[no-untyped-call]
    return y + d * x


@cache
def fused_scan() -> Callable[..., Tensor] | None:
    """Return the kernel of mamba-ssm, None where it is not installed: nothing requires it."""
    try:
        module = importlib.import_module(KERNEL)
    except ImportError:
        return None
    kernel: Callable[..., Tensor] = module.selective_scan_fn
    return kernel


def by_kernel(
    kernel: Callable[..., Tensor], x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor,
    d: Tensor,
) -> Tensor:  # fmt: skip
    """Return the same as `selective_scan` by mamba-ssm's kernel, which has the sequence last."""
    across = [tensor.transpose(1, 2).contiguous() for tensor in (x, delta, b, c)]
    y = kernel(across[0], across[1], a, across[2], across[3], d)  # (batch, channel, step)
    return y.transpose(1, 2)


class _Scan(torch.autograd.Function):
    """The recurrence without the skip `D x`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        state = x.new_zeros(len(x), x.shape[2], a.shape[1])  # (batch, channel, state)
        starts, outputs = [], []
        for chunk in _chunks(x.shape[1]):
            starts.append(state)
            decay, drive = _terms(x[:, chunk], delta[:, chunk], a, b[:, chunk])
            states = _states(decay, drive, state)
            state = states[-1]
            # Outputs are (batch, step, channel).
            outputs.append(torch.einsum("tbdn,btn->btd", torch.stack(states), c[:, chunk]))
        ctx.save_for_backward(x, delta, a, b, c, torch.stack(starts))
        return torch.cat(outputs, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, delta, a, b, c, starts = ctx.saved_tensors
        grad_x, grad_delta = torch.empty_like(x), torch.empty_like(delta)
        grad_b, grad_c = torch.empty_like(b), torch.empty_like(c)
        grad_a = torch.zeros_like(a)
        carried = torch.zeros_like(starts[0])  # from the steps behind, (batch, channel, state)
        for number, chunk in reversed(list(enumerate(_chunks(x.shape[1])))):
            x_, delta_, b_, c_ = x[:, chunk], delta[:, chunk], b[:, chunk], c[:, chunk]
            decay, drive = _terms(x_, delta_, a, b_)
            states = _states(decay, drive, starts[number])
            after = torch.stack(states)  # (step, batch, channel, state)
            before = torch.cat([starts[number][None], after[:-1]])
            # What each output asks of its state: (step, batch, channel, state).
            state_grad = torch.einsum("btd,btn->tbdn", grad[:, chunk], c_)
            of_states = []
            for step_grad, factor in zip(
                reversed(state_grad.unbind(0)), reversed(decay.unbind(0)), strict=True
            ):
                of_states.append(step_grad + carried)
                carried = of_states[-1] * factor
            of_state = torch.stack(of_states[::-1])
            grad_c[:, chunk] = torch.einsum("btd,tbdn->btn", grad[:, chunk], after)
            of_exponent = of_state * before * decay
            through_drive = torch.einsum("tbdn,btn->btd", of_state, b_)
            grad_delta[:, chunk] = torch.einsum("tbdn,dn->btd", of_exponent, a) + through_drive * x_
            grad_x[:, chunk] = through_drive * delta_
            grad_a += torch.einsum("tbdn,btd->dn", of_exponent, delta_)
            grad_b[:, chunk] = torch.einsum("tbdn,btd->btn", of_state, delta_ * x_)
        return grad_x, grad_delta, grad_a, grad_b, grad_c


def _chunks(steps: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, steps)) for start in range(0, steps, CHUNK)]


def _terms(x: Tensor, delta: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return what multiplies the state and what is added, (step, batch, channel, state)."""
    steps_first = delta.transpose(0, 1)
    decay = torch.exp(steps_first[..., None] * a)
    drive = (steps_first * x.transpose(0, 1))[..., None] * b.transpose(0, 1)[:, :, None]
    return decay, drive


def _states(decay: Tensor, drive: Tensor, state: Tensor) -> list[Tensor]:
    """Return the state after each step: indexing step by step costs more than unbinding once."""
    states = []
    for factor, added in zip(decay.unbind(0), drive.unbind(0), strict=True):
        state = torch.addcmul(added, factor, state)
        states.append(state)
    return states


class MambaBlock(nn.Module):
    """A selective state space with its gate and its convolution.

    Parameters
    ----------
    width : int
    expand : int
        Channels inside, in widths.
    states : int
        Numbers that each channel remembers.
    kernel : int
        Steps that the causal convolution sees.
    """

    def __init__(self, width: int, *, expand: int = 2, states: int = 16, kernel: int = 4) -> None:
        super().__init__()
        inner, self.rank, self.states = expand * width, math.ceil(width / 16), states
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, kernel, groups=inner, padding=kernel - 1)
        self.x_proj = nn.Linear(inner, self.rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, states + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.dt_proj.weight.uniform_(-(self.rank**-0.5), self.rank**-0.5)
            low, high = math.log(SMALLEST_STEP), math.log(LARGEST_STEP)
            step = torch.exp(low + (high - low) * torch.rand(inner))
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens that know those before them.

        Parameters
        ----------
        tokens : Tensor (batch, step, width)

        Returns
        -------
        Tensor (batch, step, width)
        """
        x, gate = self.in_proj(tokens).chunk(2, dim=-1)  # (batch, step, inner) each
        # Padding on both sides; what would look ahead is cut off.
        x = self.conv1d(x.transpose(1, 2))[..., : tokens.shape[1]].transpose(1, 2)
        x = functional.silu(x)  # (batch, step, inner)
        step, b, c = self.x_proj(x).split([self.rank, self.states, self.states], dim=-1)
        delta = functional.softplus(self.dt_proj(step))  # (batch, step, inner)
        y = selective_scan(x, delta, -torch.exp(self.A_log), b, c, self.D)
        output: Tensor = self.out_proj(y * functional.silu(gate))  # (batch, step, width)
        return output

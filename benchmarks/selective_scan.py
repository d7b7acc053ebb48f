"""Time and memory of the selective scan beside a loop over unbound steps, in one run.

python benchmarks/selective_scan.py [--threads 2]

Ratios of two computations that alternate in one process; seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from gendmr.methods.selective_scan import selective_scan

BATCH, CHANNELS, STATES = 4, 128, 16


def unbind_loop(
    x: torch.Tensor,
    delta: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor,
    d: torch.Tensor,
) -> torch.Tensor:
    """The reference: all terms at once, a loop over the steps, all states at once."""
    decay = torch.exp(delta[..., None] * a)  # (batch, step, channel, state)
    drive = (delta * x)[..., None] * b[:, :, None]
    state = torch.zeros_like(drive[:, 0])
    states = []
    for factor, added in zip(decay.unbind(1), drive.unbind(1), strict=True):
        state = factor * state + added
        states.append(state)
    return torch.einsum("btdn,btn->btd", torch.stack(states, 1), c) + d * x


def scan_in_pairs(
    x: torch.Tensor,
    delta: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor,
    d: torch.Tensor,
) -> torch.Tensor:
    """A parallel scan of log2(steps) levels, as mamba.py has it (Blelloch), by autograd."""
    decay = torch.exp(delta[..., None] * a)  # (batch, step, channel, state)
    drive = (delta * x)[..., None] * b[:, :, None]
    return torch.einsum("btdn,btn->btd", _states_in_pairs(decay, drive), c) + d * x


def _states_in_pairs(decay: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
    """Return all states: those of every second step from a sequence of half the length."""
    steps = drive.shape[1]
    if steps == 1:
        return drive
    pairs = steps // 2
    first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    odd = _states_in_pairs(
        decay[:, second] * decay[:, first], decay[:, second] * drive[:, first] + drive[:, second]
    )
    later = slice(2, steps, 2)
    even = torch.cat(
        [drive[:, :1], decay[:, later] * odd[:, : (steps - 1) // 2] + drive[:, later]], dim=1
    )
    states = torch.empty_like(drive)
    states[:, ::2], states[:, 1::2] = even, odd
    return states


def arguments(steps: int) -> list[torch.Tensor]:
    """Return x, delta, a, b, c, d with gradients."""
    torch.manual_seed(1)
    inputs = [
        torch.randn(BATCH, steps, CHANNELS),
        torch.nn.functional.softplus(torch.randn(BATCH, steps, CHANNELS)),
        -torch.exp(torch.randn(CHANNELS, STATES)),
        torch.randn(BATCH, steps, STATES),
        torch.randn(BATCH, steps, STATES),
        torch.randn(CHANNELS),
    ]
    return [tensor.requires_grad_() for tensor in inputs]


def measure(scan: Callable[..., torch.Tensor], inputs: list[torch.Tensor]) -> tuple[float, float]:
    """Return the processor seconds of forward and backward."""
    start = time.process_time()
    y = scan(*inputs)
    middle = time.process_time()
    torch.autograd.backward(y.sum())
    return middle - start, time.process_time() - middle


def held(scan: Callable[..., torch.Tensor], inputs: list[torch.Tensor]) -> int:
    """Return the bytes that autograd keeps between forward and backward."""
    bytes_by_address: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        bytes_by_address[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = scan(*inputs)
        total = sum(bytes_by_address.values())
    del y
    return total


def main() -> None:
    """Print a table: sequence, forward, backward, memory, each ours over the loop's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        "steps  forward_ms  backward_ms  ratio_forward  ratio_backward  ratio_memory"
        "  pairs_forward_ms  pairs_backward_ms"
    )
    for steps in (256, 512, 1544):
        inputs = arguments(steps)
        best = {function: [9e9, 9e9] for function in (selective_scan, unbind_loop, scan_in_pairs)}
        for _ in range(options.repeats):
            for scan, times in best.items():
                took = measure(scan, inputs)
                times[:] = [min(pair) for pair in zip(times, took, strict=True)]
        ours, loop, pairs = best.values()
        memory = held(selective_scan, inputs) / held(unbind_loop, inputs)
        print(
            f"{steps:5}  {1000 * ours[0]:10.0f}  {1000 * ours[1]:11.0f}"
            f"  {ours[0] / loop[0]:13.2f}  {ours[1] / loop[1]:14.2f}  {memory:12.3f}"
            f"  {1000 * pairs[0]:16.0f}  {1000 * pairs[1]:17.0f}"
        )


if __name__ == "__main__":
    main()

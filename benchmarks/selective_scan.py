"""Time and memory of the selective scan beside a loop over unbound steps, in one run.

python benchmarks/selective_scan.py [--threads 2] [--steps 1544]

Ratios of computations that alternate in one process; seconds depend on the machine. Of one thread
times are of the processor, of several of the clock: threads that wait for others are no work. Where
mambapy is installed (`pip install --no-deps mambapy`), its scan stands beside; nothing needs it.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from functools import partial

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


def scan_with(
    states_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    delta: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor,
    d: torch.Tensor,
) -> torch.Tensor:
    """The scan whose states (batch, step, channel, state) come from decays and drives."""
    decay = torch.exp(delta[..., None] * a)  # (batch, step, channel, state)
    drive = (delta * x)[..., None] * b[:, :, None]
    return torch.einsum("btdn,btn->btd", states_of(decay, drive), c) + d * x


def scan_in_pairs(*values: torch.Tensor) -> torch.Tensor:
    """A parallel scan of log2(steps) levels, as mamba.py has it (Blelloch), by autograd."""
    return scan_with(_states_in_pairs, *values)


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


def scan_of_mambapy() -> Callable[..., torch.Tensor] | None:
    """Return the recurrence by the scan of mambapy, None where it is not installed."""
    try:
        states_of = importlib.import_module("mambapy.pscan").pscan
    except ImportError:
        return None
    return partial(scan_with, states_of)


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


def measure(
    scan: Callable[..., torch.Tensor], inputs: list[torch.Tensor], clock: Callable[[], float]
) -> tuple[float, float]:
    """Return the seconds of forward and backward."""
    start = clock()
    y = scan(*inputs)
    middle = clock()
    torch.autograd.backward(y.sum())
    return middle - start, clock() - middle


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
    """Print a row for each sequence and scan: times, and ratios to those of the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[256, 512, 1544])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    scans: dict[str, Callable[..., torch.Tensor]] = {
        "ours": selective_scan,
        "loop": unbind_loop,
        "pairs": scan_in_pairs,
    }
    library = scan_of_mambapy()
    if library is not None:
        scans["mambapy"] = library
    print("steps  scan  forward_ms  backward_ms  forward/loop  backward/loop  memory/loop  error")
    for steps in options.steps:
        inputs = arguments(steps)
        expected = unbind_loop(*inputs).detach()
        best = {name: [9e9, 9e9] for name in scans}
        for _ in range(options.repeats):
            for name, times in best.items():
                took = measure(scans[name], inputs, clock)
                times[:] = [min(pair) for pair in zip(times, took, strict=True)]
        loop, memory = best["loop"], held(unbind_loop, inputs)
        for name, (forward, backward) in best.items():
            error = (scans[name](*inputs).detach() - expected).abs().max() / expected.abs().max()
            print(
                f"{steps:5}  {name:7}  {1000 * forward:10.0f}  {1000 * backward:11.0f}"
                f"  {forward / loop[0]:12.2f}  {backward / loop[1]:13.2f}"
                f"  {held(scans[name], inputs) / memory:11.3f}  {error:.0e}"
            )


if __name__ == "__main__":
    main()

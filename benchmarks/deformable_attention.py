"""Deformable attention: the fast form against the plain one, in one run.

    python benchmarks/deformable_attention.py --people 4 --side 50

Each form runs forwards and backwards in a process of its own; time is processor time, memory the
largest resident set beyond that before the pass. Prints the ratios and how far outputs differ.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from gendmr.methods.subspace.attention import DeformableAttention


def measure(people: int, side: int, plain: bool) -> dict[str, float | list[float]]:
    """Return seconds and MB of one pass, and some numbers of its output."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    attention = DeformableAttention(128, 8, 64, dropout=0.0, plain=plain)
    tokens = torch.randn(2, people, side * side, 128)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    mixed, _ = attention(*tokens)
    middle = time.process_time()
    mixed.square().mean().backward()
    return {
        "forward": middle - started,
        "backward": time.process_time() - middle,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
        "output": mixed.detach().flatten()[:: max(mixed.numel() // 20_000, 1)].tolist(),
    }


def main() -> None:
    """Measure both forms, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--side", type=int, default=50)
    parser.add_argument("--form", choices=("fast", "plain"))
    arguments = parser.parse_args()
    if arguments.form:
        print(json.dumps(measure(arguments.people, arguments.side, arguments.form == "plain")))
        return
    results = {}
    for form in ("fast", "plain"):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--form", form],
            check=True,
            capture_output=True,
            text=True,
        )
        results[form] = json.loads(done.stdout)
        measured = results[form]
        print(f"{form}: forward {measured['forward']:.2f} s, backward {measured['backward']:.2f} s,"
              f" {measured['memory']:.0f} MB")  # fmt: skip
    fast, plain = results["fast"], results["plain"]
    total = [costs["forward"] + costs["backward"] for costs in (plain, fast)]
    difference = max(
        abs(first - second) for first, second in zip(fast["output"], plain["output"], strict=True)
    )
    print(
        f"forward {plain['forward'] / fast['forward']:.2f} times, both"
        f" {total[0] / total[1]:.2f} times faster, memory {fast['memory'] / plain['memory']:.2f}"
        f" of the plain form, outputs differ by at most {difference:.1e}"
    )


if __name__ == "__main__":
    main()

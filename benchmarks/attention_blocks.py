"""Cost of an attention block: SNPs on 22 chromosomes against as many on one.

    python benchmarks/attention_blocks.py [--snps 500 1000 2000 4000]

Each measurement is a process of its own, for its peak memory. A block that pads every chromosome to
the largest, or attends across chromosomes, would cost the same in both columns.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Share of the genes of each autosome, roughly as in the human genome.
SHARES = (10, 7, 6, 4, 5, 6, 5, 4, 4, 4, 7, 5, 2, 3, 3, 4, 6, 1, 7, 3, 1, 3)
WIDTH, HEADS, ROUNDS = 16, 4, 5


def measure(sizes: list[int]) -> dict[str, float]:
    """Time a forward and backward pass of one block; seconds, and MiB above the start."""
    sys.path.insert(0, str(ROOT / "workflow"))
    import torch

    from gendmr.methods.gendmr.attention import Block

    torch.set_num_threads(1)
    torch.manual_seed(0)
    block = Block(WIDTH, HEADS)
    total, start, chromosomes = sum(sizes), 0, []
    for size in sizes:
        position = torch.arange(size) * 1e4
        far = torch.log1p((position[:, None] - position[None]).abs() / 1e4)
        chromosomes.append((torch.arange(start, start + size), far))
        start += size
    context = torch.randn(total, WIDTH)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(ROUNDS):
        clock = time.perf_counter()
        block(context, chromosomes, torch.arange(total)).square().sum().backward()
        seconds.append(time.perf_counter() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": sorted(seconds)[ROUNDS // 2], "mib": (peak - before) / 1024}


def chromosomes_of(snps: int) -> list[int]:
    """Return SNPs by chromosome."""
    sizes = [max(1, round(snps * share / sum(SHARES))) for share in SHARES]
    sizes[0] += snps - sum(sizes)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--snps", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--sizes", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sizes:
        print(json.dumps(measure(arguments.sizes)))
        return
    print(platform.machine(), "one thread, forward and backward of one block, width 16, 4 heads")
    print(f"{'SNPs':>6} {'':>16} {'sum of squares':>15} {'ms':>8} {'MiB':>8}")
    for snps in arguments.snps:
        for name, sizes in (("22 chromosomes", chromosomes_of(snps)), ("one", [snps])):
            done = subprocess.run(
                [sys.executable, __file__, "--sizes", json.dumps(sizes)],
                check=True,
                capture_output=True,
                text=True,
            )
            measured = json.loads(done.stdout)
            squares = sum(size**2 for size in sizes)
            print(
                f"{snps:>6} {name:>16} {squares:>15,} {measured['seconds'] * 1e3:>8.1f}"
                f" {measured['mib']:>8.0f}"
            )


if __name__ == "__main__":
    main()

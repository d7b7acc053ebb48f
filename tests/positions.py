"""Variants at the positions of one genome build, and chain files from one to another."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def on_build(reference: pd.DataFrame, build: str) -> list[list[str]]:
    """Rows of a .bim: the SNPs of the reference in the order of one build."""
    rows = reference.sort_values(build)
    return [
        ["10", snp, "0", str(position), "A", "G"]
        for snp, position in zip(rows["snp"], rows[build], strict=True)
    ]


def write_chain(path: Path, blocks: Sequence[tuple[str, int, int, str, int, str]]) -> Path:
    """Write a UCSC chain file of ungapped blocks.

    A block is: chromosome, first and last position (1-based) of the old build, chromosome and
    first position of the new one, strand of the new one.
    """
    size = 250_000_000
    lines = []
    for number, (old, first, last, new, target, strand) in enumerate(blocks):
        length = last - first + 1
        start = target - 1 if strand == "+" else size - (target - 1 + length)
        lines.append(
            f"chain {length} chr{old} {size} + {first - 1} {last} chr{new} {size} {strand} {start}"
            f" {start + length} {number + 1}\n{length}\n\n"
        )
    text = "".join(lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def chain_between(
    reference: pd.DataFrame, path: Path, *, old: str = "NCBI36", new: str = "GRCh37"
) -> Path:
    """Blocks of constant shift between two builds, cut in the middle between SNPs."""
    rows = reference.sort_values(old)
    shift = (rows[new] - rows[old]).to_numpy()
    position = rows[old].to_numpy()
    change = np.flatnonzero(np.diff(shift)) + 1
    starts = [1, *((position[change - 1] + position[change]) // 2 + 1)]
    ends = [*(start - 1 for start in starts[1:]), int(position[-1]) + 1_000_000]
    blocks = [
        ("10", max(int(a), 1 - int(shift[at])), int(b), "10", max(int(a) + int(shift[at]), 1), "+")
        for a, b, at in zip(starts, ends, [0, *change], strict=True)
    ]
    return write_chain(path, blocks)

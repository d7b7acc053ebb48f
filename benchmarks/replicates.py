"""Replicates fitted together against one by one.

    python benchmarks/replicates.py [--replicates 32] [--people 400] [--snps 1000] [--epochs 3]

Replicates are permutations of the outcome in one training set, as in a null. What is timed is the
fit; preparation and evidence are the same work either way and are reported beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from factories import make_cohort  # noqa: E402
from gendmr.cohort.view import FoldView  # noqa: E402
from gendmr.engine.device import choose_device  # noqa: E402
from gendmr.methods.base import FitInputs  # noqa: E402
from gendmr.methods.gendmr.method import build  # noqa: E402
from gendmr.methods.network_method import PreparedFit  # noqa: E402
from gendmr.preprocessing.preparation import Preparation  # noqa: E402
from gendmr.tasks import task_of  # noqa: E402
from studies import slice_of  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=32)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--snps", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--alone", type=int, default=4, help="Replicates fitted one by one.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = slice_of(
        {"kind": "gendmr"}, optimisation={"epochs": arguments.epochs, "patience": arguments.epochs}
    )
    method = build(options)
    with TemporaryDirectory() as name:
        make_cohort(
            name, people=arguments.people, snps=arguments.snps, genes=max(arguments.snps // 4, 20),
            regions=arguments.regions, imaged=1.0,
        )  # fmt: skip
        task = task_of(options.outcome, options.task)
        view = FoldView.open(name, 0, 0, task=task, modalities=tuple(options.modalities))
        preparation = Preparation.fit(view, options)
        train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    random = np.random.default_rng(0)
    clock = time.perf_counter()
    problems = []
    for seed in range(arguments.replicates):
        outcome = train.outcome.permute(random.permutation(len(train)))
        permuted = dataclasses.replace(train, outcome=outcome)
        problems.append(method.prepare(FitInputs(permuted, validation, preparation, seed)))
    evidence = (time.perf_counter() - clock) / arguments.replicates
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads,"
        f" {arguments.device}: {len(train)} people, {len(preparation.instances('snp'))} SNPs,"
        f" {arguments.epochs} epochs"
    )
    print(f"evidence: {evidence:.2f} s per replicate")

    device = choose_device(arguments.device)

    def timed(prepared: list[PreparedFit]) -> float:
        clock = time.perf_counter()
        method.fit_prepared(prepared, device)
        return time.perf_counter() - clock

    timed(problems[:1])
    alone = np.median([timed([problem]) for problem in problems[: arguments.alone]])
    together = timed(problems) / len(problems)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"one by one: {alone:.2f} s per replicate")
    print(f"{len(problems)} together: {together:.2f} s per replicate, peak memory {peak:.1f} GiB")
    print(f"ratio: {alone / together:.1f}")


if __name__ == "__main__":
    main()

"""What a run costs beside PLINK, ANTs and the fits.

    python benchmarks/overhead.py [--config config/config.yaml] [--cores 2]

Makes a study in a temporary folder and measures it in processor seconds. Every Python of a job
tells at its end what it and its children took; at work are the jobs that call PLINK, ANTs or fit a
method, less the seconds in which their Python starts, which are measured here. All else is
overhead: these starts, the jobs of all other stages, and what is left of the sum over all
processes, which is Snakemake itself and its shells. Jobs that simulate the cohort are neither:
they stand for the data that a user brings.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).resolve().parents[1]
# What a command of a job imports before it works.
AT_WORK = {
    "genotypes merge": ("PLINK", "gendmr.genotypes.merging"),
    "genotypes filter": ("PLINK", "gendmr.genotypes.participants, gendmr.genotypes.figures"),
    "imaging register": ("ANTs and measures of a scan", "gendmr.imaging.participant"),
    "training fold": ("fits", "gendmr.training.fold, xarray"),
    "training null": ("fits", "gendmr.training.null, xarray"),
}
SIMULATED = "simulate "
# Python imports a module of this name at its start; `workflow` is on the path of every job.
TELL = """
import atexit, json, os, resource, sys, time
began = time.monotonic()
def tell():
    own, others = (resource.getrusage(who) for who in (0, -1))
    spent = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    words = sys.orig_argv
    if words[1:3] == ["-m", "gendmr"]:
        with open(os.path.join({folder!r}, str(os.getpid())), "w") as stream:
            json.dump([words[3:], time.monotonic() - began, spent], stream)
atexit.register(tell)
"""


@dataclass
class Cost:
    """Jobs of one kind; wall and processor seconds."""

    jobs: int = 0
    wall: float = 0.0
    processor: float = 0.0


def read_jobs(folder: Path) -> dict[str, Cost]:
    """Return the cost of each command, of trainings for each kind of method."""
    cost_of: defaultdict[str, Cost] = defaultdict(Cost)
    for path in folder.iterdir():
        words, wall, processor = json.loads(path.read_text(encoding="utf-8"))
        cost = cost_of[f"{words[0]} {words[1]}{_method(words)}"]
        cost.jobs += 1
        cost.wall += wall
        cost.processor += processor
    return dict(cost_of)


def _method(words: Sequence[str]) -> str:
    """Return the module of a training's method, for what it imports differs by seconds."""
    if words[0] != "training" or "--options" not in words:
        return ""
    kind = json.loads(words[words.index("--options") + 1])["method"]["kind"]
    return f" ({kind})"


def measure_start(modules: str, rounds: int = 3) -> float:
    """Return processor seconds in which Python starts and imports modules: the least of some."""
    least = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, used(after) - used(before))
    return least


def used(usage: resource.struct_rusage) -> float:
    """Return processor seconds."""
    return usage.ru_utime + usage.ru_stime


def report(jobs: dict[str, Cost], snakemake: float) -> str:
    """Return the table, in processor seconds."""
    parts: defaultdict[str, float] = defaultdict(float)
    counts: defaultdict[str, int] = defaultdict(int)
    lines = [
        "| command | jobs | wall, s | processor, s | of it start, s |",
        "|---|---|---|---|---|",
    ]
    for rule, cost in sorted(jobs.items(), key=lambda item: -item[1].processor):
        start = 0.0
        name, _, method = rule.partition(" (")
        if name in AT_WORK:
            kind, modules = AT_WORK[name]
            if method:
                modules += f", gendmr.methods.{method.rstrip(')')}.method"
            start = min(measure_start(modules) * cost.jobs, cost.processor)
            parts[kind] += cost.processor - start
            parts["start of Python in these"] += start
        else:
            kind = "simulation, not counted" if rule.startswith(SIMULATED) else "other stages"
            parts[kind] += cost.processor
        counts[kind] += cost.jobs
        lines.append(
            f"| {rule} | {cost.jobs} | {cost.wall:.0f} | {cost.processor:.0f} | {start:.0f} |"
        )
    parts["Snakemake itself"] = snakemake
    work = sum(parts[kind] for kind in {kind for kind, _ in AT_WORK.values()})
    whole = sum(value for kind, value in parts.items() if not kind.startswith("simulation"))
    lines += ["", "| part | jobs | processor, s | share |", "|---|---|---|---|"]
    for kind, value in sorted(parts.items(), key=lambda item: -item[1]):
        share = "" if kind.startswith("simulation") else f"{value / whole:.1%}"
        lines.append(f"| {kind} | {counts.get(kind, '')} | {value:.0f} | {share} |")
    lines.append(f"\nOverhead: {1 - work / whole:.1%} of {whole:.0f} processor seconds.")
    return "\n".join(lines)


def run(config: Path, cores: int, folder: Path) -> tuple[dict[str, Cost], float]:
    """Make the study in a folder; return the costs of its jobs and what is left of the sum."""
    for name in ("workflow", "resources", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", folder)
    costs_folder = folder / "told"
    costs_folder.mkdir()
    (folder / "workflow/sitecustomize.py").write_text(TELL.format(folder=str(costs_folder)))
    before, began = used(resource.getrusage(resource.RUSAGE_CHILDREN)), time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local"),
            *("--cores", str(cores), "--configfile", str(config.resolve())),
        ],
        cwd=folder,
        check=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    print(f"{time.monotonic() - began:.0f} s on {cores} cores\n")
    jobs = read_jobs(costs_folder)
    total = used(resource.getrusage(resource.RUSAGE_CHILDREN)) - before
    return jobs, total - sum(cost.processor for cost in jobs.values())


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    study = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))["study"]
    with TemporaryDirectory(prefix="overhead-") as name:
        jobs, remainder = run(arguments.config, arguments.cores, Path(name))
        print(f"Study {study}\n\n{report(jobs, remainder)}")


if __name__ == "__main__":
    main()

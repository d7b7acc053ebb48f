"""What a run costs beside PLINK, ANTs and the fits.

    python benchmarks/overhead.py run [--config config/config.yaml] [--cores 2]
    python benchmarks/overhead.py read FOLDER [--snakemake SECONDS]

`run` makes a study in a temporary folder and measures it; `read` takes the folder of a finished
one: Snakemake's metadata say which jobs ran, their benchmark files what each took. At work are the
jobs that call PLINK, ANTs or fit a method, less the seconds in which their Python starts, which are
measured here. All else is overhead: these starts, the jobs of all other stages, Snakemake itself.
Jobs that simulate the cohort are neither: they stand for the data that a user brings.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
# What a job of the stage imports before it works.
AT_WORK = {
    "merge_genotypes": ("PLINK", "gendmr.genotypes.merging"),
    "filter_genotypes": ("PLINK", "gendmr.genotypes.participants, gendmr.genotypes.figures"),
    "register_t1w": ("ANTs", "gendmr.imaging.participant"),
    "train_fold": ("fits", "gendmr.training.fold, xarray"),
    "train_null": ("fits", "gendmr.training.null, xarray"),
}
SIMULATED = "simulate_"


@dataclass
class Cost:
    """Jobs of one rule; wall and processor seconds."""

    jobs: int = 0
    wall: float = 0.0
    processor: float = 0.0
    begins: list[float] = field(default_factory=list)


def read_jobs(folder: Path) -> dict[str, Cost]:
    """Return the cost of each rule of the study that ran in a folder."""
    seen: set[str] = set()
    found: defaultdict[str, Cost] = defaultdict(Cost)
    for path in sorted((folder / ".snakemake/metadata").rglob("*")):
        if not path.is_file():
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        logs = record.get("log") or []
        if not logs or logs[0] in seen:
            continue
        seen.add(logs[0])
        benchmark = folder / logs[0].replace(".log", ".benchmark.tsv")
        if benchmark.is_file():
            with benchmark.open(encoding="utf-8") as stream:
                row = next(csv.DictReader(stream, delimiter="\t"))
            cost = found[f"{record['rule']}{_method(record)}"]
            cost.jobs += 1
            cost.wall += float(row["s"])
            cost.processor += float(row["cpu_time"]) if row["cpu_time"] != "NA" else 0.0
    return dict(found)


def _method(record: dict[str, Any]) -> str:
    """Return the module of a training's method, for what it imports differs by seconds."""
    if not record["rule"].startswith("train_"):
        return ""
    text = record["shellcmd"].partition("--options ")[2]
    kind = json.loads(shlex.split(text)[0])["method"]["kind"]
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
    lines = ["| rule | jobs | wall, s | processor, s | of it start, s |", "|---|---|---|---|---|"]
    for rule, cost in sorted(jobs.items(), key=lambda item: -item[1].processor):
        start = 0.0
        name, _, method = rule.partition(" ")
        if name in AT_WORK:
            kind, modules = AT_WORK[name]
            if method:
                modules += f", gendmr.methods.{method.strip('()')}"
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
    work = sum(parts[kind] for kind in ("PLINK", "ANTs", "fits"))
    whole = sum(value for kind, value in parts.items() if not kind.startswith("simulation"))
    lines += ["", "| part | jobs | processor, s | share |", "|---|---|---|---|"]
    for kind, value in sorted(parts.items(), key=lambda item: -item[1]):
        share = "" if kind.startswith("simulation") else f"{value / whole:.1%}"
        lines.append(f"| {kind} | {counts.get(kind, '')} | {value:.0f} | {share} |")
    lines.append(f"\nOverhead: {1 - work / whole:.1%} of {whole:.0f} processor seconds.")
    return "\n".join(lines)


def run(config: Path, cores: int, folder: Path) -> float:
    """Make the study in a folder; return the processor seconds of all processes."""
    for name in ("workflow", "resources", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", folder)
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
    return used(resource.getrusage(resource.RUSAGE_CHILDREN)) - before


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="make a study and measure it")
    runs.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    runs.add_argument("--cores", type=int, default=2)
    reads = commands.add_parser("read", help="read the folder of a finished run")
    reads.add_argument("folder", type=Path)
    reads.add_argument(
        "--snakemake",
        type=float,
        default=0.0,
        help="processor seconds of the main process, as `ps -o time` shows them at the end",
    )
    given = parser.parse_args()
    if given.command == "read":
        print(report(read_jobs(given.folder), given.snakemake))
        return
    with TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        total = run(given.config, given.cores, folder)
        jobs = read_jobs(folder)
        # Benchmark files sample: what they miss is counted as Snakemake's, never in its favour.
        rest = total - sum(cost.processor for cost in jobs.values())
        study = yaml.safe_load(given.config.read_text(encoding="utf-8"))["study"]
        print(f"Study {study}\n\n{report(jobs, max(rest, 0.0))}")


if __name__ == "__main__":
    main()

"""The stage `genotypes` against the bare PLINK calls that it makes.

    python benchmarks/genotypes.py [--variants 500000] [--people 800] [--rounds 3]

The same calls, taken from the logs of the stage, are run once more by themselves: what is left is
the stage's own work (three Python processes, checks, lists, eight figures). At last the checks of
the input (size, padding, order, linkage, identifiers, build) are timed by themselves, and given as
a share of the processor seconds of the stage.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("merge", "filter", "figures")
RECORDER = """#!{python}
import json, os, shutil, subprocess, sys
if "--version" not in sys.argv:
    # The lists a call reads are kept, for the stage removes its folder.
    number = len(os.listdir({calls!r}))
    copy = os.path.join({calls!r}, f"{{number:02d}}")
    shutil.copytree(".", copy, symlinks=True)
    with open(os.path.join(copy, "call.json"), "w") as stream:
        json.dump([{real!r}, *sys.argv[1:]], stream)
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


def simulate(prefix: Path, people: int, variants: int) -> None:
    """Write independent variants with frequencies of an array, 0.4 % of calls missing."""
    rng = np.random.default_rng(1)
    per = -(-variants // 22)
    with prefix.with_suffix(".bim").open("w") as bim:
        bim.writelines(
            f"{1 + j // per}\trs{j}\t0\t{1000 + j % per * 5000}\tA\tG\n" for j in range(variants)
        )
    with prefix.with_suffix(".fam").open("w") as fam:
        fam.writelines(f"F{i}\tP{i:05d}\t0\t0\t{1 + i % 2}\t-9\n" for i in range(people))
    width = -(-people // 4) * 4
    code = np.array([3, 2, 0], dtype=np.uint8)
    with prefix.with_suffix(".bed").open("wb") as bed:
        bed.write(b"\x6c\x1b\x01")
        for start in range(0, variants, 5000):
            count = min(5000, variants - start)
            p = rng.beta(0.8, 2.0, (count, 1)).clip(0.005, 0.5)
            u = rng.random((count, people), dtype=np.float32)
            codes = np.zeros((count, width), dtype=np.uint8)
            codes[:, :people] = code[(u < 1 - (1 - p) ** 2).astype(np.uint8) + (u < p * p)]
            codes[:, :people][rng.random((count, people), dtype=np.float32) < 0.004] = 1
            four = [codes[:, k::4] << (2 * k) for k in range(4)]
            bed.write((four[0] | four[1] | four[2] | four[3]).tobytes())


class Clock:
    """Wall and processor seconds of the processes started since."""

    def __init__(self) -> None:
        self.wall, self.children = time.perf_counter(), os.times()

    def read(self) -> np.ndarray:
        """Return wall and processor seconds."""
        times = os.times()
        used = times.children_user + times.children_system
        before = self.children.children_user + self.children.children_system
        return np.array([time.perf_counter() - self.wall, used - before])


def run_stage(options: str, folder: Path, threads: int, path: str) -> np.ndarray:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "PATH": path}
    clock = Clock()
    for step in STEPS:
        more = ["--seed", "1"] if step != "merge" else []
        more += ["--threads", str(threads)] if step != "figures" else []
        subprocess.run(
            [
                *(sys.executable, "-m", "gendmr", "genotypes", step, "--options", options),
                *("--work", str(folder / "work"), *more),
            ],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    return clock.read()


def run_bare(calls: Path) -> np.ndarray:
    total = np.zeros(2)
    for folder in sorted(calls.iterdir()):
        command = json.loads((folder / "call.json").read_text())
        clock = Clock()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        total += clock.read()
    return total


def record(options: str, folder: Path, threads: int) -> Path:
    """Run the stage once with PLINK behind a recorder; returns a folder for each call."""
    calls, programs = folder / "calls", folder / "bin"
    calls.mkdir()
    programs.mkdir()
    for name in ("plink1.9", "plink2"):
        real = shutil.which(name)
        assert real, f"{name} is not on the PATH"
        program = programs / name
        program.write_text(RECORDER.format(python=sys.executable, calls=str(calls), real=real))
        program.chmod(0o755)
    run_stage(options, folder / "recorded", threads, f"{programs}:{os.environ['PATH']}")
    # Links into the stage's work folder stay valid: the recorded run is kept until the end.
    return calls


def time_checks(prefix: Path) -> dict[str, float]:
    """Return processor seconds of each check of an input set, the best of three."""
    sys.path.insert(0, str(ROOT / "workflow"))
    from gendmr.genotypes import bed_file, builds, filesets, linkage

    people, variants = filesets.read_fam(prefix), filesets.read_bim(prefix)
    names = variants["snp"].tolist()
    reference = builds.read_reference(ROOT / "resources" / "build_positions.tsv")
    checks: dict[str, Callable[[], object]] = {
        "size": lambda: bed_file.check_size(str(prefix), len(people), len(variants)),
        "padding": lambda: bed_file.check_padding(
            Path(f"{prefix}.bed"), len(people), len(variants)
        ),
        "identifiers": lambda: filesets._unique(
            str(prefix), "bim", names, "names", cause="", next_step=""
        ),
        "order": lambda: filesets._check_order(str(prefix), variants),
        "linkage": lambda: linkage.linkage_note(prefix, "set", len(people), variants),
        "build": lambda: builds.detect_build(variants, reference),
        "reference positions": lambda: builds.read_reference(
            ROOT / "resources" / "build_positions.tsv"
        ),
    }
    least_seconds = {}
    for name, check in checks.items():
        seconds = []
        for _ in range(3):
            before = time.process_time()
            check()
            seconds.append(time.process_time() - before)
        least_seconds[name] = min(seconds)
    return least_seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=500_000)
    parser.add_argument("--people", type=int, default=800)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--component-variants", type=int, default=50_000)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder / "array", arguments.people, arguments.variants)
        options = json.dumps(
            {
                "inputs": [str(folder / "array")],
                "component_variants": arguments.component_variants,
            }
        )
        calls = record(options, folder, arguments.threads)
        print(f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads")
        count = len(list(calls.iterdir()))
        print(f"{arguments.variants:,} variants x {arguments.people} people, {count} PLINK calls")
        ratios, used = [], []
        for number in range(arguments.rounds):
            bare = run_bare(calls)
            out = folder / f"stage{number}"
            stage = run_stage(options, out, arguments.threads, os.environ["PATH"])
            shutil.rmtree(out)
            ratios.append(stage / bare)
            used.append(stage[1])
            print(
                f"bare PLINK {bare[0]:.1f} s ({bare[1]:.1f} s of processor),"
                f" stage {stage[0]:.1f} s ({stage[1]:.1f} s of processor)",
                flush=True,
            )
        wall, processor = np.median(ratios, axis=0)
        print(f"median ratio: wall {wall:.2f}, processor {processor:.2f}")
        checks = time_checks(folder / "array")
        for check, seconds in checks.items():
            print(f"check of {check}: {seconds:.3f} s of processor")
        total = sum(checks.values())
        print(f"all checks: {total:.2f} s, {total / np.median(used):.1%} of the stage")


if __name__ == "__main__":
    main()

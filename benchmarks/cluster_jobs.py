"""What a job costs on a cluster beside its work.

    python benchmarks/cluster_jobs.py [--jobs 1 100]

Starts the private Slurm of the tests and runs their small study through `--profile slurm`, once for
each number of jobs at a time. Needs what these tests need: root, `slurm-wlm` and `munge`. Compared
are Slurm's own time of each job and the time of the command in it, which Snakemake's benchmark file
tells; the scans, which are grouped in one job, do not count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cluster.private_slurm import PrivateSlurm, lacks  # noqa: E402
from cluster.study import Study  # noqa: E402


def seconds(clock: str) -> int:
    """Read Slurm's hours, minutes and seconds."""
    hours, minutes, second = (int(part) for part in clock.split(":"))
    return (hours * 60 + minutes) * 60 + second


def measure(study: Study, jobs: int) -> tuple[int, float, float]:
    """Return the number of jobs, and wall seconds per job: in Slurm, and of its command."""
    study.checkout.snakemake("--jobs", str(jobs))
    single = [job for job in study.jobs() if "registration" not in job["Comment"]]
    if wrong := [job["JobId"] for job in single if job["JobState"] != "COMPLETED"]:
        sys.exit(f"jobs {wrong} did not complete")
    scans = {path.parent.name for path in study.checkout.results.glob("imaging/*/quality.json")}
    files = [
        path
        for path in study.checkout.folder.glob("logs/tiny/**/*.benchmark.tsv")
        # grouped in one job, or run where Snakemake runs
        if path.name.split(".")[0] not in scans and path.parent.name != "tracking"
    ]
    if len(files) != len(single):
        sys.exit(f"{len(single)} jobs, but {len(files)} of them were measured")
    worked = sum(float(path.read_text().splitlines()[1].split()[0]) for path in files)
    allotted = sum(seconds(job["RunTime"]) for job in single)
    return len(single), allotted / len(single), worked / len(single)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 100])
    arguments = parser.parse_args()
    if (reason := lacks()) is not None:
        sys.exit(f"no Slurm can be started here: {reason}")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "snakemake", "--version"], check=True)
    print(f"Snakemake starts in {time.monotonic() - began:.1f} s on {os.cpu_count()} cores")
    print("at a time\tjobs\tin Slurm, s\tits command, s\tbeside it, s", flush=True)
    for jobs in arguments.jobs:
        slurm = PrivateSlurm.start(gpus=2, owner=os.getpid())
        try:
            with TemporaryDirectory() as folder:
                study = Study.in_folder(slurm, Path(folder) / "study")
                count, allotted, worked = measure(study, jobs)
        finally:
            slurm.stop()
        print(
            f"{jobs}\t{count}\t{allotted:.1f}\t{worked:.1f}\t{allotted - worked:.1f}"
            " (goal: under 10)",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""How long `snakemake -n` takes to plan a large study, and how much memory.

    python benchmarks/dry_run.py [--people 1000 2000] [--chunks 40] [--rounds 3] [--profile]

A study of one's own on empty files: as many T1w images as people, five repeats of five folds, three
methods, each with a null of `--chunks` jobs per fold. `--profile` tells where the time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import pstats
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
METHODS = {
    "gendmr": {"kind": "gendmr"},
    "association": {"kind": "association"},
    "ridge": {"kind": "ridge"},
}


def lay_out(folder: Path, people: int, chunks: int) -> Path:
    """Write the study and its empty files; return the configuration."""
    for name in ("own.bed", "own.bim", "own.fam", "genes.loc", "people.tsv", "a.nii.gz", "a.tsv"):
        (folder / name).touch()
    (folder / "resources").symlink_to(ROOT / "resources")
    for number in range(people):
        image = folder / f"bids/sub-{number:05d}/anat/sub-{number:05d}_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        image.touch()
    study = {
        "study": "large",
        "seed": 1,
        "genotypes": {"inputs": ["own"]},
        "annotation": {"genes": "genes.loc"},
        "imaging": {"bids": "bids", "atlas": {"labels": "a.nii.gz", "table": "a.tsv"}},
        "cohort": {"participants": "people.tsv", "folds": 5, "repeats": 5},
        "training": {
            "methods": METHODS,
            "null": {"permutations": 25 * chunks, "chunk": 25},
        },
    }
    path = folder / "study.json"
    path.write_text(json.dumps(study))
    return path


def plan(config: Path, *prefix: str) -> tuple[float, float, float, int]:
    """Return wall seconds, processor seconds, largest resident memory in MiB and number of jobs."""
    command = [sys.executable, *(prefix or ("-m", "snakemake")), "-s", str(ROOT / "Snakefile")]
    log = config.parent / "dry_run.log"
    start = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "-n", "--quiet", "rules", "--configfile", str(config)],
            cwd=config.parent,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    text = log.read_text()
    if status:
        sys.exit(text)
    total = [line.split()[1] for line in text.splitlines() if line.startswith("total ")]
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, int(total[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=[1000, 2000])
    parser.add_argument("--chunks", type=int, nargs="+", default=[40])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="list the costliest functions")
    arguments = parser.parse_args()
    print("people\tchunks\tjobs\twall_s\tprocessor_s\tmemory_mib")
    for people in arguments.people:
        for chunks in arguments.chunks:
            with TemporaryDirectory() as name:
                config = lay_out(Path(name), people, chunks)
                for _ in range(arguments.rounds):
                    wall, cpu, memory, jobs = plan(config)
                    print(f"{people}\t{chunks}\t{jobs}\t{wall:.1f}\t{cpu:.1f}\t{memory:.0f}")
                if arguments.profile:
                    stats = Path(name) / "profile"
                    plan(config, "-m", "cProfile", "-o", str(stats), "-m", "snakemake")
                    print("all, by own time")
                    pstats.Stats(str(stats)).sort_stats("tottime").print_stats(20)
                    print("ours, by time in all")
                    ours = pstats.Stats(str(stats)).sort_stats("cumtime")
                    ours.print_stats(str(ROOT), 20)


if __name__ == "__main__":
    main()

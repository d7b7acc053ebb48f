"""How much memory and time the largest cohorts take: collecting genotypes, and one training fold.

    python benchmarks/cohort_size.py --people 5000 --variants 500000
    python benchmarks/cohort_size.py --people 5000 --variants 500000 --fold ridge

A random .bed is made in a temporary folder (people x variants / 4 bytes), then each command runs as
a job runs it, in a process of its own; printed are the command, its wall time and its peak of
resident memory. Allele frequencies are uniform from 0.05 to 0.5, genes of 20 SNPs stand side by
side, and a weak signal lies in the first SNP, so that a fold has something to fit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.study import Study
from gendmr.files.tables import write_table

BLOCK = 4096  # variants made at a time
GENE = 20  # SNPs of a gene
LONG = 296_515  # bases of one allele, the longest that was met
CODES = np.array([0b11, 0b10, 0b00], dtype=np.uint8)  # of 0, 1, 2 copies of A1


def make_inputs(folder: Path, people: int, variants: int) -> dict[str, dict[str, str]]:
    """Write a PLINK file set and what the stages before leave; return the sources."""
    random = np.random.default_rng(1)
    names = [f"P{number:06d}" for number in range(people)]
    case = random.uniform(size=people) < 0.5
    row = -(-people // 4)
    with (folder / "qc.bed").open("wb") as bed:
        bed.write(b"\x6c\x1b\x01")
        for start in range(0, variants, BLOCK):
            count = min(BLOCK, variants - start)
            frequency = random.uniform(0.05, 0.5, (count, 1)).astype(np.float32)
            maternal, paternal = (
                random.random((count, people), dtype=np.float32) < frequency for _ in range(2)
            )
            codes = np.zeros((count, 4 * row), dtype=np.uint8)
            codes[:, :people] = CODES[maternal.astype(np.uint8) + paternal]
            if start == 0:
                weak = case & (random.uniform(size=people) < 0.2)
                codes[0, :people][weak] = CODES[2]
            packed = codes.reshape(count, row, 4)
            bed.write(
                (
                    packed[..., 0] | packed[..., 1] << 2 | packed[..., 2] << 4 | packed[..., 3] << 6
                ).tobytes()
            )
    (folder / "qc.fam").write_text("".join(f"{name} {name} 0 0 0 -9\n" for name in names))
    # As many on each autosome.
    chromosome = 1 + np.arange(variants) * 22 // variants
    position = 1000 + np.arange(variants) * 100
    with (folder / "qc.bim").open("w") as bim:
        for number in range(variants):
            allele = "A" * LONG if number == variants // 2 else "A"
            bim.write(f"{chromosome[number]} rs{number} 0 {position[number]} {allele} G\n")
    genes = pd.DataFrame(
        {
            "snp": [f"rs{number}" for number in range(variants)],
            "chromosome": chromosome,
            "position": position,
            "gene": [f"G{number // GENE}" for number in range(variants)],
            "distance": 0,
            "relation": "inside",
        }
    )
    write_table(folder / "snp2gene.tsv", genes)
    header = ["kind", "id", "stage", "step", "reason", "value", "threshold"]
    write_table(folder / "attrition.tsv", pd.DataFrame(columns=header))
    pairs = pd.DataFrame(columns=["id1", "id2", "kinship", "relation"])
    write_table(folder / "kinship.tsv", pairs)
    (folder / "summary.json").write_text(json.dumps({"build": "GRCh37"}))
    table = pd.DataFrame(
        {
            "participant_id": names,
            "diagnosis": np.where(case, "case", "control"),
            "age": random.normal(70, 8, people).round(1).clip(40, 100),
            "sex": random.choice(["F", "M"], people),
            "site": random.choice(["1", "2", "3"], people),
        }
    )
    write_table(folder / "participants.tsv", table)
    files = {"genotypes": "qc.bed", "variants": "qc.bim", "people": "qc.fam"}
    files |= {"attrition": "attrition.tsv", "kinship": "kinship.tsv"}
    files |= {"genes": "snp2gene.tsv", "annotation": "summary.json"}
    return {"snp": {role: str(folder / name) for role, name in files.items()}}


def measured(*words: object) -> None:
    """Run a command of GenDMR, and print what it took."""
    command = [sys.executable, "-m", "gendmr", *map(str, words)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(map(str, words[:2]))} failed")
    peak = usage.ru_maxrss / 1024
    print(f"{' '.join(map(str, words[:2])):20} {seconds:8.1f} s   peak {peak:8.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--variants", type=int, default=500_000)
    parser.add_argument("--fold", choices=["ridge", "gendmr"], help="train one fold, too")
    parser.add_argument("--folder", help="where the files go, temporary by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        print(f"{arguments.people:,} people x {arguments.variants:,} variants", flush=True)
        # In a process of its own: a command's peak counts from the memory of who started it.
        with get_context("spawn").Pool(1) as pool:
            sources = pool.apply(make_inputs, (folder, arguments.people, arguments.variants))
        kind = arguments.fold or "ridge"
        configuration = {
            "study": "size",
            "seed": 1,
            "genotypes": {"inputs": [str(folder / "qc")], "build": "GRCh37"},
            "annotation": {
                "genes": str(folder / "none.loc"), "format": "gene.loc", "build": "GRCh37"
            },
            "cohort": {"participants": str(folder / "participants.tsv")},
            "training": {"methods": {kind: {"kind": kind}}},
        }  # fmt: skip
        study = Study.parse(configuration)
        cohort = folder / "cohort"
        sections = {
            name: section.model_dump(mode="json")
            for name, section in study.modality_sections().items()
        }
        options = ["--sources", json.dumps(sources), "--modalities", json.dumps(sections)]
        options += ["--options", study.cohort.dump()]
        people = ["--participants", cohort / "participants.tsv"]
        split = [*people, "--options", study.cohort.dump(), "--seed", 1]
        measured("cohort", "join", *options, "--output", cohort)
        measured("cohort", "split", *split, "--output", cohort / "splits.tsv")
        collected = ["--modality", "snp", "--output", cohort / "snp.nc"]
        measured("cohort", "collect", *options, *people, *collected)
        for part in (folder / "qc.bed", cohort / "snp.nc"):
            print(f"{part.name}: {part.stat().st_size / 2**20:,.0f} MB")
        if arguments.fold:
            fold = ["--method", kind, "--cohort", cohort, "--repeat", 0, "--fold", 0]
            fold += ["--options", study.method_options(kind).dump(), "--seed", 1]
            measured("training", "fold", *fold, "--output", folder / "fold")


if __name__ == "__main__":
    main()

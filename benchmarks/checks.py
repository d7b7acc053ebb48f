"""What checks of identifiers and checksums of inputs add to the stages that make them.

    python benchmarks/checks.py --people 5000 --variants 20000

Writes one PLINK set, a participants.tsv and what the stages before would leave, joins them as the
stage `cohort` does, and times the checks alone on the same files. Then takes checksums of a .bed of
500,000 variants x 800 people and of 100 files of 8 MB, as large as T1w scans, and again. All in
processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.files.identifiers import unsafe_reason
from gendmr.files.provenance import record_files, versions
from gendmr.files.tables import write_table
from gendmr.modalities.matching import GENOTYPE_IDS, Matching, check_overlap, genotype_ids


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call, which other work on the machine does not change."""
    start = time.process_time()
    work()
    return time.process_time() - start


def write_inputs(folder: Path, people: int, variants: int) -> None:
    """Write what the join takes."""
    random = np.random.default_rng(0)
    ids = [f"{i % 1000:03d}_S_{i:05d}" for i in range(people)]
    body = random.integers(0, 256, (variants, -(-people // 4)), dtype=np.uint8)
    body[(body & 3) == 1] ^= 1
    if people % 4:
        body[:, -1] &= (1 << 2 * (people % 4)) - 1
    (folder / "qc.bed").write_bytes(b"\x6c\x1b\x01" + body.tobytes())
    (folder / "qc.fam").write_text("".join(f"F{i} {name} 0 0 0 -9\n" for i, name in enumerate(ids)))
    (folder / "qc.bim").write_text(
        "".join(f"{1 + i * 22 // variants} rs{i} 0 {1000 + i} A G\n" for i in range(variants))
    )
    table = pd.DataFrame(
        {
            "participant_id": ids,
            "diagnosis": np.where(np.arange(people) % 2, "case", "control"),
            "age": random.normal(72, 6, people).round(1),
            "sex": random.choice(["F", "M"], people),
            "site": random.choice(["A", "B"], people),
        }
    )
    write_table(folder / "participants.tsv", table)
    empty = {
        "attrition.tsv": "kind id stage step reason value threshold",
        "kinship.tsv": "id1 id2 kinship relation",
    }
    for name, columns in empty.items():
        write_table(folder / name, pd.DataFrame(columns=columns.split()))
    genes = pd.DataFrame({"snp": [f"rs{i}" for i in range(variants)]})
    genes = genes.assign(chromosome="1", position=1, gene="G", distance=0, relation="inside")
    write_table(folder / "snp2gene.tsv", genes)
    (folder / "summary.json").write_text(json.dumps({"build": "GRCh37"}))


def join(folder: Path, options: CohortSection) -> None:
    """Run the join and the collection of genotypes as the rules do."""
    files = {
        "genotypes": "qc.bed",
        "attrition": "attrition.tsv",
        "kinship": "kinship.tsv",
        "genes": "snp2gene.tsv",
        "annotation": "summary.json",
    }
    sources = {role: str(folder / name) for role, name in files.items()}
    section, output = SnpSection(), folder / "cohort"
    join_people({"snp": sources}, {"snp": section}, options, output)
    people = output / "participants.tsv"
    collect_modality("snp", sources, section, people, options, output / "snp.nc")


def check(folder: Path, options: CohortSection) -> None:
    """Do what the join does about identifiers, on the same people."""
    ids = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)["participant_id"]
    fam = pd.read_csv(folder / "qc.fam", sep=" ", header=None, dtype=str)
    ways = {way: genotype_ids(list(fam[0]), list(fam[1]), way) for way in GENOTYPE_IDS}
    matching = Matching.of(options)
    if ids.map(unsafe_reason).any():
        raise SystemExit("no identifier here is hostile")
    matching.keys(ids.tolist(), "participants.tsv")
    matching.keys(ways["IID"], "qc.fam")
    check_overlap(
        ids.tolist(), ways, "IID", matching=matching, minimum=0.5, listed_in="a", found_in="b"
    )


def checksums(folder: Path) -> None:
    """Time the checksums of large inputs, read for the first time and known."""
    os.chdir(folder)
    sizes = {
        "array.bed": 3 + 500_000 * 200,
        **{f"{i:03d}_T1w.nii.gz": 8_000_000 for i in range(100)},
    }
    block = os.urandom(1 << 20)
    for name, size in sizes.items():
        with Path(name).open("wb") as stream:
            for start in range(0, size, len(block)):
                stream.write(block[: size - start])
        os.utime(name, (0, 0))
    for kind, names in (("the .bed", ["array.bed"]), ("100 scans", [*sizes][1:])):
        output = folder / kind / "inputs.json"
        total = sum(sizes[name] for name in names) / 1e6
        first = seconds(lambda: record_files({"files": names}, output))  # noqa: B023
        again = seconds(lambda: record_files({"files": names}, output))  # noqa: B023
        print(f"checksums of {kind} ({total:.0f} MB): {first:.2f} s, known {again:.3f} s")


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--variants", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_inputs(folder, arguments.people, arguments.variants)
        options = CohortSection.parse({"participants": str(folder / "participants.tsv")})
        joins = [seconds(lambda: join(folder, options)) for _ in range(arguments.rounds)]
        checks = [seconds(lambda: check(folder, options)) for _ in range(arguments.rounds)]
        share = np.median(checks) / np.median(joins)
        print(
            f"join of {arguments.people} people x {arguments.variants} variants:"
            f" {np.median(joins):.2f} s"
        )
        print(f"identifiers alone: {np.median(checks):.3f} s, {share:.1%}")
        print(f"versions and commit of a result: {seconds(lambda: versions('numpy')):.3f} s")
        checksums(folder)


if __name__ == "__main__":
    main()

"""Association of many permuted diagnoses: one product with packed genotypes, against PLINK 2.

    python benchmarks/null_association.py [--people 800] [--variants 500000] [--permutations 1000]

PLINK 2 is called once per fold and permutation in the reference, as a script would do it; one call
on a part of the variants is timed and multiplied. Ours runs one fold over all variants and is
multiplied by the number of folds only. Both use the same number of threads.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

THREADS = next(
    (word for flag, word in zip(sys.argv, sys.argv[1:], strict=False) if flag == "--threads"), "2"
)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow")]

from gendmr.config.training import NullSection  # noqa: E402
from gendmr.statistics.association import score_test  # noqa: E402
from gendmr.statistics.genotypes import PackedGenotypes  # noqa: E402

PART = 20_000  # variants that PLINK is timed on
CHECKED = 200
CHUNK = NullSection().chunk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=800)
    parser.add_argument("--variants", type=int, default=500_000)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    train = arguments.people * (arguments.folds - 1) // arguments.folds
    frequency = random.uniform(0.05, 0.5, arguments.variants)
    dosage = np.empty((train, arguments.variants), dtype=np.int8)
    for person in range(train):
        alleles = random.random((2, arguments.variants)) < frequency
        dosage[person] = alleles.sum(axis=0)
        dosage[person, random.random(arguments.variants) < 0.01] = -1
    covariates = random.normal(size=(train, 6))
    diagnosis = (np.arange(train) % 2).astype(np.float64)
    permuted = np.stack(
        [random.permutation(diagnosis) for _ in range(arguments.permutations)], axis=1
    )

    clock = time.perf_counter()
    packed = PackedGenotypes.pack(dosage)
    packing = time.perf_counter() - clock
    part = np.ascontiguousarray(dosage[:, :PART])
    del dosage
    largest, clock = 0.0, time.perf_counter()
    for start in range(0, arguments.permutations, CHUNK):  # as the jobs of a null do
        z = packed.associate(permuted[:, start : start + CHUNK], covariates)
        if start == 0:
            expected, _ = score_test(part[:, :CHECKED], permuted[:, :CHUNK], covariates)
            largest = float(np.abs(z[:CHECKED] - expected).max())
    ours = (packing + time.perf_counter() - clock) * arguments.folds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    with TemporaryDirectory() as name:
        once = plink(Path(name), part, diagnosis, covariates, arguments.threads)
    calls = arguments.folds * arguments.permutations
    reference = once * arguments.variants / part.shape[1] * calls
    print(
        f"{platform.machine()}, {arguments.threads} threads: {train} training people of"
        f" {arguments.people}, {arguments.variants} variants, {arguments.folds} folds,"
        f" {arguments.permutations} permutations"
    )
    print(f"largest difference of z from the plain test: {largest:.1e}")
    print(f"packed product: {ours:.0f} s ({packing:.1f} s of it packing, per fold)")
    print(
        f"plink2 --glm: {once:.2f} s for {part.shape[1]} variants, so {reference:.0f} s for"
        f" {calls} calls on all"
    )
    print(f"ratio: {reference / ours:.0f}; peak memory {peak:.1f} GiB, the dosages included")


def plink(
    folder: Path, dosage: np.ndarray, diagnosis: np.ndarray, covariates: np.ndarray, threads: int
) -> float:
    """Return the seconds of one logistic `--glm` with covariates, the fastest of three."""
    people, variants = dosage.shape
    codes = np.array([0b11, 0b10, 0b00, 0b01], dtype=np.uint8)[np.where(dosage < 0, 3, dosage)]
    padded = np.zeros((variants, -(-people // 4) * 4), dtype=np.uint8)
    padded[:, :people] = codes.T
    four = padded.reshape(variants, -1, 4)
    packed = four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6
    (folder / "d.bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())
    (folder / "d.bim").write_text(
        "".join(f"1\trs{n}\t0\t{1000 + n}\tA\tG\n" for n in range(variants))
    )
    (folder / "d.fam").write_text(
        "".join(f"p{n} p{n} 0 0 1 {int(diagnosis[n]) + 1}\n" for n in range(people))
    )
    names = [f"C{n}" for n in range(covariates.shape[1])]
    rows = [f"p{n} p{n} " + " ".join(f"{v:.6g}" for v in row) for n, row in enumerate(covariates)]
    (folder / "c.txt").write_text("#FID IID " + " ".join(names) + "\n" + "\n".join(rows) + "\n")
    command = ["plink2", "--bfile", "d", "--covar", "c.txt", "--glm", "hide-covar",
               "--threads", str(threads), "--out", "o"]  # fmt: skip
    times = []
    for _ in range(3):
        clock = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - clock)
    return min(times)


if __name__ == "__main__":
    main()

"""Small PLINK sets with known contents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.genotypes.builds import BUILDS, read_reference

CODES = np.array([3, 2, 0, 1], dtype=np.uint8)  # 0, 1, 2 copies of A1; missing (-1) is last


@dataclass
class Made:
    """What a written set holds: dosages of A1 (people, variants), -1 missing."""

    prefix: Path
    dosages: np.ndarray
    fam: list[list[str]]
    bim: list[list[str]]
    truth: dict[str, str] = field(default_factory=dict)


WriteSet = Callable[..., Made]


def write_set(
    prefix: Path,
    dosages: np.ndarray,
    *,
    fam: Sequence[Sequence[str]] | None = None,
    bim: Sequence[Sequence[str]] | None = None,
) -> Made:
    """Write a variant-major set, packed by the format's description and by nothing of gendmr."""
    n, m = dosages.shape
    people = [
        list(row) for row in fam or [(f"F{i}", f"P{i}", "0", "0", "0", "-9") for i in range(n)]
    ]
    variants = [
        list(row)
        for row in bim or [("1", f"rs{j}", "0", str(1000 + j), "A", "G") for j in range(m)]
    ]
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_suffix(".fam").write_text("".join("\t".join(row) + "\n" for row in people))
    prefix.with_suffix(".bim").write_text("".join("\t".join(row) + "\n" for row in variants))
    codes = np.zeros((m, -(-n // 4) * 4), dtype=np.uint8)
    codes[:, :n] = CODES[dosages.T]
    packed = codes[:, 0::4] | codes[:, 1::4] << 2 | codes[:, 2::4] << 4 | codes[:, 3::4] << 6
    prefix.with_suffix(".bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())
    return Made(prefix, dosages, people, variants)


@pytest.fixture(scope="session")
def make_set() -> WriteSet:
    return write_set


def draw(rng: np.random.Generator, people: int, frequency: np.ndarray) -> np.ndarray:
    copies = rng.random((2, people, len(frequency))) < frequency
    return np.asarray(copies.sum(axis=0).astype(np.int8))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """120 people x 3,000 autosomal and 400 X variants with one fault of each kind planted."""
    rng = np.random.default_rng(7)
    n, m, on_x = 120, 3000, 400
    dosages = draw(rng, n, rng.uniform(0.1, 0.9, m))
    sex = rng.integers(1, 3, n)
    x = draw(rng, n, rng.uniform(0.2, 0.8, on_x))
    x[sex == 1] = (rng.random(((sex == 1).sum(), on_x)) < 0.5) * 2
    ids = [f"P{i:03d}" for i in range(n)]
    # 007 and friends are identifiers, not numbers.
    ids[:4] = ["007", "1e5", "NA", "002_S_0295"]
    fam = [[f"F{i}" if i else "0", ids[i], "0", "0", str(sex[i]), str(1 + i % 2)] for i in range(n)]
    dosages[10] = dosages[11]  # the same genome
    mother, father = dosages[20], dosages[21]
    child = (rng.random(m) < mother / 2).astype(np.int8) + (rng.random(m) < father / 2)
    dosages[22] = child
    dosages[30, rng.random(m) < 0.3] = 1  # contaminated
    dosages[40, rng.random(m) < 0.2] = -1  # poor calls
    dosages[11, rng.random(m) < 0.03] = -1  # the copy with the worse call rate
    dosages[:, 100][rng.random(n) < 0.3] = -1  # a failed probe
    dosages[:, 101] = 0
    dosages[0, 101] = 1  # rare
    dosages[:, 102] = np.where(np.arange(n) % 2, 0, 2)  # no heterozygotes
    fam[50][4] = "1" if sex[50] == 2 else "2"
    bim = [
        [str(1 + j * 22 // m), f"rs{j}", "0", str(5_000_000 + j * 1000), "A", "G"] for j in range(m)
    ]
    bim += [["23", f"x{j}", "0", str(5_000_000 + j * 100_000), "C", "T"] for j in range(on_x)]
    bim += [["24", "y0", "0", "3000000", "C", "T"], ["23", "par", "0", "100000", "C", "T"]]
    bim = [*bim[:m], bim[-1], *bim[m:-1]]  # PAR1 comes first on X
    all_dosages = np.hstack(
        [dosages, draw(rng, n, np.array([0.4])), x, draw(rng, n, np.array([0.4]))]
    )
    folder = tmp_path_factory.mktemp("cohort")
    fileset = write_set(folder / "array", all_dosages.astype(np.int8), fam=fam, bim=bim)
    fileset.truth = {
        "P040": "person missingness",
        "P050": "sex",
        "P030": "heterozygosity",
        "P011": "duplicate",
        "rs100": "variant missingness",
        "rs101": "maf",
        "rs102": "hwe",
        "y0": "chromosome",
        "par": "chromosome",
        "x5": "chromosome",
    }
    return fileset


@pytest.fixture(scope="session")
def reference(root: Path) -> pd.DataFrame:
    """SNPs of chromosome 10 with their positions on all three builds."""
    table = read_reference(root / "resources" / "build_positions.tsv")
    return table[table["chromosome"] == "10"].dropna().astype(dict.fromkeys(BUILDS, int))

"""The writer of file sets, against PLINK and against a slow twin."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gendmr.simulate.plink import write_fileset

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 13))
DOSAGES = SHAPES.flatmap(lambda shape: arrays(np.int8, shape, elements=st.integers(-1, 2)))


def write(prefix: Path, dosage: np.ndarray) -> None:
    variants, people = dosage.shape
    write_fileset(
        prefix,
        dosage,
        pd.DataFrame(
            {
                "chromosome": "1",
                "snp": [f"v{number}" for number in range(variants)],
                "position": np.arange(variants) + 1,
                "a1": "A",
                "a2": "C",
            }
        ),
        pd.DataFrame(
            {
                "fid": [f"F{number:03d}" for number in range(people)],
                "iid": [f"{number:03d}" for number in range(people)],
                "sex": 1 + np.arange(people) % 2,
            }
        ),
    )


def decode(path: Path, people: int) -> np.ndarray:
    """Read a .bed person by person, bit by bit, as the format's page describes it."""
    content = path.read_bytes()
    assert content[:3] == b"\x6c\x1b\x01"
    width = (people + 3) // 4
    rows = [content[3 + start : 3 + start + width] for start in range(0, len(content) - 3, width)]
    meaning = {0b00: 2, 0b01: -1, 0b10: 1, 0b11: 0}
    for row in rows:
        for person in range(people, 4 * width):
            assert row[person // 4] >> 2 * (person % 4) & 3 == 0, "padding must be zero"
    return np.array(
        [[meaning[row[p // 4] >> 2 * (p % 4) & 3] for p in range(people)] for row in rows]
    )


@given(dosage=DOSAGES)
@settings(max_examples=25, deadline=None)
def test_a_slow_reader_finds_what_was_written(dosage: np.ndarray) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder) / "set", dosage)
        assert (decode(Path(folder) / "set.bed", dosage.shape[1]) == dosage).all()


@given(dosage=DOSAGES)
@settings(max_examples=5, deadline=None)
def test_plink_finds_what_was_written(dosage: np.ndarray, plink: str) -> None:
    with TemporaryDirectory() as folder:
        prefix = Path(folder) / "set"
        write(prefix, dosage)
        subprocess.run(
            [
                *(plink, "--bfile", str(prefix), "--recode", "A", "--keep-allele-order"),
                *("--out", str(prefix), "--silent"),
            ],
            check=True,
        )
        raw = pd.read_csv(f"{prefix}.raw", sep=" ", dtype={"IID": str, "FID": str})
    assert raw["IID"].tolist() == [f"{number:03d}" for number in range(dosage.shape[1])]
    assert (raw["PHENOTYPE"] == -9).all()
    assert np.array_equal(raw.iloc[:, 6:].fillna(-1).to_numpy().T, dosage)

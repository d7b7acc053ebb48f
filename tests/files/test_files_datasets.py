"""Datasets keep to the registry, and to their bytes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gendmr.errors import InputFileError, ModalityError
from gendmr.files.atomic import sha256
from gendmr.files.datasets import read_dataset, write_dataset


def snp(people=("007", "1e5"), dosage=((0, 1, -1), (2, 0, 1))):
    return xr.Dataset(
        {"dosage": (("participant", "snp"), np.array(dosage, dtype=np.int8))},
        {
            "participant": np.array(people),
            "snp": np.array(["rs1", "rs2", "rs3"]),
            "chromosome": ("snp", np.array(["1", "1", "X"])),
            "position": ("snp", np.array([10, 16777217, 30])),
            "gene": ("snp", np.array(["A", "A;B", ""])),
            "effect_allele": ("snp", np.array(["A", "C", "G"])),
            "other_allele": ("snp", np.array(["G", "T", "T"])),
            "distance": ("snp", np.array([0, -5, 0])),
        },
        {"build": "GRCh37"},
    )


def test_what_is_written_is_read_and_the_bytes_are_stable(tmp_path):
    write_dataset(tmp_path / "a.nc", snp(), "snp")
    write_dataset(tmp_path / "b.nc", snp(), "snp")
    assert sha256(tmp_path / "a.nc") == sha256(tmp_path / "b.nc")
    back = read_dataset(tmp_path / "a.nc", "snp")
    xr.testing.assert_identical(back, snp())
    assert back["dosage"].dtype == np.int8
    assert back["participant"].values.tolist() == ["007", "1e5"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (snp(dosage=((0, 1, 3), (2, 0, 1))), "dosage: 1 values are none of"),
        (snp(people=("a", "a")), "listed twice"),
        (snp().drop_vars("gene"), "needs the variable gene"),
        (snp().assign(extra=("snp", np.zeros(3))), "unknown to `snp`: extra"),
        (snp().assign(dosage=snp()["dosage"].astype("float64")), "dosage is float64, not int8"),
        (snp().transpose(), "has dimensions"),
    ],
)
def test_a_broken_modality_is_refused_before_it_is_written(tmp_path, broken, words):
    with pytest.raises(ModalityError, match=words):
        write_dataset(tmp_path / "x.nc", broken, "snp")
    assert list(tmp_path.iterdir()) == []


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_dataset(tmp_path / "none.nc", "snp")
    write_dataset(tmp_path / "a.nc", snp(), "snp")
    (tmp_path / "a.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:500])
    with pytest.raises(InputFileError, match="not readable as NetCDF"):
        read_dataset(tmp_path / "a.nc", "snp")

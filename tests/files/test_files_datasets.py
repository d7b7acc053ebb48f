"""Datasets keep to their schema, and to their bytes, written whole or block by block."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr

from disks import small_disk
from gendmr.errors import InputFileError, ModalityError, OutputError
from gendmr.files.atomic import sha256
from gendmr.files.datasets import chunks_of, read_dataset, write_dataset
from gendmr.files.pieces import write_blocks
from gendmr.modalities import modality_of

SCHEMA = modality_of("snp").schema
ROOM = 1 << 20


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
    write_dataset(tmp_path / "a.nc", snp(), SCHEMA)
    write_dataset(tmp_path / "b.nc", snp(), SCHEMA)
    assert sha256(tmp_path / "a.nc") == sha256(tmp_path / "b.nc")
    back = read_dataset(tmp_path / "a.nc", SCHEMA)
    xr.testing.assert_identical(back, snp())
    assert back["dosage"].dtype == np.int8
    assert back["participant"].values.tolist() == ["007", "1e5"]


BROKEN = [
    (snp(dosage=((0, 1, 3), (2, 0, 1))), "dosage: 1 values are none of"),
    (snp(people=("a", "a")), "listed twice"),
    (snp().drop_vars("gene"), "the variable gene is missing"),
    (snp().assign(extra=("snp", np.zeros(3))), "unknown variables: extra"),
    (snp().assign(dosage=snp()["dosage"].astype("float64")), "dosage is float64, not int8"),
    (snp().transpose(), "has dimensions"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_broken_modality_is_refused_before_it_is_written(tmp_path, broken, words):
    with pytest.raises(ModalityError, match=words):
        write_dataset(tmp_path / "x.nc", broken, SCHEMA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("broken", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_broken_modality_is_refused_when_it_is_read(tmp_path, broken, words):
    broken.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(ModalityError, match=words):
        read_dataset(tmp_path / "x.nc", SCHEMA)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_dataset(tmp_path / "none.nc", SCHEMA)
    write_dataset(tmp_path / "a.nc", snp(), SCHEMA)
    (tmp_path / "a.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:500])
    with pytest.raises(InputFileError, match="not readable as NetCDF"):
        read_dataset(tmp_path / "a.nc", SCHEMA)


# ---- block by block ------------------------------------------------------------------------------


def large_snp(people=300, snps=2500, seed=0):
    """More of both than a chunk holds."""
    random = np.random.default_rng(seed)
    dosage = random.integers(-1, 3, (people, snps)).astype(np.int8)
    assert chunks_of(dosage.shape) < dosage.shape
    return xr.Dataset(
        {"dosage": (("participant", "snp"), dosage)},
        {
            "participant": np.array([f"{number:04d}" for number in range(people)], dtype=object),
            "snp": np.array([f"rs{number}" for number in range(snps)], dtype=object),
            "chromosome": ("snp", np.array(["1", "X"] * (snps // 2), dtype=object)),
            "position": ("snp", np.arange(1, snps + 1)),
            "gene": ("snp", np.array(["A;Ä", ""] * (snps // 2), dtype=object)),
            "effect_allele": ("snp", np.array(["A"] * snps, dtype=object)),
            "other_allele": ("snp", np.array(["G"] * snps, dtype=object)),
            "distance": ("snp", np.arange(snps) - 7),
        },
        {"build": "GRCh37", "n": "5"},
    )


def by_blocks(path, dataset, step=1024):
    """Write a dataset of SNPs by blocks."""
    dosage = dataset["dosage"].values
    write_blocks(
        path,
        SCHEMA,
        "dosage",
        dosage.shape,
        {str(name): dataset[name].values for name in dataset.coords},
        ((start, dosage[:, start : start + step]) for start in range(0, dosage.shape[1], step)),
        dataset.attrs,
    )


@pytest.mark.parametrize("step", [1024, 2048, 5000])
def test_blocks_read_back_as_the_whole(tmp_path, step):
    dataset = large_snp()
    write_dataset(tmp_path / "whole.nc", dataset, SCHEMA)
    by_blocks(tmp_path / "blocks.nc", dataset, step)
    as_whole, in_blocks = (
        read_dataset(tmp_path / name, SCHEMA) for name in ("whole.nc", "blocks.nc")
    )
    xr.testing.assert_equal(as_whole, in_blocks)
    xr.testing.assert_equal(in_blocks, dataset)
    assert as_whole.attrs == in_blocks.attrs == dataset.attrs
    for name, variable in in_blocks.variables.items():
        assert variable.attrs.get("long_name") == SCHEMA[str(name)].meaning
        assert variable.attrs.get("units", "") == SCHEMA[str(name)].unit
    with (
        xr.open_dataset(tmp_path / "whole.nc", engine="h5netcdf") as first,
        xr.open_dataset(tmp_path / "blocks.nc", engine="h5netcdf") as second,
    ):
        xr.testing.assert_equal(first.load(), second.load())


def test_blocks_give_the_same_bytes_each_time(tmp_path):
    for name in ("a.nc", "b.nc"):
        by_blocks(tmp_path / name, large_snp())
    assert sha256(tmp_path / "a.nc") == sha256(tmp_path / "b.nc")


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_broken_block_is_refused_and_leaves_nothing(tmp_path, block):
    dataset = large_snp()
    dataset["dosage"].values[5, min(1024 * block + 3, 2499)] = 3
    with pytest.raises(ModalityError, match=r"x\.nc: dosage: 1 values are none of"):
        by_blocks(tmp_path / "x.nc", dataset)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_coordinate_is_refused_and_leaves_nothing(tmp_path):
    dataset = large_snp()
    dataset["position"].values[7] = 0
    with pytest.raises(ModalityError, match="position: 1 positions are below 1"):
        by_blocks(tmp_path / "x.nc", dataset)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("people", [1, 600])
def test_a_full_disk_is_an_error_and_leaves_nothing(people):
    """Coordinates alone are too much for it, or the blocks are."""
    snps = 250_000 if people == 1 else 12_000
    dataset = large_snp(people, snps) if people > 256 else large_row(snps)
    with small_disk(ROOM) as folder:
        with pytest.raises(OutputError, match=r"snp\.nc"):
            by_blocks(folder / "snp.nc", dataset)
        assert list(folder.iterdir()) == []
        by_blocks(folder / "snp.nc", large_snp())  # the process is as it was
        assert read_dataset(folder / "snp.nc", SCHEMA).sizes["snp"] == 2500


def large_row(snps):
    """Return a dataset of one person whose coordinates take the room."""
    few = large_snp()
    index = np.arange(snps) % few.sizes["snp"]
    dataset = few.isel(participant=[0], snp=index)
    return dataset.assign_coords(
        snp=np.array([f"a-long-name-of-a-variant-{number}" for number in range(snps)], dtype=object)
    )


def test_one_long_allele_does_not_widen_the_others(tmp_path):
    """As an array of fixed width, 2,500 alleles of 100,000 letters would be a gigabyte."""
    dataset = large_snp()
    alleles = dataset["effect_allele"].values.copy()
    alleles[3] = "ACGT" * 25_000
    dataset["effect_allele"] = ("snp", alleles)
    for write in (by_blocks, lambda path, content: write_dataset(path, content, SCHEMA)):
        path = tmp_path / "long.nc"
        write(path, dataset)
        assert path.stat().st_size < 2_000_000
        back = read_dataset(path, SCHEMA)["effect_allele"].values
        assert back.dtype == object and back.tolist() == alleles.tolist()
        assert back[4] is back[5]  # equal texts are one


@pytest.mark.parametrize("dimension", ["participant", "snp"])
def test_nobody_and_nothing_are_read_back(tmp_path, dimension):
    dataset = large_snp().isel({dimension: []})
    write_dataset(tmp_path / "whole.nc", dataset, SCHEMA)
    by_blocks(tmp_path / "blocks.nc", dataset)
    for name in ("whole.nc", "blocks.nc"):
        back = read_dataset(tmp_path / name, SCHEMA)
        xr.testing.assert_equal(back, dataset)
        assert back[dimension].dtype == object


@pytest.mark.parametrize("by_blocks", [False, True])
def test_a_flipped_bit_among_numbers_is_damage(tmp_path, by_blocks):
    random = np.random.default_rng(4)
    people = tuple(f"P{number}" for number in range(40))
    dataset = snp(people, random.integers(-1, 3, (40, 3)))
    path = tmp_path / "a.nc"
    if by_blocks:
        coordinates = {name: dataset[name].values for name in dataset.coords}
        blocks = [(0, dataset["dosage"].values)]
        write_blocks(path, SCHEMA, "dosage", (40, 3), coordinates, blocks, dataset.attrs)
    else:
        write_dataset(path, dataset, SCHEMA)
    content = path.read_bytes()
    for name in ("dosage", "position", "distance"):
        with h5py.File(path, "r") as stored:
            chunk = stored[name].id.get_chunk_info(0)
        for place in random.integers(chunk.byte_offset, chunk.byte_offset + chunk.size, 15):
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(random.integers(8))
            path.write_bytes(bytes(flipped))
            with pytest.raises((InputFileError, ModalityError)):
                read_dataset(path, SCHEMA)
        path.write_bytes(content)

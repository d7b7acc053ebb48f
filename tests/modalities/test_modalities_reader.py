"""Reading the file of a modality: these people's rows, when they are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gendmr.cohort.view import FoldView
from gendmr.errors import DataLeakageError, InputFileError, ModalityError
from gendmr.modalities import modality_of, reader
from gendmr.modalities.reader import ArrayReader
from gendmr.modalities.store import read_modality, write_modality

OpenView = Callable[..., FoldView]


@contextmanager
def rows_read(monkeypatch: pytest.MonkeyPatch, people: list[str]) -> Iterator[set[str]]:
    """Give the names of the people whose dosages leave the file."""
    touched: set[str] = set()
    get = h5py.Dataset.__getitem__

    def watched(self: Any, key: Any, *more: Any) -> Any:
        values = get(self, key, *more)
        if self.name == "/dosage":
            touched.update(people[key[0]] if isinstance(key, tuple) else people[key])
        return values

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", watched)
        yield touched


def make_reader(path: Path, people: list[str], present: list[bool] | None = None) -> ArrayReader:
    presence = np.ones(len(people), dtype=bool) if present is None else np.array(present)
    return ArrayReader(path, modality_of("snp"), np.array(people, dtype=object), presence)


@pytest.mark.parametrize("cached", [0, 1 << 26])
@pytest.mark.parametrize(("rows", "columns"), [(256, 4096), (3, 7)])
def test_values_are_those_of_the_file(
    cohort: Path, monkeypatch: pytest.MonkeyPatch, cached: int, rows: int, columns: int
) -> None:
    """In any order, any number at a time, whether kept in memory or read again."""
    for name, value in (("KEPT", cached), ("ROWS", rows), ("COLUMNS", columns)):
        monkeypatch.setattr(reader, name, value)
    stored = read_modality(cohort / "snp.nc", "snp")
    names = stored["participant"].values.tolist()
    whole = stored["dosage"].values
    random = np.random.default_rng(0)
    order = random.permutation(len(names))
    opened = make_reader(cohort / "snp.nc", [names[i] for i in order])
    for _ in range(3):
        index = random.permutation(len(names))[: random.integers(0, len(names))]
        some = random.permutation(120)[: random.integers(0, 120)]
        expected = whole[order[index]]
        np.testing.assert_array_equal(opened.array("dosage", index), expected)
        np.testing.assert_array_equal(opened.array("dosage", index, some), expected[:, some])
        twice = np.array([5, 5, 0])
        np.testing.assert_array_equal(opened.array("dosage", index, twice), expected[:, twice])
        blocks = list(opened.blocks("dosage", index))
        assert [start for start, _ in blocks] == list(range(0, 120, min(columns, 4096)))
        np.testing.assert_array_equal(np.hstack([part for _, part in blocks]), expected)


def test_who_has_no_row_is_missing(cohort: Path) -> None:
    region = read_modality(cohort / "region.nc", "region")
    measured = str(region["participant"].values[0])
    opened = ArrayReader(
        cohort / "region.nc",
        modality_of("region"),
        np.array(["nobody", measured], dtype=object),
        np.array([False, True]),
    )
    index = np.array([1, 0, 0])
    volume, icv = opened.array("volume", index), opened.array("icv", index)
    np.testing.assert_array_equal(volume[0], region["volume"].values[0])
    assert np.isnan(volume[1:]).all() and np.isnan(icv[1:]).all()
    assert icv[0] == region["icv"].values[0]
    dosage = make_reader(cohort / "snp.nc", ["nobody"], [False]).array("dosage", np.array([0]))
    assert (dosage == -1).all() and dosage.dtype == np.int8


@pytest.mark.parametrize("cached", [0, 1 << 26])
def test_rows_of_others_never_leave_the_file(
    cohort: Path, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    """One row at a time: whole ranges between two people would be read, and thrown away."""
    monkeypatch.setattr(reader, "KEPT", cached)
    monkeypatch.setattr(reader, "ROWS", 1)
    names = read_modality(cohort / "snp.nc", "snp")["participant"].values.tolist()
    wanted = names[3::7]
    opened = make_reader(cohort / "snp.nc", wanted)
    index = np.arange(len(wanted))
    with rows_read(monkeypatch, names) as touched:
        opened.array("dosage", index)
        opened.array("dosage", index[:2], np.array([1]))
        list(opened.blocks("dosage", index))
    assert touched == set(wanted)


def test_nothing_is_read_before_it_is_asked_for(
    cohort: Path, open_view: OpenView, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = read_modality(cohort / "snp.nc", "snp")["participant"].values.tolist()
    with rows_read(monkeypatch, names) as touched:
        view = open_view()
        subset = view.train.having("snp").take(np.arange(10))
        assert len(subset.instances("snp")) == 120 and not touched
        subset.array("snp", "dosage", np.array([4]))
        assert touched
    with pytest.raises(DataLeakageError):
        _ = view.held_out


def test_a_file_that_is_not_read_need_not_be_there(
    cohort: Path, tmp_path: Path, open_view: OpenView
) -> None:
    folder = Path(shutil.copytree(cohort, tmp_path / "cohort"))
    (folder / "region.nc").unlink()
    view = open_view(folder, modalities=("snp",))
    assert view.train.present["region"].any() and len(view.train.instances("snp"))
    with pytest.raises(KeyError):
        view.train.array("region", "volume")
    with pytest.raises(InputFileError, match=r"region\.nc: no such file"):
        _ = open_view(folder).train


def test_people_who_are_not_in_the_file_are_an_error(cohort: Path) -> None:
    with pytest.raises(ModalityError, match="2 people who should be in it are not: 'x', 'y'"):
        make_reader(cohort / "snp.nc", ["x", "y"])
    make_reader(cohort / "snp.nc", ["x", "y"], [False, False])


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_damaged_file_is_an_error(cohort: Path, tmp_path: Path, size: int) -> None:
    names = read_modality(cohort / "snp.nc", "snp")["participant"].values.tolist()
    content = (cohort / "snp.nc").read_bytes()
    (tmp_path / "snp.nc").write_bytes(content[:size])
    with pytest.raises(InputFileError, match="not readable as NetCDF"):
        make_reader(tmp_path / "snp.nc", names)


def test_values_that_cannot_be_are_an_error_for_those_who_have_them(
    cohort: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(cohort / "snp.nc", tmp_path / "snp.nc"))
    with h5py.File(path, "r+") as stored:
        stored["dosage"][4, 7] = 9
    names = read_modality(cohort / "snp.nc", "snp")["participant"].values.tolist()
    make_reader(path, names[:4]).array("dosage", np.arange(4))
    with pytest.raises(ModalityError, match="dosage: 1 values are none of -1, 0, 1, 2"):
        make_reader(path, names[:5]).array("dosage", np.arange(5))


def test_instances_and_attributes_are_as_the_file_names_them(cohort: Path, tmp_path: Path) -> None:
    dataset = read_modality(cohort / "snp.nc", "snp")
    dataset["effect_allele"].values[3] = "A" * 500
    write_modality(tmp_path / "snp.nc", dataset, "snp")
    opened = make_reader(tmp_path / "snp.nc", dataset["participant"].values.tolist())
    table = opened.instances
    assert set(table) == {
        "snp", "chromosome", "position", "gene", "effect_allele", "other_allele", "distance",
    }  # fmt: skip
    for name in table:
        assert table[name].tolist() == dataset[name].values.tolist()
    assert table["position"].dtype == np.int64 and opened.attributes["build"] == "GRCh37"

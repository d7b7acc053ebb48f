"""Bags of patches within a fold: scaled by training people, read person by person, never whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gendmr.config.modalities.patch import PatchSection
from gendmr.files.histology import PATCHES
from gendmr.files.pieces import write_rows
from gendmr.methods.bags import PATCH, USED, BagRows, tensors_of
from gendmr.modalities.lazy import LazyRows
from gendmr.modalities.patch.modality import MODALITY
from gendmr.modalities.patch.transform import PatchTransform
from gendmr.modalities.reader import KEPT, ArrayReader
from gendmr.modalities.subset import Subset
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks import task_of
from gendmr.tasks.base import Outcome


def write_bags(path: Path, bags: list[np.ndarray]) -> None:
    people, (places, features) = len(bags), bags[0].shape
    empty = np.isnan(np.stack([bag[:, 0] for bag in bags]))
    coordinates = {
        "participant": np.array([f"P{n}" for n in range(people)], dtype=object),
        "patch": np.array([f"{n:05d}" for n in range(places)], dtype=object),
        "x": np.zeros((people, places), np.float32),
        "y": np.zeros((people, places), np.float32),
        "slide": np.where(empty, -1, 0).astype(np.int16),
        "source": np.where(empty, -1, 0).astype(np.int32),
    }
    write_rows(
        path, PATCHES, "embedding", (people, places, features), coordinates,
        (bag.astype(np.float16) for bag in bags),
    )  # fmt: skip


def subset_of(path: Path, people: int, having: int) -> Subset:
    names = np.array([f"P{n}" for n in range(people)], dtype=object)
    has = np.arange(people) < having
    return Subset(
        role="train",
        participants=names,
        family=names,
        outcome=outcome_of(people),
        covariates=pd.DataFrame(index=range(people)),
        present={"patch": has},
        readers={"patch": ArrayReader(path, MODALITY, names, has)},
        index=np.arange(people),
    )


def outcome_of(people: int) -> Outcome:
    from gendmr.config.outcomes import KINDS

    task = task_of("memory", KINDS["quantitative"](column="memory"))
    return task.read({"": pd.Series([str(n) for n in range(people)])}, "made up")


def bags(people: int, places: int, features: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    some = [random.normal(3, 2, (places, features)).astype(np.float16) for _ in range(people)]
    some[0][places // 2 :] = np.nan
    return some


def test_features_are_in_sds_of_the_training_patches_and_empty_places_are_missing(
    tmp_path: Path,
) -> None:
    written = bags(5, 20, 3)
    write_bags(tmp_path / "patch.nc", written)
    subset = subset_of(tmp_path / "patch.nc", people=6, having=5)
    fitted = PatchTransform.fit(subset, PatchSection(), np.zeros((6, 0)))
    clean = [bag[np.isfinite(bag[:, 0])].astype(float) for bag in written]
    mean = np.mean([bag.mean(axis=0) for bag in clean], axis=0)
    square = np.mean([(bag**2).mean(axis=0) for bag in clean], axis=0)
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-6)
    rows = fitted.apply(subset)
    assert isinstance(rows, LazyRows) and len(rows) == 6
    values = fitted.design(rows[np.array([4, 0, 5])])
    expected = (written[4].astype(float) - mean) / np.sqrt(square - mean**2)
    np.testing.assert_allclose(values[0], expected, atol=1e-3)
    assert np.isnan(values[1, 10:]).all() and np.isfinite(values[1, :10]).all()
    assert np.isnan(values[2]).all()  # has no slides
    plain = PatchTransform.fit(subset, PatchSection(scale="none"), np.zeros((6, 0)))
    np.testing.assert_array_equal(plain.design(rows[4:5])[0], written[4].astype(np.float32))


class _Preparation:
    """As much of a preparation as networks ask of it for their tensors."""

    def __init__(self, transform: PatchTransform) -> None:
        self.transform = transform

    def design(self, people: PreparedSubset, name: str) -> np.ndarray:
        return self.transform.design(people.values[name])


class _Method:
    def people_tensors(self, people: PreparedSubset, preparation: object, modalities: object):
        return tensors_of(people, preparation, modalities)  # type: ignore[arg-type]


def test_a_step_reads_its_own_people_and_never_the_whole_file(tmp_path: Path) -> None:
    people, places, features = 40, 30, 32 * 1024
    write_bags(tmp_path / "patch.nc", bags(people, places, features))
    whole = people * places * features * 2
    assert whole > KEPT  # otherwise the reader may keep it
    subset = subset_of(tmp_path / "patch.nc", people, people)
    fitted = PatchTransform(
        table=subset.instances("patch"), mean=np.zeros(features), scale=np.ones(features)
    )
    prepared = PreparedSubset(
        role="train",
        participants=subset.participants,
        family=subset.family,
        outcome=subset.outcome,
        present=subset.present,
        values={"patch": fitted.apply(subset)},
        covariates=np.zeros((people, 0)),
    )
    rows = BagRows(_Method(), prepared, _Preparation(fitted), ("patch",))  # type: ignore[arg-type]
    tracemalloc.start()
    for first in range(0, people, 2):
        batch = rows.take(np.arange(first, first + 2))
        assert batch[PATCH].shape == (2, 36, features)  # 30 places in a square of 6 x 6
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Two bags in three copies of four bytes, of forty in two.
    assert peak < whole / 2
    assert batch[USED].sum(1).tolist() == [30.0, 30.0]
    assert not torch.isnan(batch[PATCH]).any()


def test_a_damaged_file_of_bags_is_named(tmp_path: Path) -> None:
    from gendmr.errors import InputFileError

    write_bags(tmp_path / "patch.nc", bags(3, 20, 4))
    content = bytearray((tmp_path / "patch.nc").read_bytes())
    subset = subset_of(tmp_path / "patch.nc", 3, 3)
    raw = np.float16(bags(3, 20, 4)[2]).tobytes()[:32]
    place = bytes(content).find(raw)
    content[place + 3] ^= 0xFF
    (tmp_path / "patch.nc").write_bytes(bytes(content))
    with pytest.raises(InputFileError, match="not readable"):
        subset.array("patch", "embedding")

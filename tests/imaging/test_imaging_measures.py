"""Jacobians, sums over regions, flags: against slow twins and known answers."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.imaging import Outliers
from gendmr.errors import AtlasError, InputFileError
from gendmr.files.tables import read_table, write_table
from gendmr.imaging.collect import collect_regions
from gendmr.imaging.flags import flag_outliers, robust_z
from gendmr.imaging.jacobian import determinant
from gendmr.imaging.participant import dice, measure_regions
from gendmr.imaging.template import Template
from gendmr.modalities.store import read_modality

matrices = st.lists(st.floats(-0.3, 0.3), min_size=9, max_size=9)


@given(entries=matrices)
@settings(deadline=None, max_examples=20)
def test_the_jacobian_of_a_linear_mapping_is_its_determinant(entries):
    matrix = np.array(entries).reshape(3, 3)
    affine = np.array([[-2.0, 0, 0, 5], [0, 3, 0, -4], [0, 0, 4, 2], [0, 0, 0, 1]])
    index = np.indices((4, 5, 6)).reshape(3, -1)
    world = affine[:3, :3] @ index + affine[:3, 3:]
    field = (matrix @ world).T.reshape(4, 5, 6, 3)
    np.testing.assert_allclose(
        determinant(field, affine), np.linalg.det(np.eye(3) + matrix), atol=1e-9
    )


def test_the_jacobian_agrees_with_a_slow_twin():
    rng = np.random.default_rng(2)
    affine = np.diag([2.0, 2.5, 3.0, 1.0])
    field = rng.normal(0, 1, (4, 4, 4, 3))
    fast = determinant(field, affine)
    step = np.diag(affine)[:3]
    for i, j, k in np.ndindex(2, 2, 2):
        place = np.array([i, j, k]) + 1
        matrix = np.eye(3)
        for axis in range(3):
            side = np.eye(3, dtype=int)[axis]
            rise = field[tuple(place + side)] - field[tuple(place - side)]
            matrix[:, axis] += rise / (2 * step[axis])
        assert fast[tuple(place)] == pytest.approx(np.linalg.det(matrix))


def test_region_sums_agree_with_a_slow_twin():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, (6, 7, 8)).astype(np.int32)
    density = rng.random((6, 7, 8))
    regions = pd.DataFrame({"region": ["a", "b", "c"], "hemisphere": ["L", "R", "B"]})
    empty = np.zeros((6, 7, 8))
    template = Template(empty, empty > 0, {}, labels, regions, np.eye(4))
    table = measure_regions(density, template, 8.0)
    for row in range(3):
        values = [float(v) for v in density[labels == row + 1]]
        assert table["modulated"][row] == pytest.approx(8 * sum(values), abs=1e-3)
        assert table["mean"][row] == pytest.approx(statistics.fmean(values), abs=1e-6)
        assert table["spread"][row] == pytest.approx(statistics.pstdev(values), abs=1e-6)


def test_dice_of_known_masks():
    mask = np.array([True, True, False, False])
    overlapping = np.array([True, False, True, False])
    assert dice(mask, mask) == 1
    assert dice(mask, ~mask) == 0
    assert dice(mask, overlapping) == 0.5


@given(values=st.lists(st.floats(-100, 100), min_size=3, max_size=30))
@settings(deadline=None, max_examples=30)
def test_robust_z_agrees_with_a_slow_twin(values):
    median = statistics.median(values)
    scale = 1.4826 * statistics.median(abs(v - median) for v in values)
    expected = [(v - median) / scale if scale > 0 else 0.0 for v in values]
    np.testing.assert_allclose(robust_z(np.array(values)), expected, rtol=1e-9, atol=1e-9)


def _folder(tmp_path, n=12, *, regions=("a_L", "a_R"), odd="NA"):
    rng = np.random.default_rng(8)
    labels = ["007", "1e5", odd, *[f"p{i}" for i in range(n - 3)]]
    template = tmp_path / "template"
    write_table(
        template / "regions.tsv",
        pd.DataFrame(
            {"region": regions, "hemisphere": ["L", "R"], "x": [-9.0, 9.0], "y": 1.0, "z": 2.0}
        ),
    )
    (template / "template.json").write_text(json.dumps({"space": "S", "atlas": "A"}))
    paths = []
    for label in labels:
        folder = tmp_path / "people" / label
        write_table(
            folder / "regions.tsv",
            pd.DataFrame(
                {
                    "region": regions,
                    "hemisphere": ["L", "R"],
                    "volume": rng.normal(3000, 100, 2).round(3),
                    "modulated": 2900.0,
                    "mean": [0.4, 0.5],
                    "spread": [0.1, 0.1],
                }
            ),
        )
        record = {
            "participant_id": label,
            "dice": 0.5 if label == odd else 0.96 + rng.normal(0, 0.004),
            "similarity": 0.7 + rng.normal(0, 0.02),
            "jacobian_min": 0.5,
            "jacobian_max": 1.8,
            "icv_mm3": 1.4e6 + rng.normal(0, 5e4),
            "grey_mm3": 7e5,
            "white_mm3": 5e5,
            "csf_mm3": 2e5,
            "brain_mm3": 1.4e6,
            "grey_modulated_mm3": 7e5,
            "affine_determinant": 0.75,
            "image": {"name": f"sub-{label}_T1w.nii.gz"},
            "notes": [f"Blocks of {len(label)} voxels."],
            "warnings": ["The mapping folds in 3 voxels of the brain."] if label == "p1" else [],
        }
        (folder / "quality.json").write_text(json.dumps(record))
        paths.append(folder / "regions.tsv")
    return template, paths


def test_collected_people_keep_their_labels_and_the_odd_ones_are_flagged(section, tmp_path):
    template, paths = _folder(tmp_path)
    collect_regions(reversed(paths), template, section, tmp_path / "out")
    dataset = read_modality(tmp_path / "out" / "regions.nc", "region")
    people = dataset["participant"].values.tolist()
    assert people == sorted(["007", "1e5", "NA", *[f"p{i}" for i in range(9)]])
    region_table = pd.read_csv(tmp_path / "people" / "1e5" / "regions.tsv", sep="\t")
    row = dataset["volume"].values[people.index("1e5")]
    np.testing.assert_array_equal(row, region_table["volume"])
    assert dataset.attrs["space"] == "S"
    quality = read_table(
        tmp_path / "out" / "quality.tsv",
        {"participant_id": "text", "outlier": "flag", "reason": "text", "dice": "number"},
        extra=True,
        key="participant_id",
    ).set_index("participant_id")
    assert sorted(quality.index) == people
    assert quality.index[quality["outlier"]].tolist() == ["NA", "p1"]
    assert "Overlap with the template 0.500 is below" in quality.loc["NA", "reason"]
    assert "robust z" in quality.loc["NA", "reason"]
    assert "folds" in quality.loc["p1", "reason"]


def test_collecting_again_gives_the_same_bytes(section, tmp_path):
    template, paths = _folder(tmp_path)
    for name in ("one", "two"):
        collect_regions(paths, template, section, tmp_path / name)
    for file in ("regions.nc", "quality.tsv", "figures/quality.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_small_cohorts_are_not_judged_by_their_own_spread():
    rows = {name: [0.9, 0.91, 0.92, 0.2] for name in ("similarity", "jacobian_min", "jacobian_max")}
    table = pd.DataFrame({**rows, "dice": 0.95, "icv_mm3": 1.0, "grey_fraction": 1.0})
    flagged = flag_outliers(table.assign(warnings=""), Outliers(similarity_below=0))
    assert not flagged["outlier"].any()
    assert flag_outliers(table.assign(warnings=""), Outliers(minimum=4, similarity_below=0))[
        "outlier"
    ].tolist() == [False, False, False, True]


def test_missing_results_and_other_atlases_are_named(section, tmp_path):
    template, paths = _folder(tmp_path)
    (paths[4].parent / "quality.json").unlink()
    with pytest.raises(InputFileError, match=f"{paths[4].parent.name}/quality.json"):
        collect_regions(paths, template, section, tmp_path / "out")
    other_template, _ = _folder(tmp_path / "other", regions=("b_L", "b_R"))
    with pytest.raises(AtlasError, match="11 of 11 participants"):
        collect_regions(paths[:4] + paths[5:], other_template, section, tmp_path / "out")

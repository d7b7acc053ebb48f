"""Contributions of patches are drawn at their places, for people chosen by influence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.files.histology import PATCHES
from gendmr.files.pieces import write_rows
from gendmr.report.patches import by_place, influences
from gendmr.tasks.base import Metric


def write_bag(path: Path, source: list[int], x: list[float], y: list[float]) -> None:
    slide = np.where(np.array(source) < 0, -1, 0)
    coordinates = {
        "participant": np.array(["P1"], dtype=object),
        "patch": np.array([f"{n:02d}" for n in range(len(source))], dtype=object),
        "x": np.array([x], np.float32),
        "y": np.array([y], np.float32),
        "slide": slide[None].astype(np.int16),
        "source": np.array([source], np.int32),
    }
    bag = np.ones((len(source), 2), np.float16)
    write_rows(path, PATCHES, "embedding", (1, *bag.shape), coordinates, [bag])


def test_a_tiled_patch_counts_with_its_sum_and_empty_places_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    write_bag(
        tmp_path / "cohort" / "patch.nc",
        [0, 1, 0, -1],
        [256, 512, 256, np.nan],
        [0, 0, 0, np.nan],
    )
    cells = by_place(tmp_path, "P1", np.array([0.5, -1.0, 0.25, 9.0]))
    assert cells.to_numpy().tolist() == [[256, 0, 0.75], [512, 0, -1.0]]


@pytest.mark.parametrize(("better", "first"), [("higher", "good"), ("lower", "bad")])
def test_influence__is_what_the_metric_loses_without_the_person(better: str, first: str) -> None:
    rows = pd.DataFrame({"participant_id": ["bad", "mid", "good"], "value": [0.0, 1.0, 5.0]})
    metric = Metric("m", "m", better, lambda some: float(some["value"].mean()))  # type: ignore[arg-type]
    influence = influences(rows, metric)
    assert influence.sort_values(ascending=False).index[0] == first
    assert influence["mid"] == pytest.approx((2.0 - 2.5) * (1 if better == "higher" else -1))

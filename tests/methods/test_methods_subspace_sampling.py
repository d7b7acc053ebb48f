"""Where deformable attention samples, told in patches, counted and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gendmr.methods.subspace.attention import DeformableAttention
from gendmr.methods.subspace.sampling import leave_sampling, measure_sampling, places_of, regular


def test_places_of__are_where_grid_sample_reads() -> None:
    torch.manual_seed(1)
    attention = DeformableAttention(8, 2, 4, 0.0)
    side = 12
    queries, patches = torch.randn(1, side * side, 8), torch.randn(1, side * side, 8)
    _, points = attention(queries, patches)
    places = places_of(points.detach().numpy(), side)  # (head, 2, key, key)
    # A map that holds x everywhere, sampled where the attention samples, gives the places back.
    column = torch.arange(side, dtype=torch.float32).expand(1, 1, side, side)
    count = points.shape[-1]
    where = (2 * points / (count - 1) - 1).permute(0, 2, 3, 1)
    read = (
        torch.nn.functional.grid_sample(
            column.expand(2, 1, side, side), where, align_corners=False
        )[:, 0]
        .detach()
        .numpy()
    )
    inside = ((places > 0) & (places < side - 1)).all(1)
    assert inside.any()
    np.testing.assert_allclose(read[inside], places[:, 0][inside], atol=1e-4)


def test_measure_sampling__known_offsets() -> None:
    side, grid = 20, regular(4, 20)
    still = np.broadcast_to(grid, (3, 2, 2, 4, 4))
    moved = still + np.array([3.0, 4.0])[:, None, None]
    far = np.full_like(moved, 99.0)
    table = measure_sampling({"still": still, "moved": moved, "far": far}, side).set_index(
        ["subspace", "head"]
    )
    assert table.loc[("still", 0), "displacement"] == 0
    assert table.loc[("moved", 1), "displacement"] == pytest.approx(5.0)
    assert (table["spread"] == 0).all() and table.loc[("far", 0), "outside"] == 1


def test_leave_sampling__writes_a_table_and_a_figure(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    places = {
        name: regular(12, 50) + random.normal(0, 3, (5, 8, 2, 12, 12))
        for name in ("tumour", "environment")
    }
    (note,) = leave_sampling(tmp_path, places, [f"P{n}" for n in range(5)], 50)
    assert "tumour 3." in note and "environment" in note
    table = pd.read_csv(tmp_path / "sampling.tsv", sep="\t")
    assert len(table) == 16 and table["spread"].between(2, 4).all()
    assert (tmp_path / "sampling.png").stat().st_size > 20_000


def test_leave_no_sampling__writes_what_the_job_must_leave(tmp_path):
    from gendmr.config.methods.subspace import SAMPLING_FILES, SubspaceMethod
    from gendmr.methods.subspace.sampling import leave_no_sampling

    assert SubspaceMethod().left_files(("expression", "patch")) == SAMPLING_FILES
    assert SubspaceMethod().left_files(("expression",)) == ()
    assert SubspaceMethod(deformable=False).left_files(("patch",)) == ()
    assert "empty" in leave_no_sampling(tmp_path)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SAMPLING_FILES)
    assert pd.read_csv(tmp_path / SAMPLING_FILES[0], sep="\t").empty

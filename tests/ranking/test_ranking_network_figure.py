"""The matrix of networks and the connectogram show the pairs and edges of their tables."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.ranking.figures import draw_networks
from pictures import check_picture, texts, written

NETWORKS = ["auditory", "cerebellar", "cognitive control", "default mode", "subcortical", "visual"]


def tables(n: int = 42, *, tested: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(2)
    regions = [f"r{number:02d}" for number in range(n)]
    network = [NETWORKS[number % len(NETWORKS)] for number in range(n)]
    edges = pd.DataFrame(
        [
            (f"{regions[i]} ~ {regions[j]}", regions[i], regions[j], network[i], network[j])
            for i, j in combinations(range(n), 2)
        ],
        columns=["edge", "first", "second", "first_domain", "second_domain"],
    )
    edges["score"] = random.gamma(1, 0.01, len(edges))
    edges["direction"] = random.choice(["higher", "lower"], len(edges))
    edges["rank"] = edges["score"].rank(ascending=False)
    ends = np.sort(edges[["first_domain", "second_domain"]].to_numpy(), axis=1)
    pairs = edges.groupby([" ~ ".join(pair) for pair in ends])["score"].mean()
    table = pairs.rename_axis("network_pair").reset_index()
    table["z"] = 60 * (table["score"] - table["score"].mean()) / 0.01 if tested else np.nan
    table["rank"] = table["score"].rank(ascending=False)
    table["p_fwer"] = np.where(table["rank"] <= 2, 0.01, 0.4) if tested else np.nan
    return table, edges


def test_draw_networks__holds_each_pair_once_and_frames_the_significant(tmp_path: Path) -> None:
    pairs, edges = tables()
    figure = draw_networks(pairs, edges, tmp_path / "n.png")
    check_picture(tmp_path / "n.png", 175)
    boxes = written(tmp_path / "n.svg")
    assert max(box.right for box in boxes) <= 175 / 25.4 * 72
    assert min(box.left for box in boxes) >= 0
    matrix = figure.axes[0].images[0].get_array().filled(np.nan)
    assert np.isfinite(matrix).sum() == len(pairs) == 21
    assert np.isnan(matrix[np.triu_indices(6, 1)]).all()
    row, column = NETWORKS.index("visual"), NETWORKS.index("default mode")
    z = pairs.set_index("network_pair").loc["default mode ~ visual", "z"]
    assert matrix[row, column] == pytest.approx(z)
    frames = [patch for patch in figure.axes[0].patches if patch.get_linewidth() == 1.2]
    assert len(frames) == 2
    labels = texts(tmp_path / "n.svg")
    assert {"family-wise p ≤ 0.05", "z under the permutation null", *NETWORKS} <= set(labels)
    assert {str(rank) for rank in range(1, 11)} <= set(labels)


def test_draw_networks__joins_the_first_edges_in_the_colour_of_their_direction(
    tmp_path: Path,
) -> None:
    pairs, edges = tables()
    figure = draw_networks(pairs, edges, tmp_path / "n.png")
    curves = figure.axes[1].patches
    assert len(curves) == 40
    first = edges.sort_values("rank").head(40)
    reds = sum(curve.get_edgecolor()[0] > curve.get_edgecolor()[2] for curve in curves)
    assert reds == (first["direction"] == "higher").sum()
    widths = [curve.get_linewidth() for curve in curves]
    assert widths == sorted(widths)  # the first edge is the widest, and on top


def test_draw_networks__without_a_null_shows_scores_and_frames_nothing(tmp_path: Path) -> None:
    figure = draw_networks(*tables(tested=False), tmp_path / "n.png")
    labels = texts(tmp_path / "n.svg")
    assert "score (log odds)" in labels and "family-wise p ≤ 0.05" not in labels
    assert not figure.axes[0].patches


def test_draw_networks__of_one_network_and_of_none(tmp_path: Path) -> None:
    pairs, edges = tables()
    edges = edges.assign(first_domain="all", second_domain="all", direction=np.nan)
    figure = draw_networks(
        pairs.head(1).assign(network_pair="all ~ all"), edges, tmp_path / "n.png"
    )
    assert figure.axes[0].images[0].get_array().shape == (1, 1)
    assert "direction unknown" in texts(tmp_path / "n.svg")
    draw_networks(pairs.head(0), edges.head(0), tmp_path / "none.png")
    assert any("no edge is ranked" in text for text in texts(tmp_path / "none.svg"))

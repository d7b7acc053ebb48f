"""Scores of pairs of networks are means of the scores of their edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from gendmr.config.ranking import RankingSection
from gendmr.modalities.store import write_modality
from gendmr.ranking.levels import level_of


def test_a_pair_of_networks_has_the_mean_score_of_its_edges(tmp_path: Path) -> None:
    domains = np.array(["visual", "visual", "default", "default"], dtype=object)
    rows, columns = np.triu_indices(4, 1)
    text = {
        "first": [f"r{row}" for row in rows],
        "second": [f"r{column}" for column in columns],
        "first_domain": domains[rows],
        "second_domain": domains[columns],
    }
    places = {f"{end}_{axis}": np.zeros(6) for end in ("first", "second") for axis in "xyz"}
    names = [f"{a} ~ {b}" for a, b in zip(text["first"], text["second"], strict=True)]
    dataset = xr.Dataset(
        {"correlation": (("participant", "edge"), np.full((2, 6), 0.1, dtype=np.float32))},
        coords={
            "participant": np.array(["a", "b"], dtype=object),
            "edge": np.array(names, dtype=object),
            **{name: ("edge", np.array(value, dtype=object)) for name, value in text.items()},
            **{name: ("edge", value) for name, value in places.items()},
            "volumes": ("participant", np.array([100, 100])),
            "motion": ("participant", np.array([0.1, 0.1])),
        },
    )
    write_modality(tmp_path / "edge.nc", dataset, "edge")
    level = level_of("edge").read(tmp_path, "edge", RankingSection(), None)
    assert level.tables_of("edge") == ("edges", "network_pairs")
    everything = np.arange(6)
    level.group(everything, everything)
    scores = np.array([[6.0, 1, 2, 3, 4, 8]])
    pairs = level.aggregate(scores)["network_pairs"]
    # r0-r1 is visual, r2-r3 default, the other four join the two.
    assert pairs.tolist() == [[8.0, 2.5, 6.0]]
    np.testing.assert_array_equal(level.aggregate(scores)["edges"], scores)

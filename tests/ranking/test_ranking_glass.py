"""Edges and voxels in a glass brain, and voxels in the regions of an atlas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.config.ranking import FiguresSection, RankingSection
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema, write_modality
from gendmr.ranking.draw import draw_ranking
from gendmr.ranking.figures import draw_edges, draw_voxels
from gendmr.ranking.levels import level_of
from gendmr.ranking.rank import rank_method
from pictures import check_picture, texts

PLACES = {
    "a": np.array([-40.0, 30, 30]),
    "b": np.array([40.0, -60, 40]),
    "c": np.array([0.0, -80, 0]),
    "nowhere": np.full(3, np.nan),
}


def edges() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "first": ["a", "a", "b", "a"],
            "second": ["b", "c", "c", "nowhere"],
            "rank": [1.0, 2.0, 3.0, 4.0],
            "direction": ["higher", "lower", "lower", "higher"],
        }
    )


def test_draw_edges__draws_those_whose_ends_have_places(tmp_path: Path) -> None:
    draw_edges(edges(), PLACES, tmp_path / "e.png")
    check_picture(tmp_path / "e.png", 175)
    labels = " ".join(texts(tmp_path / "e.svg"))
    assert "first 3 of 4 edges" in labels
    assert "more risk with a stronger correlation" in labels and "weaker" in labels
    nowhere = {name: np.full(3, np.nan) for name in PLACES}
    draw_edges(edges(), nowhere, tmp_path / "n.png")
    assert "places of regions are not known" in " ".join(texts(tmp_path / "n.svg"))


def voxels() -> pd.DataFrame:
    axis = np.arange(-40.0, 41, 20)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    table = pd.DataFrame(places, columns=list("xyz"))
    table["score"] = np.linspace(1, 2, len(table))
    table["direction"] = "lower"
    return table.sort_values("score", ascending=False, ignore_index=True)


def test_draw_voxels__paints_the_highest_tenth(tmp_path: Path) -> None:
    draw_voxels(voxels(), tmp_path / "v.png")
    check_picture(tmp_path / "v.png", 175)
    labels = " ".join(texts(tmp_path / "v.svg"))
    assert "highest 12 of 125 voxels" in labels and "less grey matter" in labels
    draw_voxels(voxels().assign(score=0.0), tmp_path / "z.png")
    assert "No voxel has a score" in " ".join(texts(tmp_path / "z.svg"))


def test_volume_level__a_region_has_the_mean_score_of_its_voxels(tmp_path: Path) -> None:
    regions = ["left", "left", "right", "n/a"]
    for name, atlas in (("with", regions), ("without", None)):
        coords = {
            "participant": np.array(["p", "q"], dtype=object),
            "volume": np.array([f"v{number}" for number in range(4)], dtype=object),
            **{axis: ("volume", np.arange(4.0)) for axis in "xyz"},
            **{axis: ("volume", np.arange(4)) for axis in "ijk"},
        }
        if atlas is not None:
            coords["atlas_region"] = ("volume", np.array(atlas, dtype=object))
        density = np.ones((2, 4), dtype=np.float32)
        dataset = xr.Dataset({"density": (("participant", "volume"), density)}, coords=coords)
        folder = tmp_path / name
        folder.mkdir()
        write_modality(folder / "volume.nc", dataset, "volume")
        level = level_of("volume").read(folder, "volume", RankingSection(), None)
        everything = np.arange(4)
        level.group(everything, everything)
        scores = np.array([[1.0, 3, 5, 100]])
        aggregated = level.aggregate(scores)
        np.testing.assert_array_equal(aggregated["volumes"], scores)
        expected = [[2.0, 5.0]] if atlas else [[]]
        assert aggregated["volume_regions"].tolist() == expected


def test_draw_ranking__paints_voxels_where_they_lie(tmp_path: Path) -> None:
    """Tables of rankings have a column z of their own, which is no place."""
    random = np.random.default_rng(4)
    axis = np.arange(-40.0, 41, 40)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    people = np.array([f"{number:02d}" for number in range(12)], dtype=object)
    names = np.array(["_".join(f"{mm:g}" for mm in place) for place in places], dtype=object)
    density = random.normal(size=(len(people), len(names))).astype(np.float32)
    coords = {
        "participant": people,
        "volume": names,
        **{axis: ("volume", places[:, number]) for number, axis in enumerate("xyz")},
        **{axis: ("volume", np.arange(len(names))) for axis in "ijk"},
    }
    stored = xr.Dataset({"density": (("participant", "volume"), density)}, coords=coords)
    write_modality(tmp_path / "cohort/volume.nc", stored, "volume")
    paths = []
    for fold in range(2):
        folder, held_out = tmp_path / f"m/repeat-0/fold-{fold}", np.arange(fold, len(people), 2)
        # The nearer to the top of the head, the more counts a voxel.
        value = density[held_out] * (1 + places[:, 2] / 100).astype(np.float32)
        attributions = xr.Dataset(
            {
                "value_volume": (("participant", "volume"), value),
                "baseline_volume": ("participant", np.zeros(len(held_out), dtype=np.float32)),
            },
            coords={
                "participant": people[held_out],
                "volume": names,
                **{axis: ("volume", places[:, number]) for number, axis in enumerate("xyz")},
            },
        )
        write_dataset(folder / "attributions.nc", attributions, attributions_schema(("volume",)))
        sets = np.where(np.isin(np.arange(len(people)), held_out), "held-out", "train")
        predictions = pd.DataFrame({"participant_id": people, "set": sets, "score": 0.5})
        write_table(folder / "predictions.tsv", predictions)
        paths.append(str(folder / "attributions.nc"))
    rank_method(
        method="m",
        attributions=paths,
        modalities=["volume"],
        null_chunks=0,
        cohort=tmp_path / "cohort",
        genes=None,
        options=RankingSection(),
        output=tmp_path / "ranking",
    )
    draw_ranking(tmp_path / "ranking", tmp_path / "cohort", FiguresSection())
    check_picture(tmp_path / "ranking/figures/voxels.png", 175)
    assert "highest 3 of 27 voxels" in " ".join(texts(tmp_path / "ranking/figures/voxels.svg"))

"""Levels: a modality that nobody has heard of is ranked, and SNPs are read some at a time."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import spearmanr

import gendmr.modalities
from gendmr.config.ranking import FiguresSection, RankingSection
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema, null_schema, write_modality
from gendmr.ranking import dosages
from gendmr.ranking.catalogue import code_of, figures_of, tables_of
from gendmr.ranking.draw import draw_ranking
from gendmr.ranking.levels import level_of
from gendmr.ranking.levels.base import CohortFile, region_top_k
from gendmr.ranking.levels.expression import ExpressionLevel
from gendmr.ranking.levels.generic import InstanceLevel
from gendmr.ranking.levels.region import RegionLevel
from gendmr.ranking.levels.snp import SnpLevel
from gendmr.ranking.rank import rank_method
from gendmr.ranking.tables import null_ranking_schema

DECLARATION = """
from gendmr.files.datasets import Variable
from gendmr.modalities.base import Modality

MODALITY = Modality(
    name="odour",
    label="odours",
    instance="odour",
    schema={
        "strength": Variable(("participant", "odour"), "float64", "", "how strong"),
        "participant": Variable(("participant",), "text", "", "participant_id"),
        "odour": Variable(("odour",), "text", "", "name"),
        "family": Variable(("odour",), "text", "", "what it is like"),
        "z": Variable(("odour",), "float64", "", "a coordinate with a name that tables use"),
    },
    main="strength",
    named=("odour",),
)
"""
PEOPLE, ODOURS, FOLDS, DRAWS = 40, 12, 4, 30


@pytest.fixture
def odour(tmp_path, monkeypatch):
    """A modality of a package that was laid beside the others."""
    package = tmp_path / "members" / "odour"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "modality.py").write_text(textwrap.dedent(DECLARATION))
    monkeypatch.setattr(
        gendmr.modalities, "__path__", [*gendmr.modalities.__path__, str(package.parent)]
    )
    return "odour"


@pytest.fixture
def study(odour, tmp_path):
    """Cohort, folds and null of a method that reads odours: less of the fourth, larger values."""
    rng = np.random.default_rng(3)
    people = np.array([f"{number:03d}" for number in range(PEOPLE)], dtype=object)
    names = np.array([f"O{number:02d}" for number in range(ODOURS)], dtype=object)
    strength = rng.normal(size=(PEOPLE, ODOURS))
    strength[0, 0] = np.nan
    family = np.array(["sweet", "sour"] * (ODOURS // 2), dtype=object)
    cohort = xr.Dataset(
        {"strength": (("participant", "odour"), strength)},
        coords={
            "participant": people,
            "odour": names,
            "family": ("odour", family),
            "z": ("odour", np.arange(ODOURS) / 2),
        },
    )
    write_modality(tmp_path / "cohort" / "odour.nc", cohort, odour)
    weight = rng.normal(scale=0.05, size=ODOURS)
    weight[3] = -1.0
    paths = []
    for fold in range(FOLDS):
        held_out = np.arange(fold, PEOPLE, FOLDS)
        folder = tmp_path / "m" / "repeat-0" / f"fold-{fold}"
        # The last odour is read by no fold, the one before it by the first fold only.
        read = np.arange(ODOURS - 1 if fold == 0 else ODOURS - 2)
        value = (np.nan_to_num(strength[held_out]) * weight)[:, read].astype(np.float32)
        attributions = xr.Dataset(
            {
                "value_odour": (("participant", "odour"), value),
                "baseline_odour": ("participant", np.zeros(len(held_out), dtype=np.float32)),
            },
            coords={"participant": people[held_out], "odour": names[read]},
        )
        write_dataset(folder / "attributions.nc", attributions, attributions_schema())
        sets = np.where(np.isin(np.arange(PEOPLE), held_out), "held-out", "train")
        predictions = pd.DataFrame({"participant_id": people, "set": sets, "score": 0.5})
        write_table(folder / "predictions.tsv", predictions)
        scores = {
            f"{score}_odour": (
                ("permutation", "odour"),
                rng.uniform(0, 0.1, (DRAWS, ODOURS)).astype(np.float32),
            )
            for score in ("mean_abs", "abs_mean")
        }
        null = xr.Dataset(scores, coords={"permutation": np.arange(DRAWS), "odour": names})
        chunk = tmp_path / "m" / "null" / "repeat-0" / f"fold-{fold}" / "chunk-0.nc"
        write_dataset(chunk, null, null_schema())
        paths.append(str(folder / "attributions.nc"))
    return {
        "attributions": paths,
        "modalities": [odour],
        "null_chunks": 1,
        "cohort": tmp_path / "cohort",
        "genes": None,
    }


def test_a_modality_without_a_level_of_its_own_is_one_table(study, tmp_path):
    out = tmp_path / "out"
    rank_method(method="nose", options=RankingSection(), output=out, **study)
    assert sorted(path.name for path in out.iterdir()) == ["null.nc", "odours.tsv", "summary.json"]
    table = pd.read_csv(out / "odours.tsv", sep="\t")
    # A coordinate called as a column of the ranking keeps its values under another name.
    assert table.columns[:5].tolist() == ["odour", "family", "odour_z", "score", "direction"]
    first = table.iloc[0]
    assert first[["odour", "family", "odour_z", "direction"]].tolist() == [
        "O03",
        "sour",
        1.5,
        "lower",
    ]
    assert first["p"] == first["p_fwer"] == pytest.approx(1 / (DRAWS + 1))
    assert sorted(table["odour"]) == [f"O{number:02d}" for number in range(ODOURS - 1)]
    assert table["rank"].tolist() == list(range(1, ODOURS))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["modalities"] == {"odour": ["odours"]}
    assert summary["odours"]["first"][0] == "O03" and summary["odours"]["top_k"] == 2
    assert summary["null"]["found"]["odours"]["family_wise"] == 1
    assert first["z"] > summary["null"]["family_wise_threshold"]["odours"]
    assert set(summary["inputs"]) == {"odour.nc"} and summary["bias"] == []
    null = read_dataset(out / "null.nc", null_ranking_schema())
    assert null["odour"].values.tolist() == table["odour"].tolist()
    assert null["z_odour"].shape == (DRAWS, ODOURS - 1)


def test_scores_of_instances_are_means_over_folds(study, tmp_path):
    out = tmp_path / "out"
    rank_method(method="nose", options=RankingSection(), output=out, **study)
    table = pd.read_csv(out / "odours.tsv", sep="\t").set_index("odour")
    for name in ("O03", "O10"):
        expected = 0.0
        for path in study["attributions"]:
            dataset = read_dataset(path, attributions_schema())
            if name in dataset["odour"].values:
                column = dataset["odour"].values.tolist().index(name)
                value = dataset["value_odour"].values[:, column].astype(float)
                expected += np.mean(np.abs(value - value.mean())) / FOLDS
        assert table.loc[name, "score"] == pytest.approx(expected)


def test_rank_method__tells_how_far_rankings_of_seeds_agree(study, tmp_path):
    expected = []
    for number, path in enumerate(study["attributions"]):
        dataset = read_dataset(Path(path), attributions_schema())
        rng = np.random.default_rng(number)
        scores = rng.uniform(size=(2, dataset.sizes["odour"])).astype(np.float32)
        if number == 0:
            scores[1] = scores[0]  # a fold in which nothing depends on the seed
        else:
            expected.append(spearmanr(scores[0], scores[1]).statistic)
        dataset["seed_mean_abs_odour"] = (("seed", "odour"), scores)
        write_dataset(Path(path), dataset.assign_coords(seed=np.arange(2)), attributions_schema())
    out = tmp_path / "out"
    rank_method(method="nose", options=RankingSection(), output=out, **study)
    summary = json.loads((out / "summary.json").read_text())
    agreement = summary["seeds"]["odour"]
    assert (agreement["count"], agreement["folds"]) == (2, FOLDS)
    assert agreement["differing"] == FOLDS - 1
    assert agreement["rank_correlation"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert any("2 networks that differ in their random seed" in note for note in summary["notes"])


def test_such_a_ranking_is_drawn(study, tmp_path):
    out = tmp_path / "out"
    rank_method(method="nose", options=RankingSection(), output=out, **study)
    draw_ranking(out, study["cohort"], FiguresSection())
    assert [path.name for path in (out / "figures").glob("*.png")] == ["stability.png"]
    assert "O03" in (out / "figures" / "stability.svg").read_text()


def test_levels_tables_and_figures_go_by_what_is_read():
    assert level_of("snp") is SnpLevel and level_of("region") is RegionLevel
    assert level_of("expression") is ExpressionLevel
    assert level_of("generic") is level_of("base") is InstanceLevel
    assert tables_of(["snp", "region"]) == ["genes", "blocks", "snps", "regions"]
    assert tables_of(["edge"]) == ["edges", "network_pairs"]
    assert figures_of(["snp"]) == ["genome", "qq", "stability"]
    assert figures_of(["region"]) == ["stability", "brain"]
    assert figures_of(["edge"]) == ["stability", "networks", "connections"]
    assert tables_of(["volume"]) == ["volumes", "volume_regions"]
    assert figures_of(["volume"]) == ["stability", "voxels"]
    assert code_of(["snp", "edge"]) == [
        "ranking.rank",
        "ranking.levels.snp",
        "ranking.levels.edge",
    ]


@pytest.mark.parametrize(("top_k", "n", "expected"), [(25, 40, 10), (25, 400, 25), (25, 3, 1)])
def test_region_top_k__is_a_quarter_at_most(top_k, n, expected):
    assert region_top_k(top_k, n) == expected


def test_dosages__are_those_of_the_file_whatever_is_asked_for(make_study, monkeypatch):
    study = make_study()
    study.write()
    file = CohortFile(study.folder / "cohort", "snp")
    monkeypatch.setattr(dosages, "BLOCK", 7)
    monkeypatch.setattr(dosages, "REMEMBERED", 2)
    genotypes = dosages.Dosages(file)
    rng = np.random.default_rng(0)
    for size in (0, 1, 5, 90):
        columns = rng.permutation(90)[:size]
        np.testing.assert_array_equal(genotypes.of(columns), study.dosage[:, columns])
    frequency = study.dosage.mean(axis=0) / 2
    np.testing.assert_allclose(genotypes.frequencies, np.minimum(frequency, 1 - frequency))


def test_a_ranking_of_blocks_of_snps_is_that_of_all_at_once(make_study, tmp_path, monkeypatch):
    arguments = make_study(chunks=1).write()
    tables = {}
    for name, block in (("small", 11), ("large", 4096)):
        monkeypatch.setattr(dosages, "BLOCK", block)
        rank_method(method="toy", options=RankingSection(), output=tmp_path / name, **arguments)
        tables[name] = {
            path.name: path.read_bytes() for path in Path(tmp_path / name).glob("*.tsv")
        }
    assert tables["small"] == tables["large"] and len(tables["small"]) == 4


def test_genotypes_are_never_read_whole(make_study, tmp_path, monkeypatch):
    arguments = make_study(chunks=1).write()
    block_sizes = []
    read = CohortFile.array

    def counted(self, variable, columns=None):
        if variable == "dosage":
            block_sizes.append(None if columns is None else len(columns))
        return read(self, variable, columns)

    monkeypatch.setattr(CohortFile, "array", counted)
    monkeypatch.setattr(dosages, "BLOCK", 10)
    for path in arguments["attributions"]:
        dataset = read_dataset(path, attributions_schema())
        write_dataset(path, dataset.isel(snp=slice(0, 20)), attributions_schema())
    rank_method(method="toy", options=RankingSection(), output=tmp_path / "out", **arguments)
    assert len(block_sizes) > 5 and None not in block_sizes
    # The SNPs that the folds read at once, all others in blocks.
    assert block_sizes[0] == 20 and max(block_sizes[1:]) == 10

"""Tumours: what is planted is there, and what is switched off is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.simulate.slide_names import planned_slides
from gendmr.simulate.tumours import simulate_tumours


class Simulated:
    """The files of a cohort."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        null = changes.pop("null_mode", False)
        tumours = {"genes": 200, "patches": [40, 60], "features": 16, **changes}
        self.section = SimulateSection.parse(
            {"people": 120, "sites": 3, "null_mode": null, "tumours": tumours}
        )
        simulate_tumours(self.section, 4, folder)
        self.folder = folder
        self.people = pd.read_csv(folder / "participants.tsv", sep="\t")
        self.truth = json.loads((folder / "truth.json").read_text())
        self.factors = np.column_stack(
            [self.truth["factors"][name] for name in ("tumour", "environment")]
        )
        self.slides = pd.read_csv(folder / "slides.tsv", sep="\t")
        self.planted = pd.read_csv(folder / "planted_patches.tsv", sep="\t")

    def expression(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "expression.tsv", sep="\t", index_col=0)

    def bag(self, slide: str) -> tuple[np.ndarray, np.ndarray]:
        with h5py.File(self.folder / "features" / f"{slide}.h5") as stored:
            return stored["features"][:], stored["coords"][:]

    def seen_in_slides(self) -> np.ndarray:
        """Mean of the planted patches of each person's first slide, (person, feature), twice."""
        means = []
        for slide in self.slides.drop_duplicates("participant_id")["slide_id"]:
            features, places = self.bag(slide)
            slide_planted = self.planted[self.planted["slide_id"] == slide]
            contrasts = []
            for name in ("tumour", "environment"):
                where = slide_planted.loc[slide_planted["factor"] == name, ["x", "y"]].to_numpy()
                inside = (places[:, None] == where[None]).all(2).any(1)
                contrasts.append(features[inside].mean(0) - features[~inside].mean(0))
            means.append(np.concatenate(contrasts))
        return np.array(means)


def explained(features: np.ndarray, factor: np.ndarray) -> float:
    """Out-of-sample correlation of a ridge regression."""
    half = len(factor) // 2
    centred = features - features[:half].mean(0)
    training = centred[:half]
    slopes = np.linalg.solve(
        training.T @ training + 10 * np.eye(training.shape[1]),
        training.T @ (factor[:half] - factor[:half].mean()),
    )
    return float(np.corrcoef(centred[half:] @ slopes, factor[half:])[0, 1])


def test_factors_are_in_genes_in_slides_and_in_outcomes(tmp_path: Path) -> None:
    study = Simulated(tmp_path, slide_noise=0.05)
    expression = study.expression()
    correlation = np.corrcoef(expression.to_numpy(), study.factors.T)[-2:, :-2]
    gene = {name: place for place, name in enumerate(expression.index)}
    rows = [0 if item["factor"] == "tumour" else 1 for item in study.truth["genes"]]
    places = [gene[item["gene"]] for item in study.truth["genes"]]
    planted = np.array([item["loading"] for item in study.truth["genes"]]) * np.sqrt(0.5)
    # Levels do not fall below 0, which weakens genes that are hardly expressed.
    assert np.corrcoef(correlation[rows, places], planted)[0, 1] > 0.9
    outside = np.setdiff1d(np.arange(len(gene)), places)
    assert np.abs(correlation[:, outside]).mean() < 0.12
    slide_contrasts = study.seen_in_slides()
    assert explained(slide_contrasts, study.factors[:, 0]) > 0.5
    assert explained(slide_contrasts, study.factors[:, 1]) > 0.5
    total = study.factors.sum(1)
    by_grade = [total[study.people["grade"] == name].mean() for name in ("G2", "G3", "G4")]
    assert by_grade[0] < by_grade[1] - 0.5 and by_grade[1] < by_grade[2] - 0.5
    dead = study.people["died"] == 1
    assert 0.35 < dead.mean() < 0.65
    assert np.corrcoef(np.log(study.people["months"][dead]), total[dead])[0, 1] < -0.4
    assert sorted(map(str, (tmp_path / "features").glob("*.h5"))) == sorted(
        planned_slides(study.section, str(tmp_path / "slides.tsv"))
    )


def test_neighbourhoods_are_together_and_do_not_meet(tmp_path: Path) -> None:
    study = Simulated(tmp_path)
    assert not study.planted.duplicated(["slide_id", "x", "y"]).any()
    for _, neighbourhood in list(study.planted.groupby(["slide_id", "factor"]))[:20]:
        places = neighbourhood[["x", "y"]].to_numpy() / 256
        apart = np.abs(places[:, None] - places[None]).sum(2)
        np.fill_diagonal(apart, 99)
        assert np.mean(apart.min(1) == 1) > 0.8


def test_null_mode_and_shuffled_slides_say_nothing(tmp_path: Path) -> None:
    null = Simulated(tmp_path / "null", null_mode=True)
    grade = null.people["grade"].map({"G2": 0, "G3": 1, "G4": 2})
    assert abs(np.corrcoef(grade, null.factors.sum(1))[0, 1]) < 0.25
    shuffled = Simulated(tmp_path / "shuffled", shuffled=True, slide_noise=0.05)
    assert explained(shuffled.seen_in_slides(), shuffled.factors[:, 0]) < 0.3


def test_a_hospital_is_a_short_cut_where_it_is_configured(tmp_path: Path) -> None:
    study = Simulated(tmp_path, hospital_stain=2.0, hospital_confounding=2.0, hospital_batch=1.0)
    total, site = study.factors.sum(1), study.people["site"]
    assert total[site == "site-3"].mean() > total[site == "site-1"].mean() + 1
    means = [study.bag(slide)[0].mean(0) for slide in study.slides["slide_id"]]
    of_site = study.slides["participant_id"].map(study.people.set_index("participant_id")["site"])
    table = pd.DataFrame(means).groupby(of_site.to_numpy()).agg(["mean", "std"])
    between = table.xs("mean", axis=1, level=1).std()
    within = table.xs("std", axis=1, level=1).mean()
    assert (between / within).median() > 2

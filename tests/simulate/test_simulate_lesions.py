"""Lesions: what is planted is there, and what is hidden is not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.lesions import LesionsSection
from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.lesions.people import find_people
from gendmr.lesions.volume import read_person
from gendmr.simulate.lesion_names import (
    IMAGES,
    MASKS,
    SIMULATED_CHANNEL,
    planned_lesions,
    refuse_other_lesions,
)
from gendmr.simulate.lesions import FACTORS, simulate_lesions

PEOPLE = 40


class Simulated:
    """The files of a cohort, and what a reader of them sees."""

    def __init__(self, folder: Path, null: bool = False, **lesions: Any) -> None:
        self.section = SimulateSection.parse(
            {"people": PEOPLE, "sites": 2, "null_mode": null, "lesions": lesions}
        )
        simulate_lesions(self.section, 4, folder)
        self.folder = folder
        self.truth = json.loads((folder / "truth.json").read_text())
        self.people = pd.read_csv(folder / "participants.tsv", sep="\t")
        reader = LesionsSection.parse(
            {
                "nifti": f"{folder}/{IMAGES}",
                "masks": f"{folder}/{MASKS}",
                "channels": [SIMULATED_CHANNEL],
            },
            where="lesions",
        )
        self.volumes = {
            name: read_person(name, files, reader) for name, files in find_people(reader).items()
        }

    def factor(self, of: str, name: str) -> np.ndarray:
        return np.array(self.truth[of][name])

    def seen_in_genes(self) -> np.ndarray:
        """Mean of the genes of each factor, signed as they were planted, (person, factor)."""
        levels = pd.read_csv(self.folder / "expression.tsv", sep="\t", index_col=0)
        unit = levels.sub(levels.mean(axis=1), axis=0).div(levels.std(axis=1), axis=0)
        means = []
        for name in FACTORS:
            genes = [item for item in self.truth["genes"] if item["factor"] == name]
            signs = np.sign([item["loading"] for item in genes])
            means.append(signs @ unit.loc[[item["gene"] for item in genes]].to_numpy() / len(genes))
        return np.stack(means, axis=1)

    def measured(self) -> dict[str, np.ndarray]:
        """Return contrast of the core and radius of the mask, by person."""
        masks, contrasts = [], []
        for volume in self.volumes.values():
            image, mask = volume.image[0].astype(float), volume.labels > 0
            masks.append(np.sqrt(mask.sum(axis=(1, 2)).max()))
            level = np.median(image[image > 0])
            contrasts.append(np.log(np.quantile(image[mask], 0.95) / level - 1))
        return {"mask": np.array(masks), "contrast": np.array(contrasts)}


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return Simulated(tmp_path_factory.mktemp("hidden"))


def test_simulate_lesions__factors_are_in_genes_and_in_lesions(hidden: Simulated) -> None:
    factor_scores, measured = hidden.seen_in_genes(), hidden.measured()
    for column, name in enumerate(FACTORS):
        assert correlation(factor_scores[:, column], hidden.factor("factors", name)) > 0.85
    assert correlation(measured["contrast"], hidden.factor("lesion_factors", "brightness")) > 0.8
    radius = [shape["core_mm"] + shape["margin_mm"] for shape in hidden.truth["shapes"]]
    assert correlation(measured["mask"], np.array(radius)) > 0.9
    assert hidden.truth["factors"] == hidden.truth["lesion_factors"]


def test_simulate_lesions__a_hidden_margin_leaves_no_trace_in_the_image(
    hidden: Simulated, tmp_path: Path
) -> None:
    """With a rim the same masks and genes have other images; without, margins change no pixel."""
    rim = Simulated(tmp_path / "rim", margin="rim")
    wider = Simulated(tmp_path / "wider", margin_spread=0.4)
    for name, volume in hidden.volumes.items():
        assert (rim.volumes[name].labels == volume.labels).all()
        assert (wider.volumes[name].image == volume.image).all()
    assert any(
        (rim.volumes[name].image != volume.image).any() for name, volume in hidden.volumes.items()
    )
    assert any(
        (wider.volumes[name].labels != volume.labels).any()
        for name, volume in hidden.volumes.items()
    )
    assert (rim.folder / "expression.tsv").read_bytes() == (
        hidden.folder / "expression.tsv"
    ).read_bytes()


def found_by_threshold(root: Path, folder: Path, **changes: Any) -> dict[str, float]:
    """Return what thresholds and ridge regressions find in a cohort of default size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "benchmarks")
        from lesion_oracle import LesionCohort, lesions_section, oracle
    section = SimulateSection.parse({"people": 80, "sites": 3, **changes})
    simulate_lesions(section, 6, folder)
    return oracle(LesionCohort.read(folder, lesions_section(folder)))


def test_simulate_lesions__a_rim_is_seen_without_a_network_and_genes_add_nothing(
    root: Path, tmp_path: Path
) -> None:
    measured = found_by_threshold(root, tmp_path, lesions={"margin": "rim"})
    assert measured["images"] > 0.9
    assert abs(measured["genes"] - measured["images"]) < 0.01
    assert measured["image_margin"] > 0.8


def test_simulate_lesions__a_hidden_margin_is_known_to_genes_alone(
    root: Path, tmp_path: Path
) -> None:
    measured = found_by_threshold(root, tmp_path, lesions={"margin": "hidden"})
    assert measured["core"] > 0.9
    assert measured["images"] < 0.85
    assert measured["genes"] - measured["images"] > 0.03
    assert abs(measured["image_margin"]) < 0.4 and measured["genes_margin"] > 0.8
    for name in FACTORS[:-1]:
        assert min(measured[f"image_{name}"], measured[f"genes_{name}"]) > 0.8
    assert measured["recall_1"] > 5 * measured["chance_1"]


def test_simulate_lesions__under_null_mode_genes_find_nobody_and_add_nothing(
    root: Path, tmp_path: Path
) -> None:
    measured = found_by_threshold(root, tmp_path, lesions={}, null_mode=True)
    assert measured["genes"] - measured["images"] < 0.005
    assert measured["recall_1"] < 5 * measured["chance_1"]
    assert all(abs(measured[f"genes_{name}"]) < 0.4 for name in FACTORS)


def test_simulate_lesions__null_mode_gives_genes_of_nobody(tmp_path: Path) -> None:
    null = Simulated(tmp_path, null=True)
    factor_scores = null.seen_in_genes()
    for column, name in enumerate(FACTORS):
        assert abs(correlation(factor_scores[:, column], null.factor("lesion_factors", name))) < 0.4
        assert correlation(factor_scores[:, column], null.factor("factors", name)) > 0.85


def test_simulate_lesions__hospitals_have_intensities_of_their_own(tmp_path: Path) -> None:
    loud = Simulated(tmp_path, hospital_intensity=0.5)
    level = np.array(
        [np.median(volume.image[volume.image > 0]) for volume in loud.volumes.values()]
    )
    by_site = pd.Series(level).groupby(loud.people["site"].to_numpy())
    assert by_site.mean().std() > 3 * by_site.std().mean()


def test_planned_lesions__names_all_files_before_they_are_made(hidden: Simulated) -> None:
    planned = planned_lesions(hidden.section, str(hidden.folder))
    assert sorted(planned) == sorted(map(str, hidden.folder.glob("*/*.nii.gz")))
    image = nib.load(planned[0])
    assert image.shape == (48, 48, 6)


def test_refuse_other_lesions__says_what_to_set() -> None:
    section = LesionsSection.parse(
        {"nifti": "mine/{participant}.nii", "masks": "m/{participant}.nii", "channels": ["flair"]},
        where="lesions",
    )
    with pytest.raises(ConfigurationError) as caught:
        refuse_other_lesions(section, "results/x/simulate")
    remedy = "results/x/simulate/images/{participant}_{channel}.nii.gz"
    assert f"nifti: {remedy}" in caught.value.next_step
    right = section.model_copy(
        update={"nifti": remedy, "masks": "results/x/simulate/masks/{participant}.nii.gz"}
    )
    refuse_other_lesions(right, "results/x/simulate")


def test_simulate_section__has_one_cohort() -> None:
    with pytest.raises(ConfigurationError, match="two cohorts"):
        SimulateSection.parse({"lesions": {}, "tumours": {}}, where="simulate")

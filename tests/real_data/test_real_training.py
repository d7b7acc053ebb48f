"""Association inside a fold on real genotypes with real stratification."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from gendmr.cohort.view import FoldView
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.preprocessing.preparation import Preparation
from gendmr.statistics.association import mean_dosage, score_test
from gendmr.statistics.components import Components
from gendmr.tasks import task_of
from studies import slice_of

pytestmark = pytest.mark.real_data


def open_fold(cohort: Path, fold: int) -> FoldView:
    task = task_of("diagnosis", BinaryOutcome())
    return FoldView.open(cohort, 0, fold, task=task, modalities=("snp",))


def inflation(z: np.ndarray) -> float:
    return float(np.median(z**2) / chi2.ppf(0.5, 1))


@pytest.mark.slow
def test_components_of_the_training_people_remove_the_stratification(chromosome_10: Path) -> None:
    raw, adjusted, strength = [], [], []
    for fold in range(5):
        train = open_fold(chromosome_10, fold).train
        snps, dosage = train.instances("snp"), train.array("snp", "dosage")
        components = Components.fit(
            mean_dosage(dosage),
            lambda columns, dosage=dosage: dosage[:, columns],
            len(train),
            snps["chromosome"].to_numpy(dtype=str),
            snps["position"].to_numpy(dtype=np.int64),
            count=2,
            r2=0.2,
            variants=20000,
        )
        scores = components.apply(dosage[:, components.columns])
        frequency = mean_dosage(dosage) / 2
        common = np.minimum(frequency, 1 - frequency) > 0.05
        case = train.outcome.case
        without, _ = score_test(dosage, case, scores[:, :0])
        within, _ = score_test(dosage, case, scores)
        # Inflation by stratification grows with the sample: stated for 1,000 people.
        raw.append(1 + (inflation(without[common]) - 1) * 1000 / len(train))
        adjusted.append(inflation(within[common]))
        strength.append(np.where(common, np.abs(within[:, 0]), 0))
    assert np.mean(raw) == pytest.approx(1.7, abs=0.15)
    assert np.mean(adjusted) == pytest.approx(1.0, abs=0.04)
    # The SNP that stays genome-wide significant in the whole sample leads over the folds.
    names = snps["snp"].to_numpy()
    leaders = [names[values.argmax()] for values in strength]
    assert leaders.count("rs870041") >= 3
    assert names[np.mean(strength, axis=0).argmax()] == "rs870041"


@pytest.mark.slow
def test_selection_in_the_fold_takes_the_leading_snp(chromosome_10: Path) -> None:
    view = open_fold(chromosome_10, 3)
    options = slice_of(
        {"kind": "ridge", "reads": ["snp"]},
        available=("snp",),
        covariates=[],
        modalities={"snp": {"selection": {"mode": "fold_association", "maximum": 50}}},
    )
    preparation = Preparation.fit(view, options)
    names = preparation.instances("snp")["snp"]
    assert "rs870041" in set(names) and len(names) == 50
    people = preparation.apply(view.train)
    assert list(people.values) == ["snp"] and people.values["snp"].shape == (len(view.train), 50)

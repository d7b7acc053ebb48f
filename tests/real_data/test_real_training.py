"""Association inside a fold on real genotypes with real stratification."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import chi2

from factories import make_splits
from gendmr.cohort.view import FoldView
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities.store import write_modality
from gendmr.preprocessing.preparation import Preparation
from gendmr.statistics.association import mean_dosage, score_test
from gendmr.statistics.components import Components
from gendmr.tasks import task_of
from studies import slice_of

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def chromosome_10(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 cases and 500 controls of two ancestries as a cohort without images."""
    source = real_data / "genotypes" / "snpstats_chr10"
    fam = pd.read_csv(source / "chr10_cc1000.fam", sep=r"\s+", header=None, dtype=str)
    bim = pd.read_csv(source / "chr10_cc1000.bim", sep=r"\s+", header=None, dtype=str)
    subjects = pd.read_csv(source / "subjects.tsv", sep="\t", dtype=str)
    people, snps = len(fam), len(bim)
    packed = np.fromfile(source / "chr10_cc1000.bed", dtype=np.uint8)[3:].reshape(snps, -1)
    codes = np.stack([(packed >> shift) & 3 for shift in (0, 2, 4, 6)], axis=2)
    dosage = np.array([2, -1, 1, 0], dtype=np.int8)[codes.reshape(snps, -1)[:, :people]].T
    ids = fam[1].to_numpy(dtype=str)
    key = next(name for name in subjects if set(ids) <= set(subjects[name]))
    subjects = subjects.set_index(key).loc[ids]
    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "diagnosis": np.where(subjects["cc"].astype(int) == 1, "case", "control"),
            "has_snp": True,
            "has_region": False,
            "family": ids,
        }
    )
    folder = tmp_path_factory.mktemp("chr10")
    write_table(folder / "participants.tsv", participants)
    write_json(folder / "participants.json", {})
    write_table(folder / "splits.tsv", make_splits(participants, 5, 1, 0))
    write_modality(
        folder / "snp.nc",
        xr.Dataset(
            {"dosage": (("participant", "snp"), np.ascontiguousarray(dosage))},
            coords={
                "participant": ("participant", ids),
                "snp": ("snp", bim[1].to_numpy(dtype=str)),
                "chromosome": ("snp", bim[0].to_numpy(dtype=str)),
                "position": ("snp", bim[3].to_numpy(dtype=np.int64)),
                "effect_allele": ("snp", bim[4].to_numpy(dtype=str)),
                "other_allele": ("snp", bim[5].to_numpy(dtype=str)),
                "gene": ("snp", np.full(snps, "")),
                "distance": ("snp", np.zeros(snps, dtype=np.int64)),
            },
            attrs={"build": "GRCh36"},
        ),
        "snp",
    )
    return folder


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

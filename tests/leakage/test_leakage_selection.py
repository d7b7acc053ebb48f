"""The counter-example: choosing SNPs on everybody makes a predictor out of pure noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from factories import make_splits
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities.store import read_modality, write_modality
from gendmr.statistics.association import score_test
from gendmr.statistics.classification import auc
from gendmr.training.fold import train_fold
from leakage.garbage import read_table
from leakage.kinds import read
from studies import slice_of

PEOPLE, SNPS, CHOSEN, FOLDS = 500, 20_000, 500, 5


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort whose diagnoses were drawn without a look at the SNPs; nobody has images."""
    folder = tmp_path_factory.mktemp("noise") / "cohort"
    random = np.random.default_rng(17)
    ids = np.array([f"{number:04d}" for number in range(PEOPLE)])
    frequency = random.uniform(0.1, 0.5, SNPS)
    dosage = random.binomial(2, frequency, (PEOPLE, SNPS)).astype(np.int8)
    chromosome = np.sort(np.arange(SNPS) % 22) + 1
    snp = xr.Dataset(
        {"dosage": (("participant", "snp"), dosage)},
        coords={
            "participant": ("participant", ids),
            "snp": ("snp", np.array([f"rs{number}" for number in range(SNPS)])),
            "chromosome": ("snp", chromosome.astype(str)),
            "position": ("snp", 1000 * (1 + np.arange(SNPS, dtype=np.int64))),
            "effect_allele": ("snp", np.full(SNPS, "A")),
            "other_allele": ("snp", np.full(SNPS, "G")),
            "gene": ("snp", np.full(SNPS, "")),
            "distance": ("snp", np.zeros(SNPS, dtype=np.int64)),
        },
        attrs={"build": "GRCh37"},
    )
    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "diagnosis": random.permutation(np.repeat(["case", "control"], PEOPLE // 2)),
            "has_snp": True,
            "has_region": False,
            "family": ids,
        }
    )
    write_table(folder / "participants.tsv", participants)
    write_json(folder / "participants.json", {})
    write_table(folder / "splits.tsv", make_splits(participants, FOLDS, 1, 0))
    write_modality(folder / "snp.nc", snp, "snp")
    return folder


@pytest.fixture(scope="module")
def chosen_on_everybody(noise: Path) -> Path:
    """The same cohort with the SNPs of the largest absolute t among all of its people only."""
    folder = noise.parent / "chosen"
    shutil.copytree(noise, folder)
    snp = read_modality(noise / "snp.nc", "snp")
    case = (read_table(noise / "participants.tsv")["diagnosis"] == "case").to_numpy()
    _, t = score_test(snp["dosage"].values, case, np.zeros((PEOPLE, 0)))
    best = np.sort(np.argsort(-np.abs(t[:, 0]))[:CHOSEN])
    write_modality(folder / "snp.nc", snp.isel(snp=best), "snp")
    return folder


def pooled_auc(cohort: Path, output: Path) -> float:
    """Return the AUC of ridge on the held-out people of all folds."""
    selection = {"mode": "fold_association", "maximum": CHOSEN, "r2": 1.0}
    options = slice_of(
        {"kind": "ridge", "reads": ["snp"], "penalties": [1000.0]},
        available=("snp",),
        covariates=[],
        modalities={"snp": {"components": 0, "selection": selection}},
    )
    tables = []
    for fold in range(FOLDS):
        folder = output / f"fold-{fold}"
        train_fold(
            cohort, folder, method="ridge", repeat=0, fold=fold, options=options, seed=5,
            device="cpu",
        )  # fmt: skip
        assert read(folder, "run.json")["selection"]["snp"]["selected"] > CHOSEN * 0.99
        table = read_table(folder / "predictions.tsv")
        tables.append(table[table["set"] == "held-out"])
    held_out = pd.concat(tables)
    return auc(held_out["observed"].to_numpy(int), held_out["score"].to_numpy(float))


def test_snps_chosen_on_everybody_predict_pure_noise(
    chosen_on_everybody: Path, tmp_path: Path
) -> None:
    assert pooled_auc(chosen_on_everybody, tmp_path) > 0.9


def test_snps_chosen_in_each_fold_do_not(noise: Path, tmp_path: Path) -> None:
    assert 0.4 < pooled_auc(noise, tmp_path) < 0.6

"""A model of one half of real people, applied to the other half.

What is learned is the ancestry of a person, which is there; the disease of these people cannot be
predicted from chromosome 10 once ancestry is adjusted for (AUC 0.5 in either half).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from factories import make_splits
from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table, write_table
from gendmr.modalities.store import read_modality, write_modality
from gendmr.predict.study import predict_study
from gendmr.statistics.classification import auc
from gendmr.training.fold import train_fold
from studies import slice_of

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
FOLDS = 3


def half(cohort: Path, folder: Path, inside: np.ndarray, exchanged: np.ndarray) -> Path:
    """Write some people of a cohort; some SNPs count the other allele."""
    people = read_table(cohort / "participants.tsv", {"participant_id": "text"}, extra=True)
    people = people[inside].reset_index(drop=True)
    labels = sorted(people["ancestry"].unique())
    people["diagnosis"] = np.where(people["ancestry"] == labels[0], "case", "control")
    write_table(folder / "participants.tsv", people)
    write_json(folder / "participants.json", {})
    write_table(folder / "splits.tsv", make_splits(people, FOLDS, 1, 0))
    dataset = read_modality(cohort / "snp.nc", "snp").isel(participant=np.flatnonzero(inside))
    dosage = dataset["dosage"].values
    turned = np.where(exchanged & (dosage >= 0), 2 - dosage, dosage)
    effect, other = dataset["effect_allele"].values, dataset["other_allele"].values
    dataset = dataset.assign(dosage=(("participant", "snp"), turned.astype(np.int8)))
    dataset = dataset.assign_coords(
        effect_allele=("snp", np.where(exchanged, other, effect)),
        other_allele=("snp", np.where(exchanged, effect, other)),
    )
    write_modality(folder / "snp.nc", dataset, "snp")
    return folder


def test_predict_study__is_as_good_in_the_other_half_of_chromosome_10(
    chromosome_10: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(4)
    people = read_table(chromosome_10 / "participants.tsv", {"participant_id": "text"}, extra=True)
    snps: xr.Dataset = read_modality(chromosome_10 / "snp.nc", "snp")
    first = random.permutation(len(people)) < len(people) // 2
    exchanged = random.uniform(size=snps.sizes["snp"]) < 0.3
    results = tmp_path / "results" / "first"
    half(chromosome_10, results / "cohort", first, np.zeros_like(exchanged))
    exchanged_half = half(
        chromosome_10, tmp_path / "results" / "second" / "cohort", ~first, exchanged
    )
    plain_half = half(
        chromosome_10, tmp_path / "results" / "same" / "cohort", ~first, exchanged & False
    )
    options = slice_of(
        {"kind": "ridge", "reads": ["snp"]},
        available=("snp",),
        covariates=[],
        modalities={
            "snp": {"components": 0, "selection": {"mode": "fold_association", "maximum": 30}}
        },
    )
    held_out = []
    for fold in range(FOLDS):
        folder = results / "training" / "ridge" / "repeat-0" / f"fold-{fold}"
        train_fold(
            results / "cohort", folder, method="ridge", repeat=0, fold=fold, options=options, seed=1
        )
        rows = read_table(folder / "predictions.tsv", {"participant_id": "text"}, extra=True)
        held_out.append(rows[rows["set"] == "held-out"])
    (turned,) = predict_study(results, exchanged_half)
    (plain,) = predict_study(results, plain_half)
    np.testing.assert_allclose(turned.people["logit"], plain.people["logit"], atol=1e-6)
    assert turned.overlap["flipped"].min() > 3 and (turned.overlap["share"] == 1).all()
    inside = pd.concat(held_out)
    expected = auc(inside["observed"].to_numpy(int), inside["logit"].to_numpy(float))
    row = turned.metrics.set_index("metric").loc["auc"]
    # Thirty SNPs tell the ancestries apart, in the half that was not trained on as well.
    assert expected > 0.95 and row["value"] > 0.95
    assert row["value"] == pytest.approx(expected, abs=0.03)
    assert row["low"] <= row["value"] <= row["high"]

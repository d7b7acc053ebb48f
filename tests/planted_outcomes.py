"""Cohorts of `factories` with an outcome of every kind, which the planted SNP and region decide."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factories import PLANTED_REGION, PLANTED_SNP
from gendmr.files.tables import write_table
from gendmr.modalities.store import read_modality
from outcomes import simulate_table

# Name of the outcome in `studies.OUTCOMES`, its kind in `outcomes.simulate_table`, and the columns
# of the cohort that hold it.
COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "stage": ("multiclass", {"diagnosis": "stage"}),
    "memory": ("quantitative", {"mmse": "memory"}),
    "conversion": ("cox", {"months": "conversion_time", "converted": "conversion_event"}),
    "relapse": ("discrete", {"months": "relapse_time", "converted": "relapse_event"}),
}
CLASSES = ["CN", "MCI", "AD"]


def add_outcomes(cohort: Path, folder: Path, seed: int = 0, strength: float = 2.5) -> Path:
    """Copy a cohort and add columns of outcomes to its table of people; return `folder`.

    Copies of the effect allele of `factories.PLANTED_SNP` and a small `factories.PLANTED_REGION`
    raise them (memory, too).
    """
    shutil.copytree(cohort, folder)
    table = read_text_table(folder / "participants.tsv")
    random = np.random.default_rng([seed, 11])
    signal = strength * (
        _standardised(table, _dosage(folder)) - _standardised(table, _volume(folder))
    )
    for kind, columns in COLUMNS.values():
        simulated = simulate_table(kind, signal / np.sqrt(2), random)
        for source, target in columns.items():
            table[target] = simulated[source].to_numpy()
    write_table(folder / "participants.tsv", table)
    return folder


def read_text_table(path: Path) -> pd.DataFrame:
    """Return a table as it is written."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def _standardised(table: pd.DataFrame, values: pd.Series) -> np.ndarray:
    """Return values of all people in SDs; 0 of those who lack them."""
    unit = (values - values.mean()) / values.std()
    return unit.reindex(table["participant_id"]).fillna(0.0).to_numpy()


def _dosage(cohort: Path) -> pd.Series:
    snp = read_modality(cohort / "snp.nc", "snp")
    return _series(snp, snp["dosage"].sel(snp=PLANTED_SNP)).replace(-1, np.nan)


def _volume(cohort: Path) -> pd.Series:
    region = read_modality(cohort / "region.nc", "region")
    return _series(region, region["volume"].sel(region=PLANTED_REGION) / region["icv"])


def _series(dataset: Any, values: Any) -> pd.Series:
    return pd.Series(values.values.astype(float), index=dataset["participant"].values)

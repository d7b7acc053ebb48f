"""Real genotypes as a cohort that several tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from factories import make_splits
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities.store import write_modality


@pytest.fixture(scope="session")
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
            "ancestry": subjects["stratum"].to_numpy(),
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

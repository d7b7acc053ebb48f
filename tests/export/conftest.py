"""A small finished study with everything that can leave it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.modalities.store import read_modality
from gendmr.training.fold import train_fold
from studies import make_study

METHODS: dict[str, dict[str, Any]] = {
    "ridge-snp": {"kind": "ridge", "reads": ["snp"]},
    "polygenic": {"kind": "polygenic"},
    "ridge-region": {"kind": "ridge", "reads": ["region"]},
}
SPACE = "MNI152NLin2009aSym"


@pytest.fixture(scope="session")
def study(shared_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of three methods on 120 people, with rankings and an atlas of 12 regions."""
    cohort = shared_cohort(people=120, snps=120, folds=2, unsequenced=0.1)
    results = tmp_path_factory.mktemp("export") / "results" / "small"
    results.mkdir(parents=True)
    (results / "cohort").symlink_to(cohort)
    options = make_study(METHODS)
    for method in METHODS:
        for fold in range(2):
            train_fold(
                cohort,
                results / "training" / method / "repeat-0" / f"fold-{fold}",
                method=method,
                repeat=0,
                fold=fold,
                options=options.method_options(method),
                seed=5,
            )
    write_json(results / "genotypes" / "summary.json", {"build": "GRCh37"})
    write_ranking(results, cohort)
    write_images(results, read_modality(cohort / "region.nc", "region"))
    return results


def write_ranking(results: Path, cohort: Path) -> None:
    """Write genes.tsv and regions.tsv of the columns that are read."""
    genes = [f"G{number:02d}" for number in range(30)]
    q = np.where(np.arange(30) < 2, 0.01, 0.5)
    write_table(
        results / "ranking" / "ridge-snp" / "genes.tsv",
        pd.DataFrame({"gene": genes, "rank": range(1, 31), "q": q}),
    )
    region = read_modality(cohort / "region.nc", "region")
    names = region["region"].values
    write_table(
        results / "ranking" / "ridge-region" / "regions.tsv",
        pd.DataFrame(
            {
                "region": names,
                "hemisphere": region["hemisphere"].values,
                "score": np.arange(len(names), 0, -1) / 10,
                "direction": np.where(np.arange(len(names)) % 2, "higher", "lower"),
                "z": [*np.linspace(3, -1, len(names) - 1), np.nan],
            }
        ),
    )


def write_images(results: Path, region: xr.Dataset) -> None:
    """Write an atlas whose label n is the nth region, and images of two people."""
    template = results / "imaging" / "template"
    template.mkdir(parents=True)
    labels = np.zeros((8, 9, 10), dtype=np.uint8)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-16, -18, -20]
    for number in range(region.sizes["region"]):
        labels.reshape(-1)[20 * number + 1 : 20 * number + 11] = number + 1
    nibabel.save(nibabel.Nifti1Image(labels, affine), template / "atlas.nii.gz")
    write_table(
        template / "regions.tsv",
        pd.DataFrame({name: region[name].values for name in ("region", "hemisphere")}),
    )
    write_json(
        template / "template.json",
        {"space": SPACE, "atlas": "made up", "preset": "testing", "versions": {"antspyx": "0.6.1"}},
    )
    random = np.random.default_rng(0)
    for person in ("0001", "0002"):
        for name in ("warped.nii.gz", "grey.nii.gz"):
            path = results / "imaging" / person / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(random.random((8, 9, 10)).astype(np.float32), affine)
            nibabel.save(image, path)

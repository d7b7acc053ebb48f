"""A small finished study, and another simulated cohort of the same disease."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from gendmr.modalities.store import read_modality, write_modality
from gendmr.training.fold import train_fold
from studies import make_study

METHODS: dict[str, dict[str, Any]] = {
    "ridge": {"kind": "ridge"},
    "gendmr": {"kind": "gendmr", "width": 8, "attention": 8},
}
FOLDS = 2
SHAPE: dict[str, Any] = {"snps": 120, "genes": 30, "regions": 12, "imaged": 0.8, "folds": FOLDS}
Edit = Callable[[xr.Dataset], xr.Dataset]


@pytest.fixture(scope="session")
def study(shared_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of a sum and of a network on 240 people."""
    cohort = shared_cohort(people=240, seed=1, **SHAPE)
    results = tmp_path_factory.mktemp("predict") / "results" / "first"
    results.mkdir(parents=True)
    (results / "cohort").symlink_to(cohort)
    options = make_study(METHODS, optimisation={"epochs": 6})
    for method in METHODS:
        for fold in range(FOLDS):
            train_fold(
                cohort,
                results / "training" / method / "repeat-0" / f"fold-{fold}",
                method=method,
                repeat=0,
                fold=fold,
                options=options.method_options(method),
                seed=5,
            )
    return results


@pytest.fixture(scope="session")
def second(shared_cohort: Callable[..., Path]) -> Path:
    """Other people with the same planted SNP and region, and other allele frequencies."""
    return shared_cohort(people=200, seed=2, **SHAPE)


@pytest.fixture
def edited(second: Path, tmp_path: Path) -> Callable[[str, Edit], Path]:
    """``edited("snp", change)`` is the second cohort with a changed file of a modality."""

    def edit(modality: str, change: Edit) -> Path:
        folder = tmp_path / "second" / "cohort"
        shutil.copytree(second, folder)
        path = folder / f"{modality}.nc"
        dataset = change(read_modality(path, modality))
        path.unlink()
        write_modality(path, dataset, modality)
        return folder

    return edit

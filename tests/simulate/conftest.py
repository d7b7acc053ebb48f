"""A tiny cohort, made once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.simulate.atlas import make_atlas
from gendmr.simulate.cohort import simulate_cohort

TINY: dict[str, Any] = {
    "people": 80,
    "images": 8,
    "genes": 40,
    "background_snps": 300,
    "voxel_sizes": [2.5, 3.0],
}
SEED = 5


def read_cohort(folder: Path) -> SimpleNamespace:
    """Read what `simulate cohort` wrote."""
    return SimpleNamespace(
        folder=folder,
        participants=pd.read_csv(
            folder / "participants.tsv", sep="\t", dtype=str, keep_default_na=False
        ),
        truth=json.loads((folder / "truth.json").read_text()),
        bim={
            array: pd.read_csv(
                folder / "genotypes" / f"{array}.bim",
                sep="\t",
                header=None,
                names=["chromosome", "snp", "cm", "position", "a1", "a2"],
                dtype={"chromosome": str, "a1": str, "a2": str},
            )
            for array in ("array1", "array2")
        },
        fam={
            array: pd.read_csv(
                folder / "genotypes" / f"{array}.fam",
                sep="\t",
                header=None,
                names=["fid", "iid", "father", "mother", "sex", "phenotype"],
                dtype=str,
            )
            for array in ("array1", "array2")
        },
    )


@pytest.fixture(scope="session")
def tables(root: Path) -> tuple[Path, Path]:
    """The tables of genes and regions."""
    return root / "resources/demo_genes.tsv", root / "resources/demo_regions.tsv"


@pytest.fixture(scope="session")
def tiny() -> SimulateSection:
    """Eighty people, eight images, forty genes."""
    return SimulateSection.parse(TINY)


@pytest.fixture(scope="session")
def cohort(
    tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path], tiny: SimulateSection
) -> SimpleNamespace:
    """The tiny cohort."""
    folder = tmp_path_factory.mktemp("cohort")
    simulate_cohort(*tables, tiny, SEED, folder)
    return read_cohort(folder)


@pytest.fixture(scope="session")
def plink() -> str:
    """PLINK 1.9, under any of its names."""
    for name in ("plink1.9", "plink"):
        if path := shutil.which(name):
            return path
    pytest.fail("PLINK 1.9 is not on the PATH; `make setup` installs it")


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> tuple[Path, Path]:
    """The atlas and its table."""
    folder = tmp_path_factory.mktemp("atlas")
    make_atlas(tables[1], folder / "atlas.nii.gz", folder / "atlas.tsv")
    return folder / "atlas.nii.gz", folder / "atlas.tsv"

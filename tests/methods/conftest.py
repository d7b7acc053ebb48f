"""Prepared folds for the tests of methods."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factories import make_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 people, 60 SNPs, 8 regions; half have images, some of them no genotypes."""
    return make_cohort(
        tmp_path_factory.mktemp("cohort"), snps=60, regions=8, genes=20, unsequenced=0.2
    )

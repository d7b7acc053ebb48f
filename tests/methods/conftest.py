"""Prepared folds for the tests of methods."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factories import make_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 people, 60 SNPs, 8 regions; half have images, some of them no genotypes."""
    return make_cohort(
        tmp_path_factory.mktemp("cohort"), snps=60, regions=8, genes=20, unsequenced=0.2
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As in a job: threads that wait for each other cost more than they bring."""
    with threadpool_limits(1):
        yield

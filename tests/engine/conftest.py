"""Cohorts for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """80 people, 120 SNPs, 12 regions; half have images, some of them no genotypes."""
    return shared_cohort(unsequenced=0.2)

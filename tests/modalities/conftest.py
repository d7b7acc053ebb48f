"""Folds of a small cohort for the tests of modalities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gendmr.cohort.view import FoldView
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.tasks import task_of
from gendmr.tasks.base import Task


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """80 people, 120 SNPs, 12 regions; half have images, some of them no genotypes."""
    return shared_cohort(unsequenced=0.2)


@pytest.fixture(scope="session")
def task() -> Task:
    """Cases and controls."""
    return task_of("diagnosis", BinaryOutcome())


@pytest.fixture(scope="session")
def open_view(cohort: Path, task: Task) -> Callable[..., FoldView]:
    """``open_view(folder=cohort, fold=0, modalities=("snp", "region"))``."""

    def opened(folder: Path = cohort, fold: int = 0, **more: Any) -> FoldView:
        options: dict[str, Any] = {"modalities": ("snp", "region"), "task": task} | more
        return FoldView.open(folder, 0, fold, **options)

    return opened

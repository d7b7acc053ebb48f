"""Prepared folds for the tests of methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.preprocessing.preparation import People, Preparation


class Fold(NamedTuple):
    """A prepared fold with its options."""

    options: MethodOptions
    preparation: Preparation
    train: People
    validation: People
    held_out: People


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """80 people, 60 SNPs, 8 regions; half have images, some of them no genotypes."""
    return shared_cohort(snps=60, regions=8, genes=20, unsequenced=0.2)


@pytest.fixture(scope="session")
def prepare() -> Callable[..., Fold]:
    """Prepare one fold: ``prepare(cohort, {"kind": ...}, fold=0, selection={...})``."""

    def prepared(cohort: Path, method: dict[str, Any], fold: int = 0, **sections: Any) -> Fold:
        shared = {"adjustment": {"components": 2}, "optimisation": {"epochs": 3}}
        options = MethodOptions.parse({"method": method, **shared, **sections})
        view = FoldView.open(cohort, 0, fold)
        preparation = Preparation.fit(view, options)
        train, validation = preparation.apply(view.train), preparation.apply(view.validation)
        view.seal()
        return Fold(options, preparation, train, validation, preparation.apply(view.held_out))

    return prepared

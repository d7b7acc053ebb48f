"""Prepared folds for the tests of methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.methods.base import FitInputs, Fitted
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks import task_of
from gendmr.tasks.base import Task
from planted_outcomes import add_outcomes
from studies import slice_of


@dataclass(frozen=True)
class PreparedFold:
    """A prepared fold with its options."""

    options: MethodOptions
    preparation: Preparation
    train: PreparedSubset
    validation: PreparedSubset
    held_out: PreparedSubset

    @property
    def task(self) -> Task:
        """The task, fitted on the training people."""
        return self.preparation.task

    def fit(self, seed: int = 1) -> Fitted:
        """Fit the method of the options on the training people."""
        method = import_module(f"gendmr.{self.options.method.module}").build(self.options)
        inputs = FitInputs(self.train, self.validation, self.preparation, seed)
        fitted: Fitted = method.fit(inputs, device="cpu", progress=print)
        return fitted

    def trained_on(self, **changes: Any) -> Self:
        """Return the fold with other training people: `values` and `present` by modality."""
        for name in ("values", "present"):
            if name in changes:
                changes[name] = {**getattr(self.train, name), **changes[name]}
        return replace(self, train=dataclasses.replace(self.train, **changes))

    def without(self, modality: str) -> Self:
        """Return the fold in which no training person has a modality."""
        return self.trained_on(
            present={modality: np.zeros(len(self.train), dtype=bool)},
            values={modality: np.zeros_like(self.train.values[modality])},
        )


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """80 people, 60 SNPs, 8 regions; half have images, some of them no genotypes."""
    return shared_cohort(snps=60, regions=8, genes=20, unsequenced=0.2)


@pytest.fixture(scope="session")
def planted(shared_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 people with all outcomes of `studies.OUTCOMES`, planted in one SNP and one region."""
    cohort = shared_cohort(
        people=400, snps=120, genes=40, regions=6, imaged=0.8, unsequenced=0.1, effect=1.5
    )
    return add_outcomes(cohort, tmp_path_factory.mktemp("planted") / "cohort")


@pytest.fixture(scope="session")
def prepare() -> Callable[..., PreparedFold]:
    """Prepare one fold: ``prepare(cohort, {"kind": ...}, fold=0, outcome="memory", ...)``."""

    def prepared(
        cohort: Path, method: dict[str, Any], fold: int = 0, **sections: Any
    ) -> PreparedFold:
        options = slice_of(method, **sections)
        view = FoldView.open(
            cohort,
            0,
            fold,
            task=task_of(options.outcome, options.task),
            modalities=tuple(options.modalities),
        )
        preparation = Preparation.fit(view, options)
        train, validation = preparation.apply(view.train), preparation.apply(view.validation)
        view.seal()
        held_out = preparation.apply(view.held_out)
        return PreparedFold(options, preparation, train, validation, held_out)

    return prepared

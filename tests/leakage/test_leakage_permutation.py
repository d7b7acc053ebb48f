"""With permuted diagnoses there is nothing to learn: held-out AUC is 0.5 for every method."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from factories import make_cohort, make_splits
from gendmr.cohort.view import FoldView
from gendmr.files.tables import write_table
from gendmr.methods.base import FitInputs
from gendmr.modalities.subset import Subset
from gendmr.preprocessing.preparation import Preparation
from gendmr.seeds import derive
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.training.fold import build_method
from leakage.garbage import read_table
from leakage.kinds import METHODS, joined, options

pytestmark = pytest.mark.slow

COHORTS, FOLDS = 6, 2
LEVEL = 0.99

Fold = tuple[Subset, Subset, Subset]
Opened = list[list[tuple[FoldView, Fold]]]


@pytest.fixture(scope="module")
def permuted(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Folds of one cohort with strong planted effects, its diagnoses permuted time and again."""
    folder = tmp_path_factory.mktemp("permuted")
    original = make_cohort(
        folder / "original", people=160, snps=60, regions=8, genes=20, folds=FOLDS
    )
    return [_opened(original, folder / str(number), number) for number in range(COHORTS)]


def _opened(original: Path, folder: Path, number: int) -> list[tuple[FoldView, Fold]]:
    shutil.copytree(original, folder)
    table = read_table(original / "participants.tsv")
    random = np.random.default_rng([3, number])
    table["diagnosis"] = random.permutation(table["diagnosis"].to_numpy())
    write_table(folder / "participants.tsv", table)
    write_table(folder / "splits.tsv", make_splits(table, FOLDS, 1, number))
    method_options = options("ridge")
    task = task_of(method_options.outcome, method_options.task)
    opened = []
    for fold in range(FOLDS):
        view = FoldView.open(folder, 0, fold, task=task, modalities=("snp", "region"))
        view.seal()  # people are read once for all methods; each fits before it is shown the rest
        opened.append((view, (view.train, view.validation, view.held_out)))
    return opened


def pooled_auc(
    folds: list[tuple[FoldView, Fold]], name: str, seed: int, *, peek: bool = False
) -> float:
    """Return the AUC of the held-out scores of all folds; `peek` fits on held-out people too."""
    changes = {"optimisation": {"epochs": 3, "learning_rate": 0.01}}
    method_options = options(name, **changes)
    truth, score = [], []
    for view, (train, validation, held_out) in folds:
        preparation = Preparation.fit(view, method_options)
        people, judged = preparation.apply(train), preparation.apply(held_out)
        fitted = build_method(method_options).fit(
            FitInputs(
                joined(people, judged) if peek else people,
                preparation.apply(validation),
                preparation,
                derive(seed, name, view.fold),
            ),
            device="cpu",
            progress=lambda line: None,
        )
        truth.append(held_out.outcome.case)
        score.append(fitted.predict(judged)[:, 0])
    return auc(np.concatenate(truth), np.concatenate(score))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the interval around 0.5 in which the mean of the values lies if that is their mean.

    Student's t over cohorts. The variance of the Mann-Whitney statistic would be too small: the
    scores of a fold come from people who are judged in another, so that errors of folds agree.
    """
    half = t.ppf((1 + LEVEL) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return 0.5 - float(half), 0.5 + float(half)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_learned_from_permuted_diagnoses(permuted: Opened, name: str) -> None:
    values = np.array([pooled_auc(folds, name, number) for number, folds in enumerate(permuted)])
    low, high = interval(values)
    assert low <= values.mean() <= high, values
    assert high < 0.62, "the interval is too wide to tell a leak"


def test_a_method_that_was_shown_the_answers_is_outside(permuted: Opened) -> None:
    values = np.array([pooled_auc(folds, "ridge", 0, peek=True) for folds in permuted])
    assert values.mean() > interval(values)[1], values

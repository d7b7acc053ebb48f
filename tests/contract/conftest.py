"""One cohort with all outcomes and modalities, and what each combination makes of a fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contract.members import add_outcomes, options, spoil
from gendmr.training.fold import train_fold

Trained = Callable[[str, str], Path]


def train(
    cohort: Path,
    output: Path,
    kind: str,
    task: str,
    changes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Train the first fold of a method that learns a task; return `output`.

    `changes` are options of the method, others are of `train_fold`.
    """
    train_fold(
        cohort,
        output,
        method=kind,
        repeat=0,
        fold=0,
        options=options(kind, task, **(changes or {})),
        seed=3,
        device="cpu",
        **more,
    )
    return output


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 people, 60 SNPs, 8 regions; most have both."""
    small = shared_cohort(
        people=120, snps=60, regions=8, genes=20, imaged=0.85, unsequenced=0.1, folds=3
    )
    return add_outcomes(small, tmp_path_factory.mktemp("contract") / "cohort")


@pytest.fixture(scope="session")
def spoiled(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with garbage in the people who are held out in the first fold."""
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype=str)
    people = splits.loc[splits["inner_0"] == "held-out", "participant_id"].tolist()
    return spoil(cohort, tmp_path_factory.mktemp("spoiled") / "cohort", people)


@pytest.fixture(scope="session")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """``trained("ridge", "memory")`` is the folder of a fold, trained once."""
    folder = tmp_path_factory.mktemp("trained")

    def once(kind: str, task: str) -> Path:
        output = folder / kind / task / "repeat-0" / "fold-0"
        return output if output.is_dir() else train(cohort, output, kind, task)

    return once

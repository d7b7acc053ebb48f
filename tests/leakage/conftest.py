"""One small cohort for all proofs, and what each method makes of its first fold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leakage.garbage import spoil
from leakage.kinds import train


@pytest.fixture(scope="session")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    """96 people, 60 SNPs, 8 regions; enough have both for imaging to speak of SNPs."""
    return shared_cohort(
        people=96, snps=60, regions=8, genes=20, imaged=0.85, unsequenced=0.1, folds=3
    )


@pytest.fixture(scope="session")
def clean(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``clean("ridge")`` is the first fold of a method, trained once."""
    folder = tmp_path_factory.mktemp("trained")

    def trained(name: str) -> Path:
        output = folder / name / "repeat-0" / "fold-0"
        return output if output.is_dir() else train(cohort, output, name)

    return trained


@pytest.fixture(scope="session")
def held_out_spoiled(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort with garbage in the people held out in the first fold."""
    return spoil(cohort, tmp_path_factory.mktemp("held-out") / "cohort", "held-out")


@pytest.fixture(scope="session")
def validation_spoiled(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort with garbage in the people of the inner validation of the first fold."""
    return spoil(cohort, tmp_path_factory.mktemp("validation") / "cohort", "validation")

"""Products in bfloat16, and a compiled step: the same network, told apart by rounding only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.methods import gendmr
from gendmr.preprocessing.preparation import Preparation

SMALL = {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "partitions": 2, "parts": 3}
has_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    return shared_cohort(snps=60, regions=8, genes=20)


def held_out_logits(
    cohort: Path, device: str = "cpu", **optimisation: Any
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    options = MethodOptions.parse(
        {
            "method": SMALL,
            "adjustment": {"components": 2},
            "optimisation": {"epochs": 3, **optimisation},
        }
    )
    view = FoldView.open(cohort, 0, 0)
    preparation = Preparation.fit(view, options)
    train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    view.seal()
    fitted = gendmr.build(options).fit(
        train, validation, preparation, seed=1, device=device, progress=lambda line: None
    )
    return fitted.logits(preparation.apply(view.held_out)), fitted.weights


def test_bfloat16_changes_rounding_and_keeps_weights_in_float32(cohort: Path) -> None:
    exact, _ = held_out_logits(cohort)
    rounded, weights = held_out_logits(cohort, precision="bfloat16")
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.02)
    kinds = {value.dtype for value in weights.values() if value.dtype.kind == "f"}
    assert kinds <= {np.dtype(np.float32), np.dtype(np.float64)}
    again, _ = held_out_logits(cohort, precision="bfloat16")
    assert np.array_equal(again, rounded)


@pytest.mark.gpu
@pytest.mark.slow
@has_gpu
@pytest.mark.parametrize("optimisation", [{"precision": "bfloat16"}, {"compiled": True}], ids=str)
def test_a_gpu_gives_the_same_but_for_rounding(cohort: Path, optimisation: dict[str, Any]) -> None:
    exact, _ = held_out_logits(cohort)
    found, _ = held_out_logits(cohort, "cuda", **optimisation)
    np.testing.assert_allclose(found, exact, atol=0.05)

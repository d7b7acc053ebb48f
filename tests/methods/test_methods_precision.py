"""Products in bfloat16, and a compiled step: the same network, told apart by rounding only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gendmr.methods.base import FitInputs
from gendmr.methods.gendmr.method import build

SMALL = {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "partitions": 2, "parts": 3}
has_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def cohort(shared_cohort: Callable[..., Path]) -> Path:
    return shared_cohort(snps=60, regions=8, genes=20)


@pytest.fixture
def held_out(cohort: Path, prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Return the output of held-out people and the weights, by device and options."""

    def trained(device: str = "cpu", **optimisation: Any) -> tuple[Any, dict[str, np.ndarray]]:
        fold = prepare(cohort, SMALL, optimisation={"epochs": 3, **optimisation})
        fitted = build(fold.options).fit(
            FitInputs(fold.train, fold.validation, fold.preparation, 1),
            device=device,
            progress=lambda line: None,
        )
        return fitted.predict(fold.held_out), fitted.weights

    return trained


def test_bfloat16_changes_rounding_and_keeps_weights_in_float32(held_out: Any) -> None:
    exact, _ = held_out()
    rounded, weights = held_out(precision="bfloat16")
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.02)
    kinds = {value.dtype for value in weights.values() if value.dtype.kind == "f"}
    assert kinds <= {np.dtype(np.float32), np.dtype(np.float64)}
    again, _ = held_out(precision="bfloat16")
    assert np.array_equal(again, rounded)


@pytest.mark.gpu
@pytest.mark.slow
@has_gpu
@pytest.mark.parametrize("optimisation", [{"precision": "bfloat16"}, {"compiled": True}], ids=str)
def test_a_gpu_gives_the_same_but_for_rounding(held_out: Any, optimisation: dict[str, Any]) -> None:
    exact, _ = held_out()
    on_gpu, _ = held_out("cuda", **optimisation)
    np.testing.assert_allclose(on_gpu, exact, atol=0.05)

"""One small study, run once end to end through Snakemake, for all tests of the workflow."""

from __future__ import annotations

import pytest

from checkout import ROOT, Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study, finished."""
    checkout = Checkout(tmp_path_factory.mktemp("tiny"), ROOT / "tests/workflow/tiny.yaml")
    checkout.snakemake()
    return checkout

"""Finished studies for the tests of the report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from report.studies import Maker, make_study


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Make a study once, for all tests that want the same."""
    folder = tmp_path_factory.mktemp("studies")

    def make(**options: Any) -> Path:
        results = folder / "-".join(f"{key}={value}" for key, value in options.items()) / "tiny"
        return results if results.exists() else make_study(results, **options)

    return make


@pytest.fixture
def study(tmp_path: Path, originals: Maker) -> Maker:
    """Make `results/tiny`, to be changed at will."""

    def copy(**options: int) -> Path:
        results = tmp_path / "results" / "tiny"
        shutil.copytree(originals(**options), results)
        return results

    return copy

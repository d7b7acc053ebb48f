"""Examples in docstrings of the package give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import gendmr

PACKAGE = Path(gendmr.__file__).parent
WITH_EXAMPLES = [
    ".".join(("gendmr", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_examples_are_looked_for_in_the_whole_package():
    assert len(WITH_EXAMPLES) >= 5
    assert len({name.split(".")[1] for name in WITH_EXAMPLES}) > 1

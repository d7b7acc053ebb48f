"""Examples in docstrings of the package, and on its pages for notebooks, give what they say."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
import shutil
from pathlib import Path

import pytest

import gendmr
from opened_studies import make_opened_study

PACKAGE = Path(gendmr.__file__).parent
WITH_EXAMPLES = [
    ".".join(("gendmr", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]
# Those that read results/mine of the folder in which they run.
OF_A_STUDY = {"gendmr", "gendmr.notebook.study"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of two studies."""
    folder = tmp_path_factory.mktemp("examples")
    mine = make_opened_study(folder / "results" / "mine")
    shutil.copytree(mine, folder / "results" / "demo")
    return folder


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings_hold(name, request, monkeypatch):
    if name in OF_A_STUDY:
        monkeypatch.chdir(request.getfixturevalue("folder"))
    result = doctest.testmod(importlib.import_module(name), extraglobs={"gendmr": gendmr})
    assert result.attempted > 0
    assert result.failed == 0


def test_examples_are_looked_for_in_the_whole_package():
    assert len(WITH_EXAMPLES) >= 5
    assert len({name.split(".")[1] for name in WITH_EXAMPLES if "." in name}) > 1


def test_the_page_for_notebooks_can_be_typed_as_it_stands(root, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    cells = BLOCK.findall((root / "docs/how-to/notebook.md").read_text(encoding="utf-8"))
    assert len(cells) >= 5
    (tmp_path / "cells.py").write_text("\n".join(cells))
    names = runpy.run_path(str(tmp_path / "cells.py"))
    assert len(names["risk"]) and names["study"].methods

"""docs/reference/hazards.md: every hazard that it tells of is shown by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import gendmr.errors
from gendmr.errors import GendmrError

LEAST = 400
SECTIONS = (
    *("Genotypes", "Ancestry and kinship", "Identifiers", "Images", "Tables"),
    "Outcomes, folds and methods",
    "Provenance and security",
)
ERRORS = {
    name
    for name, value in vars(gendmr.errors).items()
    if isinstance(value, type) and issubclass(value, GendmrError)
}


def rows(root: Path) -> list[tuple[str, list[str]]]:
    """Return the section and the cells of each row of the tables."""
    table_rows, section = [], ""
    for line in (root / "docs/reference/hazards.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|") and not line.startswith(("| hazard |", "|---")):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            table_rows.append((section, cells))
    return table_rows


def functions_of(path: Path) -> set[str]:
    """Return the names of the test functions of a file, without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_a_test_that_exists(root):
    wrong = []
    for section, cells in rows(root):
        named = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", cells[-1])
        if len(cells) != 3 or not all(cells) or named is None:
            wrong.append(f"{section}: {cells}")
        elif not (root / named[1]).is_file() or named[2] not in functions_of(root / named[1]):
            wrong.append(f"{section}: no {cells[-1]}")
    assert wrong == []


def test_errors_that_rows_name_exist(root):
    named = {
        word
        for _, cells in rows(root)
        for word in re.findall(r"\b[A-Z]\w+Error\b", cells[1] if len(cells) > 1 else "")
    }
    assert named
    assert named <= ERRORS


def test_no_hazard_is_told_twice(root):
    hazards = [(section, cells[0]) for section, cells in rows(root)]
    assert len(hazards) == len(set(hazards))


def test_there_are_enough_of_them(root):
    assert len(rows(root)) >= LEAST


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_is_empty(root, section):
    assert [cells for name, cells in rows(root) if name == section]

"""The code on pages that say how to add a member: each block is a file as it would be written."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath

import pytest
import yaml

PAGES = ("add-a-method", "add-a-modality", "add-a-task", "add-a-figure")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(root: Path, page: str) -> list[tuple[str, str, str]]:
    """Return language, path and text of the blocks of a page; the path is in the first comment."""
    text = (root / "docs/how-to" / f"{page}.md").read_text(encoding="utf-8")
    return [
        (language, body.splitlines()[0].removeprefix("# "), body)
        for language, body in BLOCK.findall(text)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_a_file_that_can_be_read(root, page):
    files = blocks(root, page)
    assert files
    for language, path, body in files:
        name = PurePosixPath(path)
        assert body.startswith("# ") and not name.is_absolute()
        if language == "python":
            assert path.startswith(("workflow/gendmr/", "tests/")) and name.suffix == ".py"
            ast.parse(body)
            assert max(map(len, body.splitlines())) <= 100
        else:
            assert language == "yaml"
            assert path.startswith("config/") and name.suffix == ".yaml"
            assert yaml.safe_load(body)


@pytest.mark.parametrize("page", PAGES)
def test_no_file_is_written_twice_by_a_page(root, page):
    paths = [path for _, path, _ in blocks(root, page)]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_a_page(root, page):
    text = (root / "docs/how-to" / f"{page}.md").read_text(encoding="utf-8")
    prose = BLOCK.sub("", text)
    assert len(prose.splitlines()) <= 80

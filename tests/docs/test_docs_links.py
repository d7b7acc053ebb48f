"""Links of all Markdown files lead somewhere, and every page of docs/ can be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
LINK = re.compile(r"\]\(\s*<?([^()\s>]+)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ANCHOR = re.compile(r"""<[^>]+\s(?:id|name)=["']([^"']+)["']""")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def links(text: str) -> list[str]:
    """Return the targets of links and pictures, but for those in code."""
    prose = CODE.sub("", FENCE.sub("", text))
    return LINK.findall(prose) + REFERENCE.findall(prose)


def anchors(text: str) -> set[str]:
    """Return what `#...` can name: headings as GitHub slugs them, and explicit anchors."""
    slugs: set[str] = set()
    count: dict[str, int] = {}
    for heading in HEADING.findall(FENCE.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        repeated = count.get(slug, 0)
        count[slug] = repeated + 1
        slugs.add(f"{slug}-{repeated}" if repeated else slug)
    return slugs | set(ANCHOR.findall(text))


def broken(page: Path) -> Iterator[str]:
    """Yield the targets of a page that name no file of the checkout, or no heading of it."""
    for target in links(page.read_text(encoding="utf-8")):
        if ELSEWHERE.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / unquote(name) if name else page
        missing = name.startswith("/") or not path.exists()
        if missing or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            yield target


def reachable(start: Path) -> set[Path]:
    """Return the Markdown files that links lead to from a page, itself included."""
    seen: set[Path] = set()
    ahead = [start.resolve()]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        for target in links(page.read_text(encoding="utf-8")):
            name = target.partition("#")[0]
            if name and not ELSEWHERE.match(target):
                ahead.append((page.parent / unquote(name)).resolve())
    return seen


def markdown_files(root: Path) -> list[Path]:
    """Return the Markdown files of the project, tracked or not, but for what git ignores."""
    folders = ("docs", "config", "benchmarks", "resources", "tests", "workflow", "envs", ".github")
    pages = [page for folder in folders for page in (root / folder).rglob("*.md")]
    return sorted([*root.glob("*.md"), *pages])


def test_every_link_names_a_file_and_a_heading(root):
    pages = {str(page.relative_to(root)): page for page in markdown_files(root)}
    assert {"README.md", "docs/index.md"} <= set(pages)
    wrong = [f"{name}: {target}" for name, page in pages.items() for target in broken(page)]
    assert wrong == []


def test_every_page_can_be_reached_from_the_index(root):
    pages = {page.resolve() for page in (root / "docs").rglob("*.md")}
    lost = pages - reachable(root / "docs/index.md")
    assert sorted(str(page.relative_to(root)) for page in lost) == []


def test_the_index_can_be_reached_from_the_readme(root):
    assert (root / "docs/index.md").resolve() in reachable(root / "README.md")


def test_every_file_of_docs_is_shown_or_named_by_a_page(root):
    text = "\n".join(page.read_text(encoding="utf-8") for page in markdown_files(root))
    files = [path for path in (root / "docs").rglob("*") if path.is_file()]
    files = [path for path in files if "__pycache__" not in path.parts]
    assert [path.name for path in files if path.suffix != ".md" and path.name not in text] == []


def test_the_readme_is_short(root):
    assert len((root / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("[a](b.md) and ![c](d.png)", ["b.md", "d.png"]),
        ('[a](b.md "title"), [![c](d.png)](e.md)', ["b.md", "d.png", "e.md"]),
        ("[a]: b.md\n\n[a]", ["b.md"]),
        ("`[a](b.md)`\n\n```\n[c](d.md)\n```\n[e](f.md#g)", ["f.md#g"]),
    ],
)
def test_links__are_read_outside_of_code(text, targets):
    assert links(text) == targets


def test_anchors__are_those_of_github():
    text = "# What will a run cost?\n## One `fold`, again\n## A\n## A\n```\n# no\n```\n"
    assert anchors(text) == {"what-will-a-run-cost", "one-fold-again", "a", "a-1"}


@pytest.mark.parametrize(
    "target", ["gone.md", "page.md#gone", "#gone", "picture.png", "/page.md", "../page.md"]
)
def test_broken__names_what_is_not_there(tmp_path, target):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n[good](page.md#title) [good](#title) [bad]({target})\n")
    assert list(broken(page)) == [target]


def test_reachable__leaves_out_what_no_link_names(tmp_path):
    (tmp_path / "index.md").write_text("[a](a.md)")
    (tmp_path / "a.md").write_text("[index](index.md) [out](https://example.org/lost.md)")
    (tmp_path / "lost.md").write_text("[a](a.md)")
    assert {page.name for page in reachable(tmp_path / "index.md")} == {"index.md", "a.md"}

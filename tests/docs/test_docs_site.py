"""The site of the documentation: it builds without a warning, and nothing in it leads nowhere."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

# Addresses on a page that a reader's browser fetches by itself.
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")}
# Markdown that was not taken for what it is would stand in a paragraph as it was typed.
TYPED = ("\n- ", "\n* ", "\n1. ", "\n| ", "```", "](", ":::", "\n### ")


class SitePage(HTMLParser):
    """What is on a page: the names that links can lead to, links, what is fetched, paragraphs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.paragraphs: list[str] = []
        self.headings = 0
        self._in_paragraph = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.names |= {values[name] for name in ("id", "name") if name in values}
        self.headings += tag == "h1"
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        is_address = tag == "link" and values.get("rel") in ("canonical", "prev", "next")
        for name, value in values.items():
            if (tag, name) in FETCHED and not is_address:
                self.fetched.append(value)
        if tag == "p":
            self._in_paragraph = True
            self.paragraphs.append("")
        if tag == "code":
            self._in_paragraph = False

    def handle_endtag(self, tag: str) -> None:
        self._in_paragraph = (self._in_paragraph and tag != "p") or tag == "code"

    def handle_data(self, data: str) -> None:
        if self._in_paragraph and self.paragraphs:
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, SitePage]:
    """The pages of the site by path; the example report, which is no page of ours, among them."""
    # That of a server without an address: its links begin at the root of a site.
    paths = [path for path in site.rglob("*.html") if path.name != "404.html"]
    return {path: SitePage(path.read_text(encoding="utf-8")) for path in paths}


def lost(page: Path, address: str, pages: dict[Path, SitePage]) -> bool:
    """Return whether an address on a page leads to no file of the site, or to no place of it."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return False
    target = page.parent / unquote(parts.path) if parts.path else page
    target = Path(os.path.normpath(target))
    if not target.is_file():
        return True
    return bool(parts.fragment) and unquote(parts.fragment) not in pages[target].names


def test_every_link_of_the_site_leads_to_a_page_and_a_place(pages, site):
    wrong = [
        f"{page.relative_to(site)}: {address}"
        for page, content in pages.items()
        for address in [*content.links, *content.fetched]
        if not address.startswith("data:") and lost(page, address, pages)
    ]
    assert len(pages) > 40
    assert sorted(set(wrong)) == []


def test_no_page_asks_another_host_for_anything(pages, site):
    hosts = {
        f"{page.relative_to(site)}: {address}"
        for page, content in pages.items()
        for address in content.fetched
        if urlsplit(address).netloc
    }
    assert hosts == set()


def test_no_markdown_is_left_as_it_was_typed(pages, site):
    typed = [
        f"{page.relative_to(site)}: {text[:80]!r}"
        for page, content in pages.items()
        for text in content.paragraphs
        if any(mark in text for mark in TYPED)
    ]
    assert typed == []


def test_every_page_has_one_title_and_is_found_by_the_search(pages, site):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = {")
    for page, content in pages.items():
        assert content.headings == 1, page
        if page.parent.name != "example":
            assert f'"{page.relative_to(site).as_posix()}' in index, page


def test_the_api_page_has_every_public_method(root, pages, site):
    from gendmr.notebook import Figure, OpenedStudy

    names = pages[site / "reference" / "api.html"].names
    public = [name for name in vars(OpenedStudy) if not name.startswith("_")]
    assert len(public) > 15
    for name in public:
        assert f"gendmr.notebook.OpenedStudy.{name}" in names
    assert {"gendmr.open", f"gendmr.notebook.{Figure.__name__}"} <= names


@pytest.mark.parametrize(
    ("address", "leads_nowhere"),
    [("b.html#x", False), ("b.html#y", True), ("c.html", True), ("#x", True), ("//a.org/", False)],
)
def test_lost__is_what_leads_to_no_page_or_no_place(tmp_path, address, leads_nowhere):
    pages = {tmp_path / "a.html": SitePage("<p>a"), tmp_path / "b.html": SitePage('<p id="x">b')}
    for path in pages:
        path.touch()
    assert lost(tmp_path / "a.html", address, pages) is leads_nowhere


def test_paragraphs__are_without_code():
    page = SitePage("<h1>a</h1><p>one\n- two <code>](</code> three</p><li>](</li>")
    assert page.paragraphs == ["one\n- two  three"] and page.headings == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](gone.md)", "gone.md"),
        ("[a](other.md#gone)", "gone"),
        ("[a](../GONE.md)", "GONE.md"),
    ],
)
def test_build__ends_where_a_link_leads_nowhere(root, build, tmp_path, text, complaint):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(f"# Title\n\n{text}\n\n[b](other.md)\n")
    (tmp_path / "docs/other.md").write_text("# Other\n")
    config = (root / "mkdocs.yml").read_text()
    checks = config[config.index("validation:") : config.index("\nnav:")]
    hook = root / "docs/site/pages.py"
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\nhooks: [{hook}]\nstrict: true\n{checks}")
    done = build(tmp_path, tmp_path / "built")
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr

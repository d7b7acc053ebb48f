"""The example report has the form that the code gives a report today."""

from __future__ import annotations

import importlib.util
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from gendmr.report.page import TEMPLATES
from report.studies import make_study, report_study

HEADINGS = {"h1", "h2", "h3", "th"}
# Headings of what the demo has not.
OF_OTHER_STUDIES = {
    *("Are the measurements plausible?", "Left out", "Status", "Block", "Rank among blocks")
}
AGAIN = "make demo, then: python docs/site/example.py results/demo"


class Form(HTMLParser):
    """The headings of a page with those of its tables, and the ids of its chapters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.chapters: list[str] = []
        self._inside = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HEADINGS:
            self._inside = 1
            self.headings.append("")
        if tag == "h2" and dict(attrs).get("id"):
            self.chapters.append(str(dict(attrs)["id"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in HEADINGS:
            self._inside = 0

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.headings[-1] += data


@pytest.fixture(scope="module")
def example(root: Path) -> str:
    return (root / "docs/example/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("example", root / "docs/site/example.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a made-up study, as the code writes it today."""
    results = make_study(tmp_path_factory.mktemp("example") / "results" / "tiny")
    report_study(results)
    return results


def test_style_and_script_are_those_of_the_package(example, writer):
    assert writer.in_present_form(example) == example, "python docs/site/example.py"


def test_every_heading_of_a_template_is_in_it(example):
    texts = "\n".join(path.read_text() for path in sorted(TEMPLATES.glob("*.j2")))
    written = re.findall(r"<(?:h1|h2|h3|th)\b[^>]*>([^<>{}]+)</(?:h1|h2|h3|th)>", texts)
    assert len(set(written)) > 40
    assert set(written) - set(Form(example).headings) == OF_OTHER_STUDIES, AGAIN


def test_every_chapter_of_a_report_of_today_is_in_it(example, present):
    today = Form((present / "report/summary.html").read_text(encoding="utf-8"))
    assert len(today.chapters) > 5
    assert set(today.chapters) <= set(Form(example).chapters), AGAIN


def test_main__writes_a_smaller_page_that_says_the_same(present, writer, monkeypatch, tmp_path):
    monkeypatch.setattr(writer, "EXAMPLE", tmp_path / "example" / "report.html")
    monkeypatch.setattr(sys, "argv", ["example.py", str(present)])
    writer.main()
    written = (tmp_path / "example" / "report.html").read_text(encoding="utf-8")
    page = (present / "report" / "summary.html").read_text(encoding="utf-8")
    assert len(written) < len(page)
    assert writer.PNG.sub("", written) == writer.PNG.sub("", page)
    assert len(writer.PNG.findall(written)) == len(writer.PNG.findall(page)) > 5


def test_the_example_is_small_and_of_made_up_people(root, example):
    assert (root / "docs/example/report.html").stat().st_size < 3_000_000
    assert "people are made up" in " ".join(example.split())
    assert not re.search(r'(?:src|href)="(?!#|data:)', example), "it needs no other file"

"""The page: one file without links, and no script but our own, whatever a person typed."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr import style
from gendmr.config.report import ReportSection
from gendmr.report import page as page_module
from gendmr.report.page import embedded, page_picture
from report.studies import copy_method, report_study
from tracking.test_tracking_browser import Browser

Maker = Callable[..., Path]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.seen: set[str] = set()
        self.scripts: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(values["content"])
        # A script that names a file, or a handler of events, would be somebody else's.
        assert not any(name == "srcdoc" or name.startswith("on") for name in values)
        self.sources += [str(values[name]) for name in ("src", "href") if name in values]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_self_contained_and_escaped(study: Maker) -> None:
    results = study()
    hostile = ReportSection(title="<script>alert(1)</script> & co")
    report_study(results, hostile)
    text = (results / "report" / "summary.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    script = (Path(page_module.__file__).parent / "templates" / "search.js").read_text()
    assert page.scripts == [script]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]
    assert not re.search(r"https?:|fetch|XMLHttp|import\b|eval|innerHTML", script)
    assert "&lt;b&gt;209&lt;/b&gt;" in text
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)
    assert sum(source.startswith("data:image/") for source in page.sources) == 12
    for anchor in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{anchor}"' in text


def test_nothing_that_a_person_typed_becomes_a_tag(study: Maker, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    results = study()
    method = results / "training" / evil
    copy_method(results, "gendmr", evil)
    shutil.copytree(results / "ranking" / "gendmr", results / "ranking" / evil)
    for path in method.rglob("run.json"):
        run = json.loads(path.read_text())
        run |= {"notes": [evil], "device": evil, "versions": {evil: evil}, "kind": evil}
        path.write_text(json.dumps(run))
    for path, column in (
        ("ranking/gendmr/genes.tsv", "gene"),
        ("ranking/gendmr/regions.tsv", "region"),
        ("ranking/gendmr/regions.tsv", "direction"),
        ("imaging/quality.tsv", "reason"),
        ("cohort/attrition.tsv", "reason"),
        ("cohort/attrition.tsv", "step"),
    ):
        table = pd.read_csv(results / path, sep="\t", dtype=str, keep_default_na=False)
        table[column] = evil
        table.to_csv(results / path, sep="\t", index=False)
    for stage in ("cohort", "ranking/gendmr"):
        (results / stage / "summary.json").write_text(json.dumps({"notes": [{evil: evil}]}))
    record = {"sha256": evil, "bytes": 1, "modified": 1}
    change = {"path": evil, "before": evil, "after": evil}
    (results / "cohort" / "inputs.json").write_text(
        json.dumps({"files": {"tables": {evil: record}}, "changes": [change]})
    )
    named = tmp_path / "results" / evil
    results.rename(named)
    report_study(named, ReportSection(reference=evil))
    text = (named / "report" / "summary.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)
    assert "onerror" in text and len(page.scripts) == 1
    assert "<img src=x" not in text
    for path in sorted((named / "report" / "figures").glob("*.svg")):
        ElementTree.parse(path)  # noqa: S314 - our own file; well-formed
        assert "<img" not in path.read_text(), path


def test_figures_have_the_width_at_which_their_text_is_as_large_as_that_of_the_page(
    tmp_path: Path,
) -> None:
    widths = []
    for width in (style.COLUMN, style.PAGE):
        style.save(style.canvas(size=(width, 1.0))[0], tmp_path / "figure.png", crop=False)
        image = page_picture(tmp_path / "figure.png")
        assert image is not None and image.sentence is None
        widths.append(image.width)
    assert widths == [481, 992]  # 992 is the width of the text


def test_a_figure_that_only_says_why_there_is_none_is_a_sentence_on_the_page(
    study: Maker,
) -> None:
    results = study()
    style.text_figure("Nothing <is> ranked.", results / "ranking/gendmr/figures/stability.png")
    report_study(results, ReportSection())
    text = (results / "report" / "summary.html").read_text()
    assert '<p class="soft">Nothing &lt;is&gt; ranked.</p>' in text
    assert "Rank stability" not in text


@given(st.text(st.sampled_from("<>&\"'/! -script"), max_size=60))
def test_embedded__ends_no_script_and_gives_the_page_back(text: str) -> None:
    page = f"<!doctype html><p>{text}</p><script>1 < 2</script>"
    element = embedded(page)
    inside = element.partition('srcdoc="')[2].rpartition('"')[0]
    assert not re.search(r"[<>\"]", inside), "a script around it would end, or the attribute"
    assert html.unescape(inside) == page


# Figures that are drawn narrower than their natural width, though the page has the room.
NARROWER_THAN_THEY_ARE = """
const room = document.querySelector(".gendmr h1").clientWidth;
return [...document.querySelectorAll("figure img[width]")].filter((img) => img.offsetParent)
  .filter((img) => img.clientWidth < Math.min(Number(img.getAttribute("width")), room) - 4)
  .map((img) => `${img.alt}: ${img.clientWidth} of ${img.getAttribute("width")}`);
"""


@pytest.mark.browser
@pytest.mark.slow
def test_embedded__is_the_page_with_its_search_in_snakemakes_report(
    study: Maker, tmp_path: Path
) -> None:
    """As Snakemake does it: a text in a script, which the page writes into itself."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver: apt install chromium chromium-driver")
    results = study()
    report_study(results, ReportSection())
    text = json.dumps((results / "report/embedded.html").read_text())
    path = tmp_path / "report.html"
    path.write_text(
        f"<!doctype html><div id=root></div><script>var text = {text};\n"
        "document.getElementById('root').innerHTML = text;</script>"
    )
    browser = Browser(tmp_path / "profile")
    try:
        browser.driver.get(path.as_uri())
        frame = browser.wait(lambda: browser.all("iframe.gendmr"))[0]
        assert frame.size["height"] > 500 and frame.size["width"] > 800
        browser.driver.switch_to.frame(frame)
        browser.wait(lambda: browser.all("h1", "Study"))
        shrunk = browser.driver.execute_script(NARROWER_THAN_THEY_ARE)
        assert shrunk == []
        browser.driver.find_element("css selector", "details:has(.searchable) summary").click()
        rows = lambda: browser.all(".searchable tbody tr")  # noqa: E731
        unfiltered = len(browser.wait(rows))
        (box,) = browser.all(".tools input")
        box.send_keys(rows()[0].text.split()[1])
        browser.wait(lambda: 0 < len(rows()) < unfiltered)
    finally:
        browser.driver.quit()

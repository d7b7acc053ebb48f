"""MLflow's pages in a real browser: what a person who compares folds sees."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gendmr.config.tracking import TrackingSection
from gendmr.report.table import _paths
from gendmr.tracking.sync import sync
from tracking.servers import Server, client_of, free_port, running, runs_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Maker = Callable[..., Path]
WAIT = 120.0  # seconds: a busy machine draws slowly
WIDTH, HEIGHT = 1440, 1300


class Browser:
    """A headless Chromium; every page is opened afresh and shown without MLflow's assistant."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for word in (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={profile}"),
        ):
            options.add_argument(word)
        # The driver is named, so that none is looked for on the network.
        service = Service(str(shutil.which("chromedriver")))
        self.driver = webdriver.Chrome(options=options, service=service)

    def open(self, address: str) -> None:
        self.driver.get("about:blank")  # else only what follows the # changes
        self.driver.get(address)
        self.wait(lambda: self.all("nav, aside, [role=navigation]"))

    def all(self, selector: str, text: str = "") -> list[Any]:
        """Visible elements, those with a text in them."""
        elements = self.driver.find_elements("css selector", selector)
        return [item for item in elements if item.is_displayed() and text in item.text]

    def wait(self, true: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(
            self.driver, WAIT, 0.3, ignored_exceptions=[StaleElementReferenceException]
        )
        return waiting.until(lambda _: true())

    @property
    def text(self) -> str:
        return str(self.driver.find_element("css selector", "body").text)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver: apt install chromium chromium-driver")
    open_browser = Browser(tmp_path_factory.mktemp("profile"))
    yield open_browser
    open_browser.driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """The documented command over a finished study of three methods."""
    from tracking.conftest import make_finished

    folder = tmp_path_factory.mktemp("pages")
    results = make_finished(folder, "gendmr", "ridge", "ridge-snp", folds=5, epochs=20)
    sync(results, TrackingSection())
    server = Server(folder, "sqlite:///results/tiny/tracking/mlflow.db")
    with running(server):
        yield server, results


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[str]:
    """The address that the command at the end of a run prints, while that command runs."""
    from tracking.conftest import make_finished

    folder = tmp_path_factory.mktemp("printed")
    results = make_finished(folder, "gendmr", "ridge", folds=3)
    logs = folder / "logs/tiny/training"
    for method in ("gendmr", "ridge"):
        (logs / method / "repeat-0").mkdir(parents=True)
        for fold in range(3):
            path = logs / method / f"repeat-0/fold-{fold}.benchmark.tsv"
            path.write_text("s\th:m:s\n20\t0:00:20\n")
    sync(results, TrackingSection())
    with contextlib.chdir(folder):
        ends = _paths(results.relative_to(folder))
    (line,) = [end for end in ends if end.startswith("Compare")]
    words = shlex.split(line)[1:]
    # The plugin as an installed package has it, wherever this one was installed before.
    plugin = tmp_path_factory.mktemp("installed")
    (plugin / "pages-1.dist-info").mkdir()
    (plugin / "pages-1.dist-info/METADATA").write_text("Name: pages\nVersion: 1\n")
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"{name} = {value}\n" for name, value in points["mlflow.app"].items()]
    (plugin / "pages-1.dist-info/entry_points.txt").write_text("[mlflow.app]\n" + "".join(lines))
    path = f"{plugin}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    process = subprocess.Popen(
        [*words, "--port", str(free_port())],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path},
    )  # fmt: skip
    try:
        printed_lines: list[str] = []
        while not (printed_lines and printed_lines[-1].startswith("Methods side by side: ")):
            printed_lines.append(process.stdout.readline())  # type: ignore[union-attr]
            assert printed_lines[-1], printed_lines
        yield printed_lines[-1].partition(": ")[2].strip()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert not (folder / "mlruns").exists() and not (results / "tracking/show.log").exists()


def no_language_models(browser: Browser) -> bool:
    """Whether the menu is that of trained models; MLflow's other one has more entries."""
    return not {"Sessions", "Judges", "Prompts", "AI Gateway"} & set(browser.text.splitlines())


def test_show__the_printed_page_is_the_comparison_and_a_click_away_from_two_methods(
    browser: Browser, printed: str
) -> None:
    browser.open(printed)
    browser.wait(lambda: "2 matching runs" in browser.text)
    lines = browser.text.splitlines()
    assert "Runs" in lines and "Methods" in lines and "auc" in lines
    assert no_language_models(browser) and "Ask a question" not in browser.text
    assert lines.count("1.0min") == 2, lines  # three folds of 20 seconds
    # All rows at once, in the page: it draws them anew at each tick.
    browser.driver.execute_script(
        "document.querySelectorAll('[role=row][row-index] .ag-selection-checkbox input')"
        ".forEach(box => box.click())"
    )
    browser.wait(lambda: browser.all("button", "Compare"))
    browser.all("button", "Compare")[-1].click()
    browser.wait(lambda: "Comparing 2 Runs" in browser.text)
    browser.wait(lambda: browser.all(".js-plotly-plot svg"))
    assert no_language_models(browser)


def test_show__the_start_page_leads_to_the_runs_and_to_no_traces(
    browser: Browser, printed: str
) -> None:
    """As one who opens the plain address, clicks the study, and leaves its saved view."""
    browser.driver.delete_all_cookies()
    browser.open(printed.partition("#")[0])
    browser.wait(lambda: browser.all("a", "tiny"))
    assert no_language_models(browser)
    browser.all("a", "tiny")[-1].click()
    browser.wait(lambda: "8 matching runs" in browser.text)
    assert no_language_models(browser)
    names = {line for line in browser.text.splitlines() if "gendmr" in line or "ridge" in line}
    assert names == {"gendmr", "ridge"}, "no fold before its method is unfolded"


def experiment(server: Server) -> str:
    return str(client_of(server.address).get_experiment_by_name("tiny").experiment_id)


def view(server: Server, name: str) -> str:
    words = urlencode({"viewStateShareKey": name, "workflowType": "machine_learning"})
    return f"{server.address}/#/experiments/{experiment(server)}/runs?{words}"


def compare(server: Server, *methods: str) -> str:
    runs = [
        run
        for run in runs_of(server.address, "tiny")
        if run.data.tags["level"] == "fold" and run.data.tags["method"] in methods
    ]
    runs.sort(key=lambda run: run.data.tags["gendmr.key"])
    words = {
        "runs": json.dumps([run.info.run_id for run in runs]),
        "experiments": json.dumps([experiment(server)]),
        "workflowType": "machine_learning",
    }
    return f"{server.address}/#/compare-runs?{urlencode(words)}"


def test_the_page_that_compares_folds_of_two_methods(
    browser: Browser, pages: tuple[Server, Path]
) -> None:
    server, _ = pages
    browser.open(compare(server, "gendmr", "ridge"))
    browser.wait(lambda: "Comparing 10 Runs" in browser.text)
    # The chart: lines drawn, one axis for the fold and one for the AUC.
    browser.wait(lambda: browser.all(".js-plotly-plot svg"))
    (chart,) = browser.all(".js-plotly-plot")
    assert chart.size["width"] > 300 and chart.size["height"] > 200
    assert {"fold", "method", "gendmr", "ridge", "auc"} <= set(chart.text.split())
    # The table: every fold by name, and what they differ in.
    for method in ("gendmr", "ridge"):
        for fold in range(5):
            assert f"{method} · r0 · f{fold}" in browser.text
    rows = set(browser.text.splitlines())
    assert {"Run Name:", "auc", "brier"} <= rows  # the chart draws no Brier score


def test_the_list_of_runs_opens_with_what_one_looks_for(
    browser: Browser, pages: tuple[Server, Path]
) -> None:
    server, _ = pages
    browser.open(view(server, "methods"))
    browser.wait(lambda: "3 matching runs" in browser.text)
    for name in ("auc", "auc/low", "auc/high", "0.62"):
        assert name in browser.text, name
    browser.open(view(server, "folds"))
    browser.wait(lambda: "15 matching runs" in browser.text)
    assert "gendmr · r0 · f4" in browser.text
    order = [line for line in browser.text.splitlines() if " · r0 · f" in line]
    assert {line[-2:] for line in order[:3]} == {"f4"}  # the best AUC first

    browser.open(view(server, "curves") + "&compareRunsMode=CHART")
    browser.wait(lambda: len(browser.all(".js-plotly-plot")) >= 3)
    for title in ("Held-out people", "Training", "Group: gendmr"):
        assert title in browser.text, title


def test_figures_come_through_the_page_and_nothing_is_written_elsewhere(
    pages: tuple[Server, Path],
) -> None:
    server, results = pages
    parent = next(
        run for run in runs_of(server.address, "tiny") if run.data.tags["gendmr.key"] == "gendmr"
    )
    words = urlencode({"path": "ranking/figures/genome.png", "run_uuid": parent.info.run_id})
    with urllib.request.urlopen(  # noqa: S310
        f"{server.address}/get-artifact?{words}", timeout=60
    ) as answer:
        assert answer.read() == (results / "ranking/gendmr/figures/genome.png").read_bytes()
    assert not (server.folder / "mlruns").exists()

"""The site in a real browser, from a disk: its search, its width on a phone, its colours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = 390  # CSS pixels
WAIT = 120.0  # seconds: a busy machine draws slowly
# Relative luminance and contrast as WCAG 2.1 defines them.
CONTRAST = """
const light = (text) => {
  const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const link = document.querySelector("article p a[href]");
const [a, b] = [getComputedStyle(link).color, getComputedStyle(document.body).backgroundColor]
  .map(light).sort((x, y) => y - x);
return (a + 0.05) / (b + 0.05);
"""


@pytest.fixture(scope="module")
def address(site: Path) -> str:
    """Where a browser finds the site: on this disk."""
    return site.as_uri()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver: apt install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for word in (
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--window-size=1280,900"),
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    yield chrome
    chrome.quit()


def test_search__finds_pages_without_a_server_or_a_network(driver, address):
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(f"{address}/how-to/notebook.html")
    driver.find_element("css selector", ".md-search__input").send_keys("kinship")
    results = WebDriverWait(driver, WAIT, 0.3).until(
        lambda _: driver.find_elements("css selector", ".md-search-result__link")
    )
    links = [item.get_attribute("href") for item in results]
    assert any("reference/hazards.html" in link for link in links)
    assert all(link.startswith("file://") for link in links)
    severe = [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    assert severe == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_links__can_be_read_in_both_schemes(driver, address, scheme):
    preference = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preference})
    driver.get(f"{address}/tutorial/own-data.html")
    assert driver.execute_script(CONTRAST) >= 4.5


@pytest.mark.parametrize(
    "page", ["index", "reference/hazards", "reference/api", "explanation/planted", "tutorial/adni"]
)
def test_a_page_is_no_wider_than_a_phone(driver, address, page):
    size = {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(f"{address}/{page}.html")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= PHONE

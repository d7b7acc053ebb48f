"""One version everywhere: package, citation, changelog."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from gendmr import __version__
from gendmr.files.provenance import versions


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    changelog = (root / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert citation["version"] == __version__ == released[0]
    # What results record, and the report shows.
    assert versions()["gendmr"] == __version__

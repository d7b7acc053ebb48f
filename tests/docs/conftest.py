"""The built site, for the tests that follow its links and that open it in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Build = Callable[[Path, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def build() -> Build:
    """Build the site of a checkout into a folder; a warning ends it."""

    def run(root: Path, output: Path) -> subprocess.CompletedProcess[str]:
        words = ["--strict", "--config-file", str(root / "mkdocs.yml"), "--site-dir", str(output)]
        return subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        )

    return run


@pytest.fixture(scope="session")
def site(root: Path, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    output = tmp_path_factory.mktemp("site")
    done = build(root, output)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr
    return output

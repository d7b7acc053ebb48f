"""The formats' own validators, which `envs/validators.sh` installs beside the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def validator(folder: str, program: str) -> Path:
    """Return the path of a program; the test is skipped where it is not installed."""
    path = Path(sys.prefix) / folder / "bin" / program
    if not ((path.parents[1] / ".installed").is_file() and path.is_file()):
        pytest.skip(f"{program} is not installed: make validators")
    return path


def said(*words: str | Path, status: int = 0) -> str:
    """Run a program; return what it says."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr

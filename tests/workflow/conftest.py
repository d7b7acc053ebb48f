"""One small study, run once end to end through Snakemake, for all tests of the workflow."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """A copy of the workflow in which a study runs without touching the real checkout."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder = folder
        shutil.copytree(
            ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("resources", "envs", "config"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
        shutil.copy(config, folder / "study.yaml")
        self.results = folder / "results" / "tiny"

    def snakemake(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake with this copy's package, not the installed one."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--configfile", "study.yaml"),
                *("--profile", "workflow/profiles/local", "--cores", "1", *words),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        if check and done.returncode:
            raise AssertionError((done.stdout + done.stderr)[-6000:])
        return done

    def plan(self, *words: str) -> dict[str, int]:
        """Return how many jobs of each rule would run."""
        done = self.snakemake(*words, "-n", "--quiet", "rules")
        jobs = {}
        for line in (done.stdout + done.stderr).splitlines():
            parts = line.split()
            if len(parts) == 2 and parts[1].isdigit():
                jobs[parts[0]] = int(parts[1])
        return jobs

    def sums(self, pattern: str) -> dict[str, str]:
        """Return the checksum of every result file that matches."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.glob(pattern))
            if path.is_file()
        }


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study, finished."""
    checkout = Checkout(tmp_path_factory.mktemp("tiny"), ROOT / "tests/workflow/tiny.yaml")
    checkout.snakemake()
    return checkout

"""The workflow in a folder of its own, for tests that run it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCAL = ("--profile", "workflow/profiles/local", "--cores", "1")


class Checkout:
    """A copy of the workflow in which a study runs without touching the real checkout.

    Parameters
    ----------
    folder : Path
        Where; made.
    config : Path
        The study, named `tiny`.
    profile : sequence of str
        How Snakemake runs it.
    """

    def __init__(self, folder: Path, config: Path, profile: Sequence[str] = LOCAL) -> None:
        self.folder = folder
        self.profile = tuple(profile)
        self.environment: dict[str, str] = {}
        shutil.copytree(
            ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("resources", "envs", "config"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
        (folder / "slurm").symlink_to("workflow/profiles/slurm")
        (folder / "profiles").symlink_to("workflow/profiles")
        shutil.copy(config, folder / "study.yaml")
        self.results = folder / "results" / "tiny"

    def start(self, *words: str, **settings: Any) -> subprocess.Popen[str]:
        """Start snakemake with this copy's package, not the installed one; it tells into pipes."""
        environment = os.environ | self.environment
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--configfile", "study.yaml"),
                *(*self.profile, *words),
            ],
            text=True,
            cwd=self.folder,
            env=environment | {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings,
        )

    def snakemake(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake to its end."""
        with self.start(*words) as process:
            stdout, stderr = process.communicate()
        if check and process.returncode:
            raise AssertionError((stdout + stderr)[-6000:])
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

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

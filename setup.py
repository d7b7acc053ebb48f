"""Puts the rules of the workflow into the wheel; all else of the package is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# What `gendmr.files.shipped.ROOT` names beside the package.
SHIPPED = (
    "Snakefile",
    "workflow/Snakefile",
    "workflow/rules",
    "workflow/report",
    "workflow/schemas",
    "workflow/profiles",
    "envs",
    "resources",
    "config",
)


class BuildWithWorkflow(build_py):
    """The build of the modules, with the rules and what they read in `gendmr/shipped`."""

    def run(self) -> None:
        """Build, then copy; an editable package reads the checkout."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "gendmr" / "shipped"
        shutil.rmtree(folder, ignore_errors=True)
        for name in SHIPPED:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)


setup(cmdclass={"build_py": BuildWithWorkflow})

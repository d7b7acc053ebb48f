"""Checks of what a study is given, each told by the stage that reads it.

A stage's package may hold a module ``preflight`` with ``checks(stages)``, which yields callables
that raise what the stage would say of its files. Stages are found by name, so the cohort knows
none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from gendmr.errors import Problems


def preflight_modules(stages: Iterable[str]) -> list[str]:
    """Return the modules of the stages that have checks, as fingerprints name them."""
    modules = [f"{stage}.preflight" for stage in stages]
    return [module for module in modules if find_spec(f"gendmr.{module}") is not None]


def check_stages(stages: Mapping[str, Mapping[str, Any]], problems: Problems) -> None:
    """Do the checks of all stages.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage.
    problems : Problems
        Receives what does not fit.
    """
    for module in preflight_modules(stages):
        checks = importlib.import_module(f"gendmr.{module}").checks
        for check in problems.attempt(lambda checks=checks: [*checks(stages)]) or ():
            problems.attempt(check)

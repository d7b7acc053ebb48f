"""Chapters of the page about stages that measure something, each told by its own package.

A stage's package holds a module ``chapter`` with ``CHAPTER``. Stages are found by name, so the
report knows none of them. What the page says of `genotypes` and `imaging` in tables is in
`gendmr.report.sections`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class ChapterFigure:
    """A figure that a stage draws.

    Parameters
    ----------
    path : str
        PNG below results/<study>; one that is not there is left out.
    alt : str
        For those who cannot see it.
    caption : str
        On the page.
    """

    path: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Chapter:
    """What the page shows of a stage.

    Parameters
    ----------
    title : str
        The question that the figures answer.
    figures : tuple of ChapterFigure
    """

    title: str
    figures: tuple[ChapterFigure, ...]


def chapter_modules(stages: Iterable[str]) -> list[str]:
    """Return the modules of the stages that have a chapter, as fingerprints name them."""
    modules = [f"{stage}.chapter" for stage in stages]
    return [module for module in modules if find_spec(f"gendmr.{module}") is not None]


def chapters_of(stages: Iterable[str]) -> dict[str, Chapter]:
    """Return the chapters of these stages, by stage in their order."""
    return {
        module.split(".")[0]: importlib.import_module(f"gendmr.{module}").CHAPTER
        for module in chapter_modules(stages)
    }

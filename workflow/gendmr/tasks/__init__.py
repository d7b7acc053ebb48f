"""Tasks: what is predicted of a person. One package each, found by name.

`gendmr.tasks.<kind>` belongs to the section `gendmr.config.outcomes.<kind>`; its module `task` has
``build(name, section)``, which returns a `gendmr.tasks.base.Task`, and its module `figures` has
``figures(task)``. Nothing else knows the kinds.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendmr.config.outcomes.base import OutcomeSection
    from gendmr.tasks.base import Task
    from gendmr.tasks.figure import TaskFigure


def kinds() -> list[str]:
    """Return the kinds of outcome that there are, by listing the folder."""
    return sorted(package.name for package in pkgutil.iter_modules(__path__) if package.ispkg)


def task_of(name: str, section: OutcomeSection) -> Task:
    """Return the task of an outcome.

    Parameters
    ----------
    name : str
        Name of the outcome in `cohort.outcomes`.
    section : OutcomeSection
        Its options; `kind` chooses the package.
    """
    module = importlib.import_module(f"gendmr.tasks.{section.kind}.task")
    task: Task = module.build(name, section)
    return task


def figures_of(task: Task) -> tuple[TaskFigure, ...]:
    """Return the figures of a task for the report.

    They are found by name: no module that a fit runs imports them, so that a new figure trains
    nothing again.
    """
    name = f"gendmr.tasks.{task.kind}.figures"
    if importlib.util.find_spec(name) is None:
        return ()
    module = importlib.import_module(name)
    figures: tuple[TaskFigure, ...] = module.figures(task)
    return figures

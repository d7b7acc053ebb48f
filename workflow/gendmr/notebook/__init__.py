"""Results of a study in a notebook: ``gendmr.open("results/mine")``.

Everything is read from files when it is asked for, so that a study that still runs shows what it
has by then; nothing is written.
"""

from gendmr.notebook.figure import Figure
from gendmr.notebook.study import OpenedStudy

__all__ = ["Figure", "OpenedStudy"]

"""What a figure of a task is to the report; no module that a fit runs imports this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class TaskFigure:
    """A figure of the report: one per method or one of all methods together.

    Parameters
    ----------
    name : str
        Of the file, `roc`.
    caption : str
        One or two sentences that a reader of a paper needs.
    draw : callable
        ``draw(predictions, path)``: `predictions` maps the name of each method to its held-out rows
        of predictions.tsv (columns `method`-wise as `Task.columns`, with `participant_id`,
        `repeat`, `fold`, `modalities`); writes `path` (PNG) and the SVG beside it with
        `gendmr.style.save`. The first method is the reference, to which others are compared.
    """

    name: str
    caption: str
    draw: Callable[[Mapping[str, pd.DataFrame], Path], Any]

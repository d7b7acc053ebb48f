"""What a figure of a task is to the report; no module that a fit runs imports this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class FigureContext:
    """What figures may read besides predictions.

    Parameters
    ----------
    labels : DataFrame
        Text, by `participant_id` as index: the categorical covariates of the cohort, `n/a` missing.
    folders : mapping of str to Path
        Of each method: `training/<method>`, with a folder for each repeat and fold.
    """

    labels: pd.DataFrame
    folders: Mapping[str, Path]


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
    reads : bool
        ``draw(predictions, path, context)``: it reads more than predictions, see `FigureContext`.
    """

    name: str
    caption: str
    draw: Callable[..., Any]
    reads: bool = False

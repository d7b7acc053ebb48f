"""What patches add to a prediction, drawn where they lie on the slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from gendmr import style
from gendmr.files.datasets import read_dataset
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader
from gendmr.modalities.store import attributions_schema
from gendmr.tasks.base import Metric, Task
from gendmr.training.evaluate import read_folds

PATCH = "patch"
SHOWN = ("best", "median", "worst")
SIDE = 2.3  # inches


def draw_patches(results: Path, method: str, task: Task[Any], path: Path) -> Any:
    """Draw contributions of patches for three held-out people of the first fold; return the figure.

    People are ordered by influence: the best is the one without whom the primary metric of the
    fold is worst. A place that shows one patch several times (tiled bags) counts with its sum.

    Parameters
    ----------
    results : Path
        `results/<study>`.
    method : str
    task : Task
        Of the outcome that it learns.
    path : Path

    Raises
    ------
    InputFileError, ModalityError
        Files of the fold or of the cohort are missing or damaged.
    """
    fold = results / "training" / method / "repeat-0" / "fold-0"
    dataset = read_dataset(fold / "attributions.nc", attributions_schema((PATCH, "expression")))
    people = dataset["participant"].values.astype(str)
    values = dataset[f"value_{PATCH}"].values
    (judged,) = read_folds([fold], method, task)
    influence = influences(judged.held_out, task.metrics[0])
    people_with_patches = [
        person for person in influence.index if np.isfinite(values[people == person]).any()
    ]
    figure, axes = style.canvas(
        1, len(SHOWN), size=(SIDE * len(SHOWN), SIDE + 0.4), layout="constrained"
    )
    order = influence[people_with_patches].sort_values(ascending=False, kind="stable").index
    for axis, rank, person in zip(
        axes, SHOWN, (order[0], order[len(order) // 2], order[-1]), strict=True
    ):
        cells = by_place(results, str(person), values[people == person][0])
        _draw(figure, axis, cells)
        axis.set_title(f"{rank}: {style.short(str(person))}", loc="left", fontsize=7)
    style.save(figure, path, crop=False)
    return figure


def influences(rows: pd.DataFrame, metric: Metric) -> pd.Series:
    """Return how much worse a metric is without each person, by person."""
    sign = 1.0 if metric.better == "higher" else -1.0
    if metric.needs_train:
        raise ValueError(f"{metric.name} is told with the training people")
    metric_of_all = metric.of(rows)
    people = rows["participant_id"].to_numpy()
    without = [metric.of(rows[people != person]) for person in people]
    return pd.Series(sign * (metric_of_all - np.array(without)), index=people.astype(str)).fillna(
        0.0
    )


def by_place(results: Path, person: str, values: np.ndarray) -> pd.DataFrame:
    """Return the contribution of each patch of a person's first slide: `x`, `y`, `value`.

    Without coordinates, x and y are the place in the bag.
    """
    name = np.array([person], dtype=object)
    reader = ArrayReader(
        results / "cohort" / f"{PATCH}.nc", modality_of(PATCH), name, np.array([True])
    )
    index = np.zeros(1, dtype=np.int64)
    table = pd.DataFrame(
        {column: reader.array(column, index)[0] for column in ("x", "y", "slide", "source")}
    )
    table["value"] = values
    table = table[table["slide"] == 0]
    if table["x"].isna().any():
        side = int(np.sqrt(len(values)))
        table["y"], table["x"] = np.divmod(table["source"], side)
    return table.groupby(["x", "y"])["value"].sum().reset_index()


def _draw(figure: Any, axis: Any, cells: pd.DataFrame) -> None:
    steps = np.diff(np.unique(cells["x"]))
    step = float(steps.min()) if steps.size else 1.0
    column = np.round((cells["x"] - cells["x"].min()) / step).astype(int)
    row = np.round((cells["y"] - cells["y"].min()) / step).astype(int)
    picture = np.full((row.max() + 1, column.max() + 1), np.nan)
    picture[row, column] = cells["value"]
    reach = max(float(np.abs(cells["value"]).max()), 1e-12)
    image = axis.imshow(picture, cmap="RdBu_r", norm=TwoSlopeNorm(0, -reach, reach))
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("0.93")
    bar = figure.colorbar(image, ax=axis, shrink=0.7, ticks=[-reach, 0, reach])
    bar.ax.set_yticklabels([f"{-reach:.1g}", "0", f"{reach:.1g}"])
    bar.ax.tick_params(labelsize=6)

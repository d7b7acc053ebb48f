"""A look at all expression: whether people and platforms agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style

MOST = 2000  # genes from which the components are made, evenly spread


def draw_quality(path: Path, table: pd.DataFrame, platform: np.ndarray, linear: np.ndarray) -> Any:
    """Draw quartiles of each person, and the first two components; return the figure.

    Parameters
    ----------
    path : Path
    table : DataFrame (person, gene)
    platform : text (person,)
    linear : bool (person,)
        Whose numbers are shown as log2(x + 1).
    """
    values = table.to_numpy(dtype=np.float64)
    values = np.where(linear[:, None], np.log2(np.maximum(values, 0.0) + 1), values)
    names = sorted(set(platform.tolist()))
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.SKY)
    figure, (quartile_axes, component_axes) = style.canvas(
        1, 2, size=(style.PAGE, 2.6), layout="constrained"
    )
    order = np.argsort(platform, kind="stable")
    quartiles = np.nanquantile(values, [0.25, 0.5, 0.75], axis=1)[:, order]
    place = np.arange(len(order))
    for number, name in enumerate(names):
        inside = platform[order] == name
        colour = colours[number % len(colours)]
        quartile_axes.vlines(
            place[inside], quartiles[0][inside], quartiles[2][inside], colour, alpha=0.3
        )
        quartile_axes.plot(
            place[inside], quartiles[1][inside], ".", color=colour, markersize=2, label=name
        )
    quartile_axes.set_xlabel("person")
    quartile_axes.set_ylabel("log2(x + 1)" if linear.any() else "level as given")
    quartile_axes.set_title("Median and quartiles of each person", loc="left", fontsize=7)
    first, second = _components(values)
    for number, name in enumerate(names):
        inside = platform == name
        colour = colours[number % len(colours)]
        component_axes.plot(
            first[inside], second[inside], ".", color=colour, markersize=3, label=name
        )
    component_axes.set_xlabel("first component")
    component_axes.set_ylabel("second component")
    component_axes.set_title("People by their expression", loc="left", fontsize=7)
    if len(names) > 1:
        component_axes.legend(fontsize=6)
    style.save(figure, path, crop=False)
    return figure


def _components(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two principal components of people, of genes drawn in at 5 robust SDs."""
    step = max(values.shape[1] // MOST, 1)
    sampled = values[:, ::step]
    middle = np.nanmedian(sampled, axis=0)
    spread = np.nanquantile(sampled, 0.75, axis=0) - np.nanquantile(sampled, 0.25, axis=0)
    unit = np.where(np.isfinite(sampled), sampled - middle, 0.0) / np.where(
        spread > 0, spread, np.inf
    )
    unit = np.clip(unit, -4, 4)
    unit = unit - unit.mean(axis=0)
    left_vectors, singular, _ = np.linalg.svd(unit, full_matrices=False)
    two = (left_vectors * singular)[:, :2]
    if two.shape[1] < 2:
        two = np.column_stack([two, np.zeros(len(two))])
    sign = np.where(two[np.argmax(np.abs(two), axis=0), [0, 1]] < 0, -1.0, 1.0)
    return two[:, 0] * sign[0], two[:, 1] * sign[1]

"""Where deformable attention looks: sampled places of each subspace, drawn and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.config.methods.subspace import SAMPLING_FILES
from gendmr.files.tables import write_table
from gendmr.methods.absent_figure import draw_absent

TABLE, FIGURE = SAMPLING_FILES
COLUMNS = ("subspace", "head", "displacement", "spread", "outside")
PANEL = 55 * style.MM


def places_of(points: np.ndarray, side: int) -> np.ndarray:
    """Return sampled points in units of patches, 0 the centre of the first: (..., 2, key, key).

    Parameters
    ----------
    points : float (..., 2, key side, key side)
        x, y in units of the grid of keys; see `DeformableAttention`.
    side : int
        Of the bag.

    Examples
    --------
    >>> places_of(np.array([0.0, 1.0, 2.0]), 6).tolist()
    [-0.5, 2.5, 5.5]
    """
    count = points.shape[-1]
    share = 2 * points / max(count - 1, 1) - 1
    return np.asarray(((share + 1) * side - 1) / 2)


def measure_sampling(places: Mapping[str, np.ndarray], side: int) -> pd.DataFrame:
    """Return how far heads look from the regular grid, and how that differs between people.

    `displacement` is the mean distance from the grid without offsets and `spread` the SD of a
    place between people, both in patches; `outside` is the share of places beyond the bag, where
    attention reads zeros.

    Parameters
    ----------
    places : mapping of str to float (person, head, 2, key, key)
        By subspace.
    side : int
    """
    rows = []
    for name, points in places.items():
        grid = regular(points.shape[-1], side)
        far = np.linalg.norm(points - grid, axis=2).mean((0, 2, 3))
        spread = points.std(axis=0).mean((1, 2, 3))
        outside = ((points < -0.5) | (points > side - 0.5)).any(2).mean((0, 2, 3))
        rows += [
            (name, head, round(float(a), 4), round(float(b), 4), round(float(c), 4))
            for head, (a, b, c) in enumerate(zip(far, spread, outside, strict=True))
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def regular(count: int, side: int) -> np.ndarray:
    """Return the places of keys without offsets, (2, key, key)."""
    steps = np.arange(count, dtype=np.float64)
    down, across = np.meshgrid(steps, steps, indexing="ij")
    return places_of(np.stack([across, down]), side)


def leave_sampling(
    folder: Path, places: Mapping[str, np.ndarray], people: Sequence[str], side: int
) -> list[str]:
    """Write sampling.tsv and sampling.png; return what they say.

    Parameters
    ----------
    folder : Path
    places : mapping of str to float (person, head, 2, key, key)
    people : sequence of str
    side : int
    """
    table = measure_sampling(places, side)
    write_table(folder / TABLE, table)
    draw_sampling(folder / FIGURE, places, people, side)
    summary = ", ".join(
        f"{name} {heads['displacement'].mean():.1f} patches from the regular grid,"
        f" {heads['spread'].mean():.2f} between people,"
        f" {100 * heads['outside'].mean():.0f} % outside"
        for name, heads in table.groupby("subspace", sort=False)
    )
    return [f"Places that deformable attention samples ({FIGURE}): {summary}."]


def leave_no_sampling(folder: Path) -> list[str]:
    """Write sampling.tsv without rows, and a sampling.png that says so; return a sentence."""
    write_table(folder / TABLE, measure_sampling({}, 0))
    draw_absent(folder / FIGURE, "nothing sampled: no slides of held-out people were read")
    return [f"No slide of a held-out person was read by deformable attention: {TABLE} is empty."]


def draw_sampling(
    path: Path, places: Mapping[str, np.ndarray], people: Sequence[str], side: int
) -> Any:
    """Draw for each subspace where keys are sampled; return the figure.

    Grey: how often a patch is the nearest to a sampled place, over all people and heads. Arrows:
    from the regular grid to the places of one head and one person.

    Parameters
    ----------
    path : Path
    places, people, side
        See `leave_sampling`.
    """
    figure, axes = style.canvas(
        1,
        len(places),
        size=(PANEL * len(places) + 8 * style.MM, PANEL + 10 * style.MM),
        layout="constrained",
        squeeze=False,
    )
    for axis, (name, points) in zip(axes[0], places.items(), strict=True):
        nearest = np.round(points).astype(np.int64)
        inside = ((nearest >= 0) & (nearest < side)).all(axis=2)
        x, y = (nearest[:, :, way][inside] for way in (0, 1))
        counts = np.zeros((side, side))
        np.add.at(counts, (y, x), 1)
        axis.imshow(counts / len(points), cmap="Greys", vmin=0, interpolation="nearest")
        grid, first = regular(points.shape[-1], side), points[0, 0]
        axis.plot(*grid.reshape(2, -1), "+", color=style.ORANGE, markersize=3, markeredgewidth=0.5)
        reach = first - grid
        axis.quiver(
            *grid.reshape(2, -1),
            *reach.reshape(2, -1),
            angles="xy",
            scale_units="xy",
            scale=1,
            color=style.BLUE,
            width=0.006,
        )
        axis.set_xlim(-0.5, side - 0.5)
        axis.set_ylim(side - 0.5, -0.5)
        axis.set_xticks([])
        axis.set_yticks([])
        outside = 100 * (1 - inside.mean())
        axis.set_title(f"{style.short(name)}: {outside:.0f} % outside", loc="left", fontsize=7)
    figure.supxlabel(
        f"grey: samples per patch, {len(people)} people; arrows: {style.short(str(people[0]))},"
        " first head",
        fontsize=style.SMALL,
    )
    style.save(figure, path, crop=False, vector=False)
    return figure

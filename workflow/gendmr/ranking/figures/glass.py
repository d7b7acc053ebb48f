"""A glass brain with the first edges of a ranking, or with its voxels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendmr import style
from gendmr.ranking.figures.networks import EDGES, LEGENDS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 52 * style.MM
BRAIN = (0.0, 0.12, 1.0, 0.78)  # left, bottom, width, height of the page
SIGNS = {"higher": 1.0, "lower": -1.0}
PAINTED = 0.1  # share of the voxels with a score, the highest, that are painted
VOXELS = {
    "higher": "more risk with more grey matter",
    "lower": "more risk with less grey matter",
}


def draw_edges(edges: pd.DataFrame, places: Mapping[str, np.ndarray], path: Path) -> Figure:
    """Draw the first edges between the places of their regions; return the figure.

    Parameters
    ----------
    edges : DataFrame
        `edges.tsv`: `first`, `second`, `rank`, `direction`.
    places : mapping of str to ndarray (3,)
        Of regions, mm, MNI; NaN where a place is not known.
    path : Path
        PNG to write, two columns wide; the SVG is written beside it.
    """
    located = [name for name, place in places.items() if np.isfinite(place).all()]
    number = {name: row for row, name in enumerate(located)}
    first = edges[edges["rank"] <= EDGES]
    first = first[first["first"].isin(located) & first["second"].isin(located)]
    if first.empty:
        return style.text_figure(
            "The places of regions are not known: their edges are not drawn in the brain.", path
        )
    from nilearn import plotting  # takes two seconds to import

    directions = first["direction"].fillna("n/a").astype(str).tolist()
    figure, _ = _page()
    brain = plotting.plot_glass_brain(
        None, display_mode="lyrz", figure=figure, axes=BRAIN, annotate=False
    )
    ends = set(first["first"]) | set(first["second"])
    spots = np.array([places[name] for name in located])
    strength = 1 - (first["rank"].to_numpy(dtype=np.float64) - 1) / EDGES
    for direction in dict.fromkeys(directions):
        adjacency = np.zeros((len(located), len(located)))
        rows = zip(first["first"], first["second"], strength, directions, strict=True)
        for start, end, size, of_edge in rows:
            if of_edge == direction:
                adjacency[number[start], number[end]] = adjacency[number[end], number[start]] = size
        brain.add_graph(
            adjacency,
            spots,
            node_color=style.DARK,
            node_size=[6.0 if name in ends else 0.0 for name in located],
            edge_cmap=_one_colour(LINES[direction]),
            edge_vmin=0.0,
            edge_vmax=1.0,
            edge_kwargs={"linewidth": 1.0, "alpha": 0.7},
        )
    brain.annotate(size=style.SMALL)
    figure.suptitle(f"first {len(first)} of {len(edges)} edges", size=7.5)
    _legend(
        figure,
        {direction: LEGENDS[direction] for direction in LINES if direction in directions},
        LINES,
    )
    style.save(figure, path, crop=False)
    return figure


def draw_voxels(voxels: pd.DataFrame, path: Path) -> Figure:
    """Paint the tenth of the voxels with the highest scores; return the figure.

    Parameters
    ----------
    voxels : DataFrame
        `volumes.tsv`: `x`, `y`, `z` (mm, MNI), `score`, `direction`.
    path : Path
        PNG to write, two columns wide.
    """
    scored = voxels[voxels["score"] > 0].sort_values("score", ascending=False, kind="stable")
    if scored.empty:
        return style.text_figure("No voxel has a score: there is nothing to paint.", path)
    import nibabel as nib
    from nilearn import plotting

    centres = voxels[["x", "y", "z"]].to_numpy(dtype=np.float64)
    edge = _edge_of(centres)
    start = centres.min(axis=0)
    at = np.rint((centres - start) / edge).astype(np.int64)
    shown = scored.head(max(round(PAINTED * len(scored)), 1))
    signed = np.zeros(len(voxels))
    directions = shown["direction"].fillna("n/a").astype(str)
    rows = voxels.index.get_indexer(shown.index)
    signed[rows] = shown["score"].to_numpy() * directions.map(SIGNS).fillna(1.0).to_numpy()
    image = np.zeros(at.max(axis=0) + 1, dtype=np.float32)
    image[tuple(at.T)] = signed
    affine = np.diag([*edge, 1.0])
    affine[:3, 3] = start
    top = float(np.abs(signed).max())
    figure, _ = _page()
    brain = plotting.plot_glass_brain(
        nib.Nifti1Image(image, affine),
        display_mode="lyrz",
        figure=figure,
        axes=BRAIN,
        annotate=False,
        plot_abs=False,
        symmetric_cbar=True,
        cmap="RdBu_r",
        vmin=-top,
        vmax=top,
        threshold=1e-6 * top,
        colorbar=False,
    )
    brain.annotate(size=style.SMALL)
    figure.suptitle(f"highest {len(shown)} of {len(voxels)} voxels", size=7.5)
    _legend(
        figure,
        {direction: VOXELS[direction] for direction in SIGNS if direction in set(directions)},
        LINES,
    )
    style.save(figure, path, crop=False, vector=True)
    return figure


def _page() -> tuple[Figure, Axes]:
    figure, axes = style.canvas(size=(style.PAGE, HEIGHT))
    axes.axis("off")
    return figure, axes


def _edge_of(centres: np.ndarray) -> np.ndarray:
    """Return the edges of voxels (3,), mm, from their centres (voxel, 3)."""
    steps = [np.diff(np.unique(centres[:, axis])) for axis in range(3)]
    return np.array([step.min() if step.size else 1.0 for step in steps])


def _one_colour(colour: str) -> object:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("one", [style.PALE, colour])


def _legend(figure: Figure, labels: Mapping[str, str], colours: Mapping[str, str]) -> None:
    figure.legend(
        handles=[Line2D([], [], color=colours[direction], lw=2) for direction in labels],
        labels=list(labels.values()),
        loc="lower center",
        ncols=len(labels) or 1,
    )

"""One look for all figures, and files with the same bytes each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

from gendmr.files.atomic import atomic_path

# For libraries that draw through pyplot, which we do not: it doubles the time of its import.
matplotlib.use("Agg")

# Okabe & Ito: distinguishable with every common colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#7F7F7F",
)
COLUMN, PAGE = 3.5, 7.2  # inches: one and two columns of a journal page

matplotlib.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY]),
        "legend.frameon": False,
        "legend.fontsize": 7,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "svg.hashsalt": "gendmr",
        "svg.fonttype": "none",
    }
)


def canvas(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: Any
) -> tuple[Figure, Any]:
    """Return a figure of `size` in inches and its axes; options as for `Figure.subplots`."""
    figure = Figure(figsize=size)
    return figure, figure.subplots(rows, columns, **options)


def save(figure: Figure, path: Path | str, *, crop: bool = True) -> None:
    """Write a figure (PNG or SVG by its suffix) atomically, without a date inside.

    `crop` fits the page to what is drawn on it, which draws everything twice.
    """
    path = Path(path)
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None}
    box = "tight" if crop else None
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, bbox_inches=box)

"""One look for all figures, and files with the same bytes each time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from cycler import cycler

from gendmr.files.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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

plt.rcParams.update(
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


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure (PNG or SVG by its suffix) atomically, without a date inside, and close it."""
    path = Path(path)
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None}
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, bbox_inches="tight")
    plt.close(figure)

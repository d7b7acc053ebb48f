"""One look for all figures, and files with the same bytes each time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

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
DARK, LIGHT, PALE = "#6B6B6B", "#ADADAD", "#EBEBEB"
MM = 1 / 25.4  # inches
COLUMN, PAGE = 85 * MM, 175 * MM  # one and two columns of a journal page
SMALL = 6  # points; the smallest text that can be read in print
LONGEST = 26  # characters of a name

matplotlib.rcParams.update(
    {
        # Layouts are measured at the resolution at which they are drawn.
        "figure.dpi": 300,
        "savefig.dpi": 300,
        "font.size": 7,
        "axes.titlesize": 7.5,
        "axes.labelsize": 7,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY]),
        "legend.frameon": False,
        "legend.fontsize": 6.5,
        "legend.title_fontsize": 6.5,
        "lines.linewidth": 1,
        "hatch.linewidth": 0.5,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "svg.hashsalt": "gendmr",
        # Names are no formulas: two dollar signs in one would be a syntax error.
        "text.parse_math": False,
        "svg.fonttype": "none",
    }
)


def canvas(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float],
    layout: Literal["constrained"] | None = None,
    **options: Any,
) -> tuple[Figure, Any]:
    """Return a figure of `size` in inches and its axes.

    Parameters
    ----------
    rows, columns : int
    size : (width, height)
        Inches.
    layout : str, optional
        How axes find their places, such as `constrained`.
    **options
        As for `Figure.subplots`.
    """
    figure = Figure(figsize=size, layout=layout)
    return figure, figure.subplots(rows, columns, **options)


def save(
    figure: Figure,
    path: Path | str,
    *,
    crop: bool = True,
    vector: bool = True,
    sentence: str | None = None,
) -> None:
    """Write a figure as PNG and, beside it, as SVG: atomically and without a date inside.

    Parameters
    ----------
    figure : Figure
    path : Path or str
        The PNG; the SVG has the same name. Text stays text in it.
    crop : bool
        Fit the page to what is drawn on it, which draws everything twice; without, the figure has
        the size that it was made with.
    vector : bool
        Write the SVG; pictures of scans gain nothing by it.
    sentence : str, optional
        All that the figure says, kept in the PNG's metadata: a page shows it as text.
    """
    path = Path(path)
    metadata: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
    }
    if sentence is not None:
        metadata["png"]["Description"] = sentence
    box = "tight" if crop else None
    with ExitStack() as files:
        for kind in ("png", "svg") if vector else ("png",):
            temporary = files.enter_context(atomic_path(path.with_suffix(f".{kind}")))
            figure.savefig(temporary, format=kind, metadata=metadata[kind], bbox_inches=box)


def text_figure(text: str, path: Path | str) -> Figure:
    """Write a figure that only says why there is none; return it."""
    figure, axes = canvas(size=(COLUMN, 12 * MM))
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", color=DARK, wrap=True)
    save(figure, path, crop=False, sentence=text)
    return figure


def short(name: str) -> str:
    """Return a name with its end cut off where it is too long for a label."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"

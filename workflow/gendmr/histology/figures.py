"""A look at all slides: how many patches they have, and where these lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr import style

if TYPE_CHECKING:
    from gendmr.histology.collect import Slide


def draw_slides(path: Path, slides: Sequence[Slide], size: int) -> Any:
    """Draw patches per slide, and the slides with fewest, median and most; return the figure.

    Parameters
    ----------
    path : Path
    slides : sequence of Slide
    size : int
        Patches of a bag.
    """
    used = sorted((slide for slide in slides if slide.used), key=lambda slide: slide.patches)
    figure, axes = style.canvas(1, 4, size=(style.PAGE, 2.1), layout="constrained")
    count_axes, *map_axes = axes
    place = np.arange(len(used))
    count_axes.plot(
        place, [slide.patches for slide in used], ".", color=style.BLUE, label="in the file"
    )
    count_axes.plot(place, [slide.used for slide in used], ".", color=style.ORANGE, label="used")
    count_axes.axhline(size, color=style.DARK, linewidth=0.6, linestyle=":", label="bag")
    count_axes.set_yscale("log")
    # Powers would be set as formulas, which `style` leaves as they are written.
    count_axes.yaxis.set_major_formatter("{x:.0f}")
    count_axes.yaxis.set_minor_formatter("{x:.0f}")
    count_axes.set_xlabel("slide, by its number of patches")
    count_axes.set_ylabel("patches")
    count_axes.set_title("Patches of each slide", loc="left", fontsize=7)
    count_axes.legend(fontsize=6)
    for axis, slide, rank in zip(
        map_axes,
        (used[0], used[len(used) // 2], used[-1]),
        ("fewest", "median", "most"),
        strict=True,
    ):
        axis.set_title(f"{rank}: {style.short(slide.file.slide)}", loc="left", fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
        if slide.places is None:
            axis.text(0.5, 0.5, "no coordinates", ha="center", transform=axis.transAxes, fontsize=7)
            continue
        axis.plot(slide.places[:, 0], slide.places[:, 1], "s", color=style.BLUE, markersize=1.2)
        axis.set_aspect("equal")
        axis.invert_yaxis()
        axis.set_xlabel(f"{slide.patches} patches")
    style.save(figure, path, crop=False)
    return figure

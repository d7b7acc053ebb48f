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
    used = sorted((one for one in slides if one.used), key=lambda one: one.patches)
    figure, axes = style.canvas(1, 4, size=(style.PAGE, 2.1), layout="constrained")
    left, *maps = axes
    place = np.arange(len(used))
    left.plot(place, [one.patches for one in used], ".", color=style.BLUE, label="in the file")
    left.plot(place, [one.used for one in used], ".", color=style.ORANGE, label="used")
    left.axhline(size, color=style.DARK, linewidth=0.6, linestyle=":", label="bag")
    left.set_yscale("log")
    # Powers would be set as formulas, which `style` leaves as they are written.
    left.yaxis.set_major_formatter("{x:.0f}")
    left.yaxis.set_minor_formatter("{x:.0f}")
    left.set_xlabel("slide, by its number of patches")
    left.set_ylabel("patches")
    left.set_title("Patches of each slide", loc="left", fontsize=7)
    left.legend(fontsize=6, loc="lower right")
    for axis, one, which in zip(
        maps, (used[0], used[len(used) // 2], used[-1]), ("fewest", "median", "most"), strict=True
    ):
        axis.set_title(f"{which}: {style.short(one.file.slide)}", loc="left", fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
        if one.places is None:
            axis.text(0.5, 0.5, "no coordinates", ha="center", transform=axis.transAxes, fontsize=7)
            continue
        axis.plot(one.places[:, 0], one.places[:, 1], "s", color=style.BLUE, markersize=1.2)
        axis.set_aspect("equal")
        axis.invert_yaxis()
        axis.set_xlabel(f"{one.patches} patches")
    style.save(figure, path, crop=False)
    return figure

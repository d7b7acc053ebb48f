"""A picture per participant: outlines of the template over the registered scan."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.imaging.template import Template


def draw_registration(
    path: Path | str, warped: np.ndarray, brain: np.ndarray, template: Template, title: str
) -> None:
    """Draw three planes of the warped scan, three slices each, under the template's outlines.

    Neurological convention: left is left. Orange is the border of the template's brain, blue that
    between its grey and white matter, and dotted that of the warped brain.
    """
    shape = np.array(warped.shape)
    world = template.affine
    zoom = float(world[0, 0])
    # mm, chosen so that basal ganglia, hippocampus, cerebellum and vertex are seen
    planes = ((2, (-20.0, 8.0, 36.0)), (1, (-56.0, -20.0, 20.0)), (0, (-28.0, 4.0, 28.0)))
    figure, axes = style.canvas(1, 9, size=(style.PAGE * 1.3, 1.3))
    high = float(np.percentile(warped[template.brain], 99.5)) or 1.0
    column = 0
    for axis, places in planes:
        for place in places:
            index = round((place - world[axis, 3]) / zoom)
            index = int(np.clip(index, 0, shape[axis] - 1))
            panel = axes[column]
            column += 1
            cut = [
                np.take(volume, index, axis=axis).T
                for volume in (warped, template.brain, template.priors["white"], brain)
            ]
            others = [a for a in range(3) if a != axis]
            extent = [
                v
                for a in others
                for v in (world[a, 3] - zoom / 2, world[a, 3] + zoom * (shape[a] - 0.5))
            ]
            panel.imshow(
                cut[0],
                cmap="gray",
                origin="lower",
                vmin=0,
                vmax=high,
                extent=extent,
                interpolation="nearest",
            )
            lines = {"origin": "lower", "extent": extent}
            panel.contour(cut[1], [0.5], colors=style.ORANGE, linewidths=0.8, **lines)
            panel.contour(cut[2], [0.5], colors=style.SKY, linewidths=0.5, **lines)
            panel.contour(cut[3], [0.5], colors=style.RED, linewidths=0.5, linestyles=":", **lines)
            panel.set_title(f"{'xyz'[axis]} = {place:g} mm", fontsize=6, pad=2)
            panel.set_axis_off()
    figure.suptitle(title, fontsize=8, x=0.01, ha="left", y=0.99, parse_math=False)
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.01, top=0.77, wspace=0.02)
    # Cropping would draw everything twice, and there is a picture per scan.
    style.save(figure, path, vector=False, crop=False)


def draw_refusal(path: Path | str, title: str, text: str) -> None:
    """Write the reason where the picture of a registration would be."""
    figure, axes = style.canvas(1, 1, size=(style.PAGE * 1.3, 1.45))
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 150)]
    # Text of users: a dollar sign is no formula.
    axes.text(0, 1, "\n".join(lines[:9]), va="top", fontsize=7, parse_math=False)
    axes.set_axis_off()
    figure.suptitle(title, fontsize=8, x=0.01, ha="left", y=1.06, parse_math=False)
    figure.subplots_adjust(left=0.01, right=1, bottom=0, top=0.85)
    style.save(figure, path, vector=False)


def draw_quality(
    path: Path | str,
    table: pd.DataFrame,
    judged: Mapping[str, tuple[str, str]],
    bounds: Mapping[str, tuple[float, float]],
    *,
    what: str = "scans",
) -> Any:
    """Draw each measure of quality over the cohort; flagged participants are named.

    Parameters
    ----------
    path : Path or str
        The PNG.
    table : DataFrame
        The judged people: `participant_id`, `outlier`, and the measures.
    judged : mapping
        Measure to the side that is suspicious and its name.
    bounds : mapping
        Measure to the values below and above which a scan is flagged, drawn as dashed lines;
        infinite: never.
    what : str
        What is counted in the title.
    """
    figure, axes = style.canvas(
        len(judged), 1, size=(style.PAGE, 0.75 * len(judged) + 0.4), squeeze=False
    )
    flagged = table["outlier"].to_numpy()
    # Spread by rank of name, so that the picture has the same bytes each time.
    height = (np.arange(len(table)) * 0.618034) % 1 - 0.5
    for panel, (name, (_, words)) in zip(axes[:, 0], judged.items(), strict=True):
        values = table[name].to_numpy(dtype=float)
        unit, suffix = (1000.0, ", ml") if name.endswith("_mm3") else (1.0, "")
        if np.isfinite(values).any():
            panel.axvline(np.nanmedian(values) / unit, color=style.GREY, linewidth=0.8)
            for bound in (limit for limit in bounds[name] if np.isfinite(limit)):
                panel.axvline(bound / unit, color=style.RED, linewidth=0.8, linestyle="--")
                panel.annotate(
                    f"{bound / unit:.4g}",
                    (bound / unit, 0.86),
                    xytext=(2, 0),
                    textcoords="offset points",
                    fontsize=5,
                    color=style.RED,
                    va="top",
                )
        panel.plot(
            values[~flagged] / unit,
            height[~flagged],
            "o",
            color=style.BLUE,
            markersize=3,
            alpha=0.7,
            markeredgewidth=0,
        )
        panel.plot(values[flagged] / unit, height[flagged], "D", color=style.ORANGE, markersize=4)
        for row in np.flatnonzero(flagged)[:12]:
            panel.annotate(
                str(table["participant_id"].iloc[row]),
                (values[row] / unit, height[row]),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=5,
                parse_math=False,
            )
        panel.set_yticks([])
        panel.set_ylim(-0.8, 0.9)
        panel.spines["left"].set_visible(False)
        panel.set_title(f"{words[:1].upper()}{words[1:]}{suffix}", loc="left", fontsize=7, pad=2)
    half = "HALF OR MORE ARE FLAGGED: " if flagged.sum() * 2 >= len(table) > 0 else ""
    figure.suptitle(
        f"{half}{len(table)} {what}, {int(flagged.sum())} flagged (orange); line: median; dashed:"
        " flagged beyond",
        fontsize=8, x=0.01, ha="left", color=style.RED if half else "black",
    )  # fmt: skip
    figure.tight_layout(h_pad=0.4)
    style.save(figure, path, vector=False)
    return figure

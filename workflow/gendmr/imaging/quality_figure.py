"""The figure of a cohort's quality measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style


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

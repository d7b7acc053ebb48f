"""A slide, what of it is tissue, which tiles were taken; and all slides of a study at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gendmr import style
from gendmr.histology.image import SlideImage
from gendmr.histology.tissue import TissueMask

WIDTH = 120 * style.MM
MOST = 8  # slides of the figure of a study
Drawn = tuple[np.ndarray, TissueMask, np.ndarray, int, SlideImage]


def draw_tissue(path: Path, name: str, drawn: Drawn | None, refusal: str) -> Any:
    """Draw the overview of a slide beside the same with its masks and tiles; return the figure.

    Parameters
    ----------
    path : Path
    name : str
        Of the slide.
    drawn : tuple, optional
        Overview (y, x, 3), masks, corners of tiles (tile, 2), their side in pixels of the scan, and
        the slide; None where it was refused.
    refusal : str
        The reason.
    """
    if drawn is None:
        return style.text_figure(f"{name}: {refusal}", path)
    overview, mask, corners, side, image = drawn
    height, width = overview.shape[:2]
    high = min(max(WIDTH / 2 * height / width, 0.4), 2 * WIDTH) + 12 * style.MM
    figure, (left, right) = style.canvas(1, 2, size=(WIDTH, high), layout="constrained")
    extent = (0, image.size[0], image.size[1], 0)
    for axis in (left, right):
        axis.imshow(overview, extent=extent, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    fine = [_enlarged(layer, overview.shape) for layer in (mask.tissue, mask.pen)]
    tint = np.zeros((height, width, 4), np.float32)
    tint[~fine[0]] = (1, 1, 1, 0.75)  # what is no tissue, paler
    tint[fine[1]] = (0.9, 0.62, 0.0, 0.9)
    right.imshow(tint, extent=extent, interpolation="nearest")
    edges = np.array([(0, 0), (side, 0), (side, side), (0, side), (0, 0), (np.nan, np.nan)])
    outline = (corners[:, None] + edges).reshape(-1, 2)
    right.plot(outline[:, 0], outline[:, 1], color=style.BLUE, linewidth=0.4)
    _scale_bar(left, image)
    marked = f", {100 * mask.pen.mean():.1f} % pen" if mask.pen.any() else ""
    left.set_title(style.short(name), loc="left", fontsize=7)
    right.set_title(
        f"{len(corners)} tiles; {100 * mask.tissue.mean():.0f} % tissue{marked}",
        loc="left",
        fontsize=7,
    )
    style.save(figure, path, crop=False, vector=False)
    return figure


def _enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask at the size of the overview, bool (y, x)."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.NEAREST)) > 0


def _scale_bar(axis: Any, image: SlideImage) -> None:
    """Draw a bar of a round length, about a quarter of the slide's width."""
    about = image.size[0] * image.mpp / 4
    length = 10 ** math.floor(math.log10(about))
    length *= max(digit for digit in (1, 2, 5) if digit * length <= about)
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    left, level = 0.04 * image.size[0], 0.96 * image.size[1]
    axis.plot([left, left + length / image.mpp], [level, level], color="black", linewidth=1.5)
    axis.annotate(
        text, (left, level), xytext=(0, 2), textcoords="offset points", fontsize=style.SMALL
    )


def draw_pictures(path: Path, pictures: Sequence[tuple[str, Path]]) -> Any:
    """Draw the pictures of slides side by side, as many as there is room for.

    Parameters
    ----------
    path : Path
    pictures : sequence of (name, Path)
        PNG of slides, those that need a look first.
    """
    shown = pictures[:MOST]
    rows = max(math.ceil(len(shown) / 2), 1)
    figure, axes = style.canvas(
        rows, 2, size=(style.PAGE, 42 * style.MM * rows), layout="constrained", squeeze=False
    )
    for axis in axes.ravel():
        axis.axis("off")
    for axis, (_, picture) in zip(axes.ravel(), shown, strict=False):
        with Image.open(picture) as opened:
            axis.imshow(np.asarray(opened.convert("RGB")), interpolation="antialiased")
    style.save(figure, path, crop=False, vector=False)
    return figure

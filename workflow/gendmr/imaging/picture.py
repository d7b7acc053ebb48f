"""A picture per participant: outlines of the template over the registered scan.

Drawn with Pillow, because there is a process per scan: importing matplotlib and drawing with it
takes longer than a quick registration step.
"""

from __future__ import annotations

import importlib.util
import textwrap
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gendmr.files.atomic import atomic_path
from gendmr.imaging.template import Template

PIXELS_PER_MM = 1.5
# mm, chosen so that basal ganglia, hippocampus, cerebellum and vertex are seen
PLANES = ((2, (-20.0, 8.0, 36.0)), (1, (-56.0, -20.0, 20.0)), (0, (-28.0, 4.0, 28.0)))
# Okabe & Ito, as in `gendmr.style`.
ORANGE, SKY, RED = (230, 159, 0), (86, 180, 233), (213, 94, 0)
GAP, TITLE, LABEL = 6, 26, 18  # pixels: between panels, and sizes of text
WIDTH = 2  # pixels of an outline
DOT = 4  # pixels of a dotted line that are drawn, and as many that are not
REFUSAL = (1500, 300)  # pixels
LINES, COLUMNS = 9, 130  # of the reason


def draw_registration(
    path: Path | str, warped: np.ndarray, brain: np.ndarray, template: Template, title: str
) -> None:
    """Draw three planes of the warped scan, three slices each, under the template's outlines.

    Neurological convention: left is left. Orange is the border of the template's brain, blue that
    between its grey and white matter, and dotted that of the warped brain.

    Parameters
    ----------
    path : Path or str
        The PNG.
    warped, brain : (i, j, k)
        The scan and its brain mask on the template's grid, RAS+.
    template : Template
    title : str
    """
    high = float(np.percentile(warped[template.brain], 99.5)) or 1.0
    grey = np.clip(warped / high, 0, 1) * 255
    volumes = (grey, template.brain, template.priors["white"], brain)
    zoom = float(template.affine[0, 0])
    panels = []
    for axis, places in PLANES:
        for place in places:
            index = round((place - template.affine[axis, 3]) / zoom)
            index = int(np.clip(index, 0, warped.shape[axis] - 1))
            cuts = [np.take(volume, index, axis=axis) for volume in volumes]
            panels.append((f"{'xyz'[axis]} = {place:g} mm", _panel(cuts, zoom)))
    top = TITLE + LABEL + 4 * GAP
    width = sum(panel.width + GAP for _, panel in panels) + GAP
    height = top + max(panel.height for _, panel in panels) + GAP
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, GAP), title, fill="black", font=_font(TITLE))
    left = GAP
    for label, panel in panels:
        picture.paste(panel, (left, height - GAP - panel.height))
        centre = (left + panel.width // 2, height - panel.height - 2 * GAP)
        draw.text(centre, label, fill="black", font=_font(LABEL), anchor="ms")
        left += panel.width + GAP
    _save(picture, path)


def draw_refusal(path: Path | str, title: str, text: str) -> None:
    """Write the reason where the picture of a registration would be."""
    picture = Image.new("RGB", REFUSAL, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, GAP), title, fill="black", font=_font(TITLE))
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, COLUMNS)]
    draw.text((GAP, TITLE + 4 * GAP), "\n".join(lines[:LINES]), fill="black", font=_font(LABEL))
    _save(picture, path)


def _panel(cuts: list[np.ndarray], zoom: float) -> Image.Image:
    """Return one slice, enlarged, with its outlines; the second axis of a cut points up."""
    grey, template_brain, white, brain = (cut.T[::-1] for cut in cuts)  # row 0 is the uppermost
    scale = zoom * PIXELS_PER_MM
    size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
    plane = np.asarray(
        Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    )
    colours = np.repeat(plane[..., None], 3, axis=-1)  # (row, column, 3)
    row, column = np.indices(plane.shape)
    dotted = (row + column) // DOT % 2 == 0
    colours[_outline(white, size)] = SKY
    colours[_outline(template_brain, size)] = ORANGE
    colours[_outline(brain, size) & dotted] = RED
    return Image.fromarray(colours)


def _outline(cut: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return where a map (row, column) crosses one half, bool (row, column) of the enlarged cut."""
    smooth = Image.fromarray(cut.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    inside = core = np.asarray(smooth) > 0.5
    for _ in range(WIDTH):
        padded = np.pad(core, 1)
        core = core & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return np.asarray(inside & ~core)


@lru_cache(maxsize=2)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Matplotlib's own font, found without importing it: the one of all figures. Pillow's own has
    # fewer letters.
    package = importlib.util.find_spec("matplotlib")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "mpl-data/fonts/ttf/DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def _save(picture: Image.Image, path: Path | str) -> None:
    with atomic_path(Path(path)) as temporary:
        picture.save(temporary, "PNG")

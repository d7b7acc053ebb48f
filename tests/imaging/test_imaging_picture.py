"""What the picture of a registration shows, on a made-up template whose outlines are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gendmr.imaging.picture import (
    GAP,
    ORANGE,
    PIXELS_PER_MM,
    RED,
    SKY,
    draw_refusal,
    draw_registration,
)
from gendmr.imaging.template import Template

ZOOM, RADIUS = 4.0, 60.0
SHAPE = (41, 51, 43)


@pytest.fixture(scope="module")
def template() -> Template:
    """A ball of brain around the origin, its left half white matter."""
    affine = np.diag([ZOOM, ZOOM, ZOOM, 1.0])
    affine[:3, 3] = -ZOOM * (np.array(SHAPE) // 2)
    world = np.indices(SHAPE) * ZOOM + affine[:3, 3, None, None, None]
    brain = (world**2).sum(axis=0) < RADIUS**2
    white = (brain & (world[0] < 0)).astype(np.float32)
    priors = {"csf": brain * 0.0, "grey": brain - white, "white": white}
    return Template(
        t1=white,
        brain=brain,
        priors=priors,
        labels=brain * 1,
        regions=pd.DataFrame(),
        affine=affine,
    )


def panels_of(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the picture, and its nine slices (row, column, 3), from left to right."""
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("RGB"))
    mm = [(SHAPE[0], SHAPE[1])] * 3 + [(SHAPE[0], SHAPE[2])] * 3 + [(SHAPE[1], SHAPE[2])] * 3
    panels, left = [], GAP
    for columns, rows in mm:
        width, height = (round(count * ZOOM * PIXELS_PER_MM) for count in (columns, rows))
        bottom = picture.shape[0] - GAP
        panels.append(picture[bottom - height : bottom, left : left + width])
        left += width + GAP
    return picture, panels


def where(panel: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to the middle of a slice, mm, to the right and up, of a colour."""
    rows, columns = np.nonzero((panel == colour).all(axis=-1))
    right = (columns + 0.5 - panel.shape[1] / 2) / PIXELS_PER_MM
    up = (panel.shape[0] / 2 - rows - 0.5) / PIXELS_PER_MM
    return right, up


def test_draw_registration__outlines_lie_on_the_borders_and_left_is_left(
    template: Template, tmp_path: Path
) -> None:
    moved = np.roll(template.brain, 2, axis=2)  # 8 mm upwards
    draw_registration(tmp_path / "one.png", template.t1 * 7.0, moved, template, "sub-01")
    draw_registration(tmp_path / "two.png", template.t1 * 7.0, moved, template, "sub-01")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    _, panels = panels_of(tmp_path / "one.png")
    heights = (-20.0, 8.0, 36.0, -56.0, -20.0, 20.0, -28.0, 4.0, 28.0)
    for number, (panel, place) in enumerate(zip(panels, heights, strict=True)):
        radius = np.sqrt(RADIUS**2 - place**2)
        right, up = where(panel, ORANGE)
        assert np.abs(np.hypot(right, up) - radius).max() < 1.5 * ZOOM
        # All around it: each eighth of the circle holds some of the outline.
        eighth = np.floor(np.arctan2(up, right) / (np.pi / 4)).astype(int)
        assert set(eighth) == set(range(-4, 4))
        if number >= 3:
            right, up = where(panel, RED)
            assert np.abs(np.hypot(right, up - 8) - radius).max() < 1.5 * ZOOM
    for panel in panels[:6]:
        right, _ = where(panel, SKY)
        assert (right < ZOOM).all()
        assert np.abs(right).min() < ZOOM
        middle = panel.shape[0] // 2
        assert panel[middle, panel.shape[1] // 2 - 15].min() > 200  # bright where white matter is
        assert panel[middle, panel.shape[1] // 2 + 15].max() < 50


def test_draw_refusal__text_lies_inside_the_picture(tmp_path: Path) -> None:
    reason = "voxels are NaN; " * 30 + "\nlikely cause: " + "é $x$ " * 40
    draw_refusal(tmp_path / "refused.png", "sub-01   not used: ImageError", reason)
    with Image.open(tmp_path / "refused.png") as opened:
        dark = np.asarray(opened.convert("L")) < 128
    assert dark[:32].any()
    assert dark[40:].sum() > 3000
    assert not dark[:, -3:].any()
    assert not dark[-3:].any()


def test_register__imports_no_matplotlib() -> None:
    code = (
        "import sys, gendmr.imaging.participant; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'matplotlib', 'ants'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

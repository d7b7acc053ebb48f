"""What a finished SVG says, and whether it can be read: its texts as boxes, in points."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from PIL import Image

SLACK = 0.4  # points by which boxes may touch


@dataclass(frozen=True)
class Written:
    """One line of text: its size, and its box from the upper left corner of the page."""

    text: str
    size: float
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Written) -> bool:
        return (
            self.left < other.right - SLACK
            and other.left < self.right - SLACK
            and self.top < other.bottom - SLACK
            and other.top < self.bottom - SLACK
        )


def written(svg: Path) -> list[Written]:
    """Return all texts of an SVG by matplotlib."""
    entries = []
    for element in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314
        style = dict(part.split(": ", 1) for part in element.attrib["style"].split("; "))
        size = float(style["font-size"].removesuffix("px"))
        slant: Any = style.get("font-style", "normal")
        font = FontProperties(
            family="DejaVu Sans",
            size=size,
            style=slant,
            weight=style.get("font-weight", "normal"),
        )
        width, height, descent = TextToPath().get_text_width_height_descent(
            element.text or "", font, ismath=False
        )
        moves = re.findall(r"(\w+)\(([^)]*)\)", element.attrib["transform"])
        turn, x, y = 0.0, 0.0, 0.0
        for kind, numbers in moves:
            values = [float(number) for number in numbers.split()]
            if kind == "rotate":
                turn = values[0]
            # One line of several is moved to its place, a single one is turned about it.
            if len(values) > 1:
                x, y = values[-2:]
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[style.get("text-anchor", "start")]
        if round(turn) == -90:
            box = (x - height + descent, y - width * (1 - before), x + descent, y + width * before)
        else:
            assert round(turn) == 0
            left = x - width * before
            box = (left, y - height + descent, left + width, y + descent)
        entries.append(Written(str(element.text), size, *box))
    return entries


def texts(svg: Path) -> list[str]:
    return [line.text for line in written(svg)]


def check_picture(png: Path, millimetres: float | None = None) -> None:
    """Both files are there, as wide as said; every text is large enough and free of others."""
    svg = png.with_suffix(".svg")
    page = ElementTree.parse(svg).getroot().attrib["viewBox"].split()  # noqa: S314
    width, height = float(page[2]), float(page[3])
    with Image.open(png) as picture:
        assert abs(picture.width - width * 300 / 72) <= 1
        assert abs(picture.height - height * 300 / 72) <= 1
    if millimetres is not None:
        assert abs(width - millimetres * 72 / 25.4) < 0.1
    assert height < 247 * 72 / 25.4  # a page
    lines = written(svg)
    assert [line.text for line in lines if line.size < 6] == []
    outside = [
        line.text
        for line in lines
        if line.left < -SLACK
        or line.top < -SLACK
        or line.right > width + SLACK
        or line.bottom > height + SLACK
    ]
    assert outside == []
    touching = [(a.text, b.text) for a, b in combinations(lines, 2) if a.overlaps(b)]
    assert touching == []

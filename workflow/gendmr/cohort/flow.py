"""The flow diagram: from everybody listed or measured to the people of the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from gendmr import style

SIZE = 6.5  # points
LINE = 0.135  # inches between lines of text
PAD = 0.07  # inches around the text of a box
GAP = 0.22  # inches between rows of boxes, room for an arrow
MARGIN = 0.06  # inches on each side of a box
HANGING = "   "  # before the second line of a text
SHADES = {style.BLUE: "#EAF3F9", style.GREEN: "#E6F5F0", style.GREY: "white"}


@dataclass(frozen=True)
class Box:
    """A title in bold, and lines below it; wrapped to the width of the box (inches)."""

    title: str
    lines: tuple[str, ...]
    width: float
    colour: str = style.BLUE

    @cached_property
    def text(self) -> list[tuple[str, str]]:
        """All lines as drawn, each with its weight."""
        room = self.width - 2 * PAD
        wrapped = [(line, "bold") for line in _wrap(self.title, room, "bold")]
        for line in self.lines:
            wrapped += [(part, "normal") for part in _wrap(line, room, "normal")]
        return wrapped

    @property
    def height(self) -> float:
        """Inches."""
        return LINE * len(self.text) + 2 * PAD

    def draw(self, axes: Axes, centre: float, top: float) -> None:
        """Draw the box below `top` (inches from the bottom)."""
        left_edge = centre - self.width / 2
        axes.add_patch(
            Rectangle(
                (left_edge, top - self.height),
                self.width,
                self.height,
                fc=SHADES[self.colour],
                ec=self.colour,
                lw=0.8,
                ls="--" if self.colour == style.GREY else "-",
            )
        )
        for i, (line, weight) in enumerate(self.text):
            axes.text(
                left_edge + PAD,
                top - PAD - LINE * (i + 0.5),
                line,
                va="center_baseline",
                size=SIZE,
                weight=weight,
            )


def draw_flow(flow: Mapping[str, Any], path: Path) -> Figure:
    """Draw who came in by each modality, who left and why, and who is analysed (CONSORT style).

    Parameters
    ----------
    flow : mapping
        The entry `flow` of `cohort/summary.json`.
    path : Path
        PNG to write, two columns of a page wide; the SVG is written beside it.
    """
    people, kinds = 1 + len(flow["modalities"]), len(flow["instances"])
    step = style.PAGE / (people + kinds)
    width = step - 2 * MARGIN
    columns = [_listed(flow, width)]
    columns += [_modality(entry, width) for entry in flow["modalities"].values()]
    columns += [_instances(kind, entry, width) for kind, entry in flow["instances"].items()]
    everybody = _analysed(flow["analysed"][0], people * step - 2 * MARGIN)
    instance_boxes = [
        Box(f"{kind.capitalize()}s analysed", (_n(entry["passed"]),), width, style.GREEN)
        for kind, entry in flow["instances"].items()
    ]
    rows = [max(column[row].height for column in columns[:people]) for row in range(3)]
    rows[1] = max(rows[1], *(column[1].height for column in columns))
    heights = [*rows, max(box.height for box in (everybody, *instance_boxes))]
    ends = [
        [_analysed(entry, width) for entry in entries]
        for entries in _rows_of(flow["analysed"], people)
    ]
    heights += [max(box.height for box in boxes) for boxes in ends]
    total = sum(heights) + GAP * (len(heights) - 1) + 2 * MARGIN
    tops = [total - MARGIN - sum(heights[:row]) - GAP * row for row in range(len(heights))]

    figure = Figure(figsize=(style.PAGE, total))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.PAGE), ylim=(0, total))
    axes.axis("off")
    for i, column in enumerate(columns):
        centre = step * (i + 0.5)
        for box, top, below in zip(column, tops, [*tops[1 : len(column)], tops[3]], strict=False):
            box.draw(axes, centre, top)
            _arrow(axes, centre, top - box.height, below)
    everybody.draw(axes, people * step / 2, tops[3])
    for i, box in enumerate(instance_boxes):
        box.draw(axes, step * (people + i + 0.5), tops[3])
    for row, boxes in enumerate(ends):
        for i, box in enumerate(boxes):
            centre = step * (i + 0.5)
            if row == 0:
                _arrow(axes, centre, tops[3] - everybody.height, tops[4])
            box.draw(axes, centre, tops[4 + row])
    style.save(figure, path, crop=False)
    return figure


def _rows_of(analysed: Sequence[Mapping[str, Any]], columns: int) -> list[list[Mapping[str, Any]]]:
    """Return the combinations of modalities in rows of as many boxes as there are columns."""
    ends = list(analysed[1:])
    return [ends[first : first + columns] for first in range(0, len(ends), columns)]


@lru_cache(maxsize=4096)
def _measure(text: str, weight: str) -> float:
    """Return the width of a text in inches."""
    font = FontProperties(family=rcParams["font.family"], weight=weight, size=SIZE)
    return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def _wrap(text: str, room: float, weight: str) -> list[str]:
    """Break a text into lines of at most `room` inches, between words where that is possible."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if _measure(longer, weight) > room and lines[-1].strip():
            lines.append(HANGING + word)
        else:
            lines[-1] = longer
        while _measure(lines[-1], weight) > room:
            fits = next(
                n for n in range(len(lines[-1]), 0, -1) if _measure(lines[-1][:n], weight) <= room
            )
            lines[-1:] = [lines[-1][:fits], HANGING + lines[-1][fits:]]
    return lines


def _listed(flow: Mapping[str, Any], width: float) -> list[Box]:
    with_outcome = flow["listed"] - sum(flow["left"].values())
    return [
        Box("In participants.tsv", (_n(flow["listed"]),), width),
        _removed("Left out", flow["left"], width),
        Box(
            f"With {flow['outcome'] or 'an outcome'}",
            (_n(with_outcome), *_minus(flow["no_modality"])),
            width,
        ),
    ]


def _modality(entry: Mapping[str, Any], width: float) -> list[Box]:
    lines = [_n(entry["passed"]), *_minus(entry["left"])]
    if entry["flagged"]:
        lines.append(f"{entry['flagged']:,} kept although flagged")
    return [
        Box(f"With {entry['label']}", (_n(entry["in"]),), width),
        _removed("Removed", entry["removed"], width),
        Box(f"Usable {entry['label']}", tuple(lines), width),
    ]


def _instances(kind: str, entry: Mapping[str, Any], width: float) -> list[Box]:
    return [
        Box(f"{kind.capitalize()}s read", (_n(entry["in"]),), width),
        _removed("Removed", entry["removed"], width),
    ]


def _analysed(entry: Mapping[str, Any], width: float) -> Box:
    lines = [_n(entry["n"])]
    several = len(entry["outcomes"]) > 1
    for label, groups in entry["outcomes"].items():
        # A measurement has one group, everybody: the number of people is enough.
        if len(groups) > 1:
            text = ", ".join(f"{group} {count:,}" for group, count in groups.items())
        else:
            text = f"{sum(groups.values()):,}"
        if several:
            lines.append(f"{label}: {text}")
        elif len(groups) > 1:
            lines.append(text)
    return Box(entry["title"], tuple(lines), width, style.GREEN)


def _removed(title: str, reasons: Mapping[str, int], width: float) -> Box:
    lines = tuple(f"{n:,}  {reason}" for reason, n in reasons.items())
    return Box(f"{title}: {_n(sum(reasons.values()))}", lines, width, style.GREY)


def _minus(reasons: Mapping[str, int]) -> list[str]:
    return [f"−{count:,}  {reason}" for reason, count in reasons.items() if count]


def _n(count: int) -> str:
    return f"n = {count:,}"


def _arrow(axes: Axes, x: float, start: float, end: float) -> None:
    axes.annotate(
        "",
        (x, end),
        (x, start),
        arrowprops={
            "arrowstyle": "-|>",
            "color": style.GREY,
            "lw": 0.8,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )

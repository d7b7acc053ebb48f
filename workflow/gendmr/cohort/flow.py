"""The flow diagram: from everybody listed, genotyped or imaged to the people of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
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
SPELT = {"maf": "minor allele frequency", "hwe": "Hardy–Weinberg proportions"}
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
        left = centre - self.width / 2
        axes.add_patch(
            Rectangle(
                (left, top - self.height),
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
                left + PAD,
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
    modalities = [name for name in ("genotypes", "images") if flow[name] is not None]
    people = 1 + len(modalities)
    step = style.PAGE / (people + 1)
    width = step - 2 * MARGIN
    columns = [_listed(flow, width), *(_modality(name, flow[name], width) for name in modalities)]
    columns.append(_variants(flow["variants"], width))
    everybody = _analysed("Analysed", flow["cohort"], "all", people * step - 2 * MARGIN)
    kept = Box("Variants analysed", (_n(flow["variants"]["passed"]),), width, style.GREEN)
    ends = _ends(flow["cohort"], columns=people, width=width)
    rows = [max(column[row].height for column in columns[:people]) for row in range(3)]
    rows[1] = max(rows[1], columns[-1][1].height)
    heights = [*rows, max(everybody.height, kept.height), *(box.height for box in ends[:1])]
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
    kept.draw(axes, step * (people + 0.5), tops[3])
    for i, box in enumerate(ends):
        centre = step * (i + 0.5)
        _arrow(axes, centre, tops[3] - everybody.height, tops[4])
        box.draw(axes, centre, tops[4])
    style.save(figure, path, crop=False)
    return figure


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
    kept = flow["listed"] - sum(flow["left"].values())
    return [
        Box("In participants.tsv", (_n(flow["listed"]),), width),
        _removed("Left out", flow["left"], width),
        Box("With a diagnosis", (_n(kept), *_minus(flow["no_modality"])), width),
    ]


def _modality(name: str, entry: Mapping[str, Any], width: float) -> list[Box]:
    first, last = {
        "genotypes": ("Genotyped", "Passed quality control"),
        "images": ("Imaged", "Regions measured"),
    }[name]
    lines = [_n(entry["passed"]), *_minus(entry["left"])]
    if entry["flagged"]:
        lines.append(f"{entry['flagged']:,} kept although flagged")
    return [
        Box(first, (_n(entry["in"]),), width),
        _removed("Removed", entry["removed"], width),
        Box(last, tuple(lines), width),
    ]


def _variants(entry: Mapping[str, Any], width: float) -> list[Box]:
    return [
        Box("Variants read", (_n(entry["in"]),), width),
        _removed("Removed", entry["removed"], width),
    ]


def _ends(counts: Mapping[str, Mapping[str, int]], *, columns: int, width: float) -> list[Box]:
    if columns < 3:
        return []
    titles = {
        "both": "Genotypes and images",
        "snp_only": "Genotypes only",
        "region_only": "Images only",
    }
    return [_analysed(title, counts, name, width) for name, title in titles.items()]


def _analysed(title: str, counts: Mapping[str, Mapping[str, int]], name: str, width: float) -> Box:
    case, control = counts["case"][name], counts["control"][name]
    cases = "case" if case == 1 else "cases"
    controls = "control" if control == 1 else "controls"
    lines = (_n(case + control), f"{case:,} {cases}, {control:,} {controls}")
    return Box(title, lines, width, style.GREEN)


def _removed(title: str, reasons: Mapping[str, int], width: float) -> Box:
    lines = tuple(f"{n:,}  {SPELT.get(reason, reason)}" for reason, n in reasons.items())
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

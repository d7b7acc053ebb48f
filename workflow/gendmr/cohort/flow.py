"""The flow diagram: from everybody listed, genotyped or imaged to the people of the analysis."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from gendmr import style

LINE = 0.14  # inches between lines of text
PAD = 0.08  # inches above and below the text of a box
GAP = 0.28  # inches between rows of boxes, room for an arrow
MARGIN = 0.1  # inches on each side of a box
CHARACTER = 0.066  # inches that a character of 7 points takes


@dataclass(frozen=True)
class Box:
    """A title in bold, and lines below it; wrapped to the width of the box (inches)."""

    title: str
    lines: tuple[str, ...]
    width: float
    colour: str = style.BLUE

    @property
    def text(self) -> list[str]:
        """All lines as drawn."""
        longest = int((self.width - 0.15) / CHARACTER)
        wrapped = [self.title]
        for line in self.lines:
            wrapped += textwrap.wrap(line, longest, subsequent_indent="    ")
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
                (left, top - self.height), self.width, self.height, fill=False, ec=self.colour, lw=1
            )
        )
        for i, line in enumerate(self.text):
            axes.text(
                left + 0.08,
                top - PAD - LINE * i,
                line,
                va="top",
                fontsize=7,
                weight="normal" if i else "bold",
            )


def draw_flow(flow: Mapping[str, Any], path: Path) -> None:
    """Draw who came in by each modality, who left and why, and who is analysed (CONSORT style).

    Parameters
    ----------
    flow : mapping
        The entry `flow` of `cohort/summary.json`.
    path : Path
        PNG to write, two columns of a page wide.
    """
    modalities = [name for name in ("genotypes", "images") if flow[name] is not None]
    step = style.PAGE / (1 + len(modalities))
    width = step - 2 * MARGIN
    columns = [_listed(flow, width), *(_modality(name, flow[name], width) for name in modalities)]
    ends = _ends(flow["cohort"], columns=len(columns), width=width)
    everybody = _analysed("Analysed", flow["cohort"], "all", style.PAGE - 2 * MARGIN)
    heights = [max(column[row].height for column in columns) for row in range(3)]
    tallest = max((box.height for box in ends), default=-GAP)
    total = sum(heights) + everybody.height + tallest + 4 * GAP

    figure, axes = style.canvas(size=(style.PAGE, total))
    axes.set(xlim=(0, style.PAGE), ylim=(-0.03, total + 0.03))
    axes.axis("off")
    for i, column in enumerate(columns):
        centre, top = step * (i + 0.5), total
        for box, height in zip(column, heights, strict=True):
            box.draw(axes, centre, top)
            _arrow(axes, centre, top - box.height, top - height - GAP)
            top -= height + GAP
    top = total - sum(heights) - 3 * GAP
    everybody.draw(axes, style.PAGE / 2, top)
    for i, box in enumerate(ends):
        centre = step * (i + 0.5)
        _arrow(axes, centre, top - everybody.height, top - everybody.height - GAP)
        box.draw(axes, centre, top - everybody.height - GAP)
    style.save(figure, path)


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
        lines.append(f"flagged as outliers, kept: {entry['flagged']}")
    return [
        Box(first, (_n(entry["in"]),), width),
        _removed("Removed", entry["removed"], width),
        Box(last, tuple(lines), width),
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
    line = f"{_n(case + control)}: {case:,} {cases}, {control:,} {controls}"
    return Box(title, (line,), width, style.GREEN)


def _removed(title: str, reasons: Mapping[str, int], width: float) -> Box:
    lines = tuple(f"{count:,}  {reason}" for reason, count in reasons.items())
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

"""The flow diagram: from everybody listed, genotyped or imaged to the people of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from gendmr import style

LINE = 0.135  # inches between lines of text
PAD = 0.1  # inches above and below the text of a box
GAP = 0.32  # inches between boxes, room for an arrow
LONGEST = 34  # characters of a line


def draw_flow(flow: Mapping[str, Any], path: Path) -> None:
    """Draw who came in by each modality, who left and why, and who is analysed (CONSORT style).

    Parameters
    ----------
    flow : mapping
        The entry `flow` of `cohort/summary.json`.
    path : Path
        PNG to write, two columns of a page wide.
    """
    columns = [_participants(flow)]
    for name, title in (("genotypes", "Genotyped"), ("images", "Imaged")):
        if flow[name] is not None:
            columns.append(_modality(flow[name], title))
    rows = [max(_height(column[row]) for column in columns if column[row]) for row in range(3)]
    cohort = _cohort(flow["cohort"])
    bottom = max(_height(box) for box in cohort)
    total = sum(rows) + bottom + 4 * GAP
    figure, axes = plt.subplots(figsize=(style.PAGE, total))
    axes.set_xlim(0, style.PAGE)
    axes.set_ylim(0, total)
    axes.axis("off")
    width = style.PAGE / len(columns)
    ends = []
    for i, column in enumerate(columns):
        x, top = width * (i + 0.5), total
        for row, box in enumerate(column):
            left = row == 1
            height = _height(box) if box else rows[row]
            if box:
                _box(axes, x, top, width - 0.2, box, colour=style.GREY if left else style.BLUE)
            else:
                axes.plot([x, x], [top + GAP, top - rows[row]], color=style.GREY, lw=0.8)
            end = top - (height if box else rows[row])
            if row < 2:
                _arrow(axes, (x, end), (x, top - rows[row] - GAP))
            else:
                ends.append((x, end))
            top -= rows[row] + GAP
    y = bottom + 1.0 * GAP
    middle = style.PAGE / 2
    for x, end in ends:
        axes.plot([x, x], [end, y], color=style.GREY, lw=0.8)
    axes.plot([ends[0][0], ends[-1][0]], [y, y], color=style.GREY, lw=0.8)
    shown = [box for box in cohort if box]
    step = style.PAGE / len(shown)
    for i, box in enumerate(shown):
        x = step * (i + 0.5)
        _arrow(axes, (x, y), (x, bottom))
        axes.plot([x, middle], [y, y], color=style.GREY, lw=0.8)
        _box(axes, x, bottom, step - 0.2, box, colour=style.GREEN)
    style.save(figure, path)


def _participants(flow: Mapping[str, Any]) -> list[list[str]]:
    kept = flow["listed"] - sum(flow["left"].values())
    return [
        ["In participants.tsv", _n(flow["listed"])],
        _reasons("Left out", flow["left"]),
        ["With a diagnosis", _n(kept)]
        + [
            f"not in the analysis: {count}, {reason}"
            for reason, count in flow["no_modality"].items()
        ],
    ]


def _modality(entry: Mapping[str, Any], title: str) -> list[list[str]]:
    last = ["Passed quality control" if title == "Genotyped" else "Regions measured"]
    last.append(_n(entry["passed"]))
    if entry.get("flagged"):
        last.append(f"flagged and kept: {entry['flagged']}")
    if entry["not_listed"]:
        last.append(f"not in participants.tsv: {entry['not_listed']}")
    return [[title, _n(entry["in"])], _reasons("Removed", entry["removed"]), last]


def _cohort(counts: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    titles = {
        "all": "Analysed",
        "both": "Genotypes and images",
        "snp_only": "Genotypes only",
        "region_only": "Images only",
    }
    boxes = []
    for name, title in titles.items():
        case, control = counts["case"][name], counts["control"][name]
        boxes.append([title, _n(case + control), f"{case} cases, {control} controls"])
    return boxes


def _reasons(title: str, reasons: Mapping[str, int]) -> list[str]:
    if not reasons:
        return []
    listed = [f"{count}  {reason}" for reason, count in reasons.items()]
    return [f"{title} ({_n(sum(reasons.values()))})", *listed]


def _n(count: int) -> str:
    return f"n = {count:,}"


def _wrap(lines: list[str]) -> list[str]:
    import textwrap

    wrapped = []
    for line in lines:
        wrapped += textwrap.wrap(line, LONGEST, subsequent_indent="    ") or [""]
    return wrapped


def _height(lines: list[str]) -> float:
    return LINE * len(_wrap(lines)) + 2 * PAD if lines else 0.0


def _box(axes: Axes, x: float, top: float, width: float, lines: list[str], *, colour: str) -> None:
    height = _height(lines)
    axes.add_patch(
        plt.Rectangle((x - width / 2, top - height), width, height, fill=False, ec=colour, lw=1)
    )
    for i, line in enumerate(_wrap(lines)):
        axes.text(
            x - width / 2 + 0.08,
            top - PAD - LINE * i,
            line,
            va="top",
            fontsize=7,
            weight="bold" if i == 0 else "normal",
        )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": style.GREY, "lw": 0.8})

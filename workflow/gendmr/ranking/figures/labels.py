"""Names of points that do not overlap: a small deterministic placement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gendmr import style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

NORMAL_SCORE = "z, normal score against the null"  # of axes
ACROSS, UP = 160, 60  # candidate places of a label
FEW = 300  # places for which it is seen at a time what their line would cross
PAD = 0.22  # empty space around a label, in heights of a line
GAP = 0.5  # from the middle of a point to a label beside it, in heights of a line
# Costs in heights of a line: a point that is covered, a point with a name that is covered, a name
# across a line, a name below its point.
COVERED, MARK, CROSSED, BELOW = 4.0, 20.0, 20.0, 9.0
MARK_RADIUS = 0.45  # of a point with a name, in heights of a line
CELL = 3.0  # pixels
ON_LINE = np.linspace(0, 1, 24)


def place_labels(
    axes: Axes,
    names: Sequence[str],
    at: np.ndarray,
    points: np.ndarray,
    *,
    avoid: Sequence[Artist] = (),
    **text: object,
) -> list[Text | None]:
    """Write each name near its point so that no two names overlap, the first ones nearest.

    A name takes the place within the axes that costs least: its distance from the point, and the
    points and lines that it would cover; above its point rather than below. A thin line leads to
    the point where the name is not beside it. The same input always gives the same places. Call it
    last: limits and layout of the axes must not change afterwards.

    Parameters
    ----------
    axes : Axes
    names : sequence of str
    at : ndarray (names, 2)
        The points that they name, in the units of the axes.
    points : ndarray (n, 2)
        All points that are drawn, in the units of the axes.
    avoid : sequence of Artist
        Other things that no name may touch: texts, legends.
    **text
        Options of the names' text.

    Returns
    -------
    list of Text or None
        In the order of `names`; None where no free place is left, and nothing is written.
    """
    figure = axes.get_figure()
    if figure is None or not names:
        return [None] * len(names)
    unit = float(text.get("fontsize", style.SMALL)) * figure.dpi / 72  # type: ignore[arg-type]
    written = [axes.text(0, 0, name, ha="center", va="center", **text) for name in names]  # type: ignore[arg-type]
    sizes = np.array([[box.width, box.height] for box in (t.get_window_extent() for t in written)])
    sizes += 2 * PAD * unit
    frame = np.array(axes.get_window_extent().extents)
    occupied = [artist.get_window_extent().extents for artist in avoid]
    anchors = axes.transData.transform(at)
    dots = axes.transData.transform(points) if len(points) else np.zeros((0, 2))
    marks = np.hstack([anchors - MARK_RADIUS * unit, anchors + MARK_RADIUS * unit])
    lines = np.zeros((0, 2))
    placed: list[Text | None] = []
    for label, size, anchor in zip(written, sizes, anchors, strict=True):
        boxes = _candidates(frame, size, anchor, GAP * unit)
        boxes = boxes[~_touch(boxes, np.array(occupied).reshape(-1, 4)).any(axis=1)]
        if not len(boxes):
            label.remove()
            placed.append(None)
            continue
        near = np.clip(anchor, boxes[:, :2], boxes[:, 2:])
        distance = np.hypot(*(near - anchor).T)
        cost = distance / unit + BELOW * (boxes[:, 3] < anchor[1])
        cost += COVERED * _inside(boxes, dots) + CROSSED * _inside(boxes, lines)
        cost += MARK * _touch(boxes, marks).sum(axis=1)
        other_marks = marks[~((anchor > marks[:, :2]) & (anchor < marks[:, 2:])).all(axis=1)]
        best = _cheapest(np.round(cost, 6), anchor, near, np.vstack([*occupied, other_marks]))
        box = boxes[best]
        occupied.append(box)
        label.set_position(
            axes.transData.inverted().transform((box[:2] + box[2:]) / 2)  # type: ignore[arg-type]
        )
        if distance[best] > 1.6 * GAP * unit:
            lines = np.vstack([lines, _along(anchor, near[best : best + 1])[0]])
            ends = axes.transData.inverted().transform([anchor, near[best]])
            axes.plot(*ends.T, color=style.DARK, lw=0.4, zorder=1.5, solid_capstyle="butt")
        placed.append(label)
    return placed


def _cheapest(cost: np.ndarray, anchor: np.ndarray, near: np.ndarray, occupied: np.ndarray) -> int:
    """Return the cheapest place when the names across its line count too, the first of equals."""
    order = np.argsort(cost, kind="stable")
    best, least = int(order[0]), np.inf
    for start in range(0, len(order), FEW):
        batch = order[start : start + FEW]
        # What follows costs at least as much even if its line crosses nothing.
        if least <= cost[batch[0]]:
            break
        whole = cost[batch] + CROSSED * _crossed(anchor, near[batch], occupied)
        if whole.min() < least:
            best, least = int(batch[np.argmin(whole)]), float(whole.min())
    return best


def _candidates(frame: np.ndarray, size: np.ndarray, anchor: np.ndarray, gap: float) -> np.ndarray:
    """Return boxes (n, 4) within the frame: beside the point, then everywhere on a grid."""
    half = size / 2
    low, high = frame[:2] + half, frame[2:] - half
    if (low > high).any():
        return np.zeros((0, 4))
    grid = np.stack(
        np.meshgrid(np.linspace(low[0], high[0], ACROSS), np.linspace(low[1], high[1], UP)), -1
    ).reshape(-1, 2)
    sides = np.array([(0, 1), (1, 0), (-1, 0), (1, 1), (-1, 1), (0, -1), (1, -1), (-1, -1)])
    adjacent = anchor + sides * (half + gap)
    centres = np.vstack([adjacent[((adjacent >= low) & (adjacent <= high)).all(axis=1)], grid])
    return np.hstack([centres - half, centres + half])


def _touch(boxes: np.ndarray, occupied: np.ndarray) -> np.ndarray:
    """Return whether each box touches each that is occupied, (boxes, occupied)."""
    first, second = boxes[:, None, :], occupied[None, :, :]
    return (
        (first[..., 0] < second[..., 2])
        & (second[..., 0] < first[..., 2])
        & (first[..., 1] < second[..., 3])
        & (second[..., 1] < first[..., 3])
    )


def _inside(boxes: np.ndarray, dots: np.ndarray) -> np.ndarray:
    """Count the dots in each box, by a table of sums over a lattice of `CELL` pixels."""
    if not len(dots) or not len(boxes):
        return np.zeros(len(boxes))
    boxes, dots = boxes / CELL, dots / CELL
    low = boxes[:, :2].min(axis=0)
    shape = np.ceil(boxes[:, 2:].max(axis=0) - low).astype(int) + 1
    cell = np.floor(dots - low).astype(int)
    cell = cell[((cell >= 0) & (cell < shape)).all(axis=1)]
    table = np.zeros(shape + 1, dtype=np.int32)
    np.add.at(table, (cell[:, 0] + 1, cell[:, 1] + 1), 1)
    table = table.cumsum(axis=0).cumsum(axis=1)
    x0, y0 = np.floor(boxes[:, :2] - low).astype(int).T
    x1, y1 = np.floor(boxes[:, 2:] - low).astype(int).T + 1
    return np.asarray(table[x1, y1] - table[x0, y1] - table[x1, y0] + table[x0, y0])


def _along(anchor: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return dots on the lines from the point to each end, (ends, dots, 2)."""
    return np.asarray(anchor + (ends - anchor)[:, None, :] * ON_LINE[None, :, None])


def _crossed(anchor: np.ndarray, ends: np.ndarray, occupied: np.ndarray) -> np.ndarray:
    """Count the boxes that are occupied and lie across the line from the point to each end."""
    if not len(occupied):
        return np.zeros(len(ends))
    dots = _along(anchor, ends)[:, :, None, :]
    crossed: np.ndarray = np.all((dots > occupied[:, :2]) & (dots < occupied[:, 2:]), axis=-1)
    return np.asarray(crossed.any(axis=1).sum(axis=1))

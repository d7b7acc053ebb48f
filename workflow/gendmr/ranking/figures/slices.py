"""Slices of the brain: the template, what is painted on it, and the numbers of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from gendmr import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CUTS = 3  # slices of each plane
APART = 10.0  # mm between slices
REACH = 6.0  # mm from a slice within which the number of a region is written on it
SPACED = 14.0  # mm between numbers on a slice
BESIDE = 11.0  # mm from the middle of a region to its number
MAP = LinearSegmentedColormap.from_list(
    "risk", [style.BLUE, style.SKY, "#F7F7F7", style.ORANGE, style.RED]
)


class PaintedVolume:
    """The template and, on its grid, what is painted (share of the largest, signed), how opaque."""

    def __init__(
        self, t1: np.ndarray, painted: np.ndarray, affine: np.ndarray, opacity: np.ndarray
    ) -> None:
        self.opacity = opacity
        # Resampling leaves traces outside the brain.
        self.light = float(np.percentile(t1[t1 > 0], 99.5))
        self.t1 = np.ma.masked_less(t1, 0.04 * self.light)
        self.painted = np.ma.masked_equal(painted, 0)
        self.step = np.diag(affine)[:3]
        self.first = affine[:3, 3]
        inside = ~np.ma.getmaskarray(self.t1)
        self.edges = np.array([self._edges(inside, axis) for axis in range(3)])

    def _edges(self, inside: np.ndarray, axis: int) -> tuple[float, float]:
        other_axes = tuple({0, 1, 2} - {axis})
        low, high = np.flatnonzero(inside.any(axis=other_axes))[[0, -1]]
        half = self.step[axis] / 2
        place = self.first[axis] + self.step[axis] * np.array([low, high])
        return place[0] - half, place[1] + half

    def width(self, axis: int) -> float:
        """Return the size of the brain in mm."""
        return float(self.edges[axis, 1] - self.edges[axis, 0])

    def draw(self, axes: Axes, plane: tuple[int, int, int], place: float) -> None:
        """Draw one slice, `place` in mm."""
        across, x, y = plane
        index = round((place - self.first[across]) / self.step[across])
        index = int(np.clip(index, 0, self.t1.shape[across] - 1))
        extent = [
            self.first[a] + self.step[a] * end
            for a in (x, y)
            for end in (-0.5, self.t1.shape[a] - 0.5)
        ]
        where: dict[str, Any] = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
        t1, painted, opacity = (
            volume.take(index, axis=across).T for volume in (self.t1, self.painted, self.opacity)
        )
        # Lighter than it is: colours must stand out.
        axes.imshow(t1, cmap="gray", vmin=-0.5 * self.light, vmax=1.05 * self.light, **where)
        solid = np.clip(0.25 + np.abs(painted.filled(0.0)), 0, 0.95) * opacity
        axes.imshow(painted, cmap=MAP, vmin=-1, vmax=1, alpha=solid, **where)
        axes.set(xlim=self.edges[x], ylim=self.edges[y])


def cuts_through(centres: np.ndarray, order: Sequence[int], axis: int) -> list[float]:
    """Return where slices go through the strongest regions, at least `APART` from one another."""
    places: list[float] = []
    for i in order:
        place = float(centres[i, axis])
        if np.isfinite(place) and all(abs(place - earlier) >= APART for earlier in places):
            places.append(place)
    return sorted(places[:CUTS])


def write_ranks(
    axes: Axes,
    centres: np.ndarray,
    order: Sequence[int],
    plane: tuple[int, int, int],
    place: float,
) -> None:
    """Write the ranks of regions that a slice goes through, the strongest first."""
    across, x, y = plane
    labelled: list[np.ndarray] = []
    for i in order:
        at = centres[i, [x, y]]
        near = abs(centres[i, across] - place) <= REACH
        if near and all(np.hypot(*(at - earlier)) >= SPACED for earlier in labelled):
            labelled.append(at)
            # Outwards, so that it hides no small region.
            outwards = BESIDE if at[0] >= 0 else -BESIDE
            axes.text(
                at[0] + outwards, at[1], str(i + 1), ha="center", va="center_baseline",
                size=style.SMALL, weight="bold",
            )  # fmt: skip

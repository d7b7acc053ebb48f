"""Labels of several heads, carried to a scan and fused where they differ.

Each labelled head is registered to the scan and votes for its labels, with a weight that differs
from place to place: how alike head and scan are there, and how much the head errs where others
err as well (Wang 2013, doi:10.1109/TPAMI.2012.143).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

# Standard deviation of the neighbourhood in which heads are compared, mm.
PATCH_MM = 2.5
# Exponent of the chance that two heads err alike, and what keeps the equations solvable, by the
# mean of their diagonal.
POWER, RIDGE = 2.0, 0.1


@dataclass(frozen=True)
class CarriedLabels:
    """Labels of one atlas or of several on the grid of a scan.

    Attributes
    ----------
    votes : (atlases, i, j, k) int
        Row of the region plus one, 0 for none.
    weights : (atlases, i, j, k) float32
        Of each vote; they add up to 1. An axis of length 1 holds for all its places.
    """

    votes: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray) -> CarriedLabels:
        """Return the labels of a single atlas."""
        return cls(labels[None], np.ones((1, 1, 1, 1), np.float32))

    @cached_property
    def likeliest(self) -> np.ndarray:
        """The label with the largest sum of weights, (i, j, k); of equals that of the first."""
        best: np.ndarray = self.votes[0]
        if len(self.votes) == 1:
            return best
        most: np.ndarray | None = None
        for vote in self.votes:
            support = np.zeros(vote.shape, np.float32)
            for other_vote, weight in zip(self.votes, self.weights, strict=True):
                support += weight * (other_vote == vote)
            if most is None:
                best, most = vote.copy(), support
            else:
                better = support > most + 1e-6
                best[better], most[better] = vote[better], support[better]
        return best

    def share(self, row: int, box: tuple[slice, ...]) -> np.ndarray:
        """Sum of the weights of the votes for one region in a box, float32."""
        whole = np.broadcast_to(self.weights, self.votes.shape)
        total = np.zeros(self.votes[0][box].shape, np.float32)
        for vote, weight in zip(self.votes, whole, strict=True):
            total += weight[box] * (vote[box] == row + 1)
        return total

    def boxes(self, regions: int) -> list[tuple[slice, ...] | None]:
        """Return for each region the box that holds all votes for it; None without any."""
        of_votes = [ndimage.find_objects(vote, max_label=regions) for vote in self.votes]
        return [
            _around([box for box in boxes if box is not None])
            for boxes in zip(*of_votes, strict=True)
        ]


def _around(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...] | None:
    if not boxes:
        return None
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )


def fusion_weights(scan: np.ndarray, heads: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Weight of each head at each voxel, from how its image and that of the scan differ around.

    The expected error of a weighted vote is least for weights proportional to the sums of rows of
    the inverse of M, where M holds the chance that two heads err at once: the mean product of
    their absolute differences from the scan, to a power (Wang 2013).

    Parameters
    ----------
    scan : (i, j, k) float32
        Place between fluid (0), grey (1) and white matter (2).
    heads : (heads, i, j, k) float32
        The same of the heads, carried to the scan.
    zooms : (3,)
        Voxel size, mm.

    Returns
    -------
    (heads, i, j, k) float32
        0 or more; they add up to 1.
    """
    count = len(heads)
    apart = np.abs(heads - scan)
    joint = {
        (first, second): np.maximum(
            ndimage.gaussian_filter(apart[first] * apart[second], PATCH_MM / zooms), 0
        )
        ** POWER
        for first in range(count)
        for second in range(first, count)
    }
    weights = np.empty(heads.shape, np.float32)
    # Slice by slice: matrices of all voxels at once would be the largest thing in memory.
    for x in range(len(scan)):
        matrix = np.empty((*scan.shape[1:], count, count), np.float32)
        for (first, second), product in joint.items():
            matrix[..., first, second] = matrix[..., second, first] = product[x]
        mean = np.einsum("...ii->...", matrix)[..., None, None] / count
        matrix += (RIDGE * mean + 1e-6) * np.eye(count, dtype=np.float32)
        ones = np.ones((*scan.shape[1:], count, 1), np.float32)
        solved = np.maximum(np.linalg.solve(matrix, ones)[..., 0], 0)
        total = solved.sum(axis=-1, keepdims=True)
        solved = np.where(total > 0, solved / np.maximum(total, 1e-12), 1 / count)
        weights[:, x] = np.moveaxis(solved, -1, 0)
    return weights

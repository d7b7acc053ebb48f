"""Groups of points that are clearly apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST_GROUPS = 5
STARTS = 20  # of k-means: one start may miss groups that are clearly apart
SEPARATION = 0.5  # mean silhouette from which components are groups rather than a cloud


def separate_groups(points: np.ndarray, seed_of: Callable[[int], int]) -> np.ndarray:
    """Return the group of each point, int (point,): 0 is the largest; all 0 where none are apart.

    k-means with the number of groups, up to 5, of the largest mean silhouette (Rousseeuw 1987); one
    group where none is above 0.5.

    Parameters
    ----------
    points : float (point, coordinate)
    seed_of : callable
        ``seed_of(groups)`` gives the seed of k-means for that number of groups.
    """
    from sklearn.cluster import KMeans

    group_of = np.zeros(len(points), dtype=np.int64)
    if len(points) < 2 * MOST_GROUPS or not points.size or not points.std():
        return group_of
    best = SEPARATION
    for groups in range(2, MOST_GROUPS + 1):
        # scikit-learn takes seeds of 32 bits.
        clusters = KMeans(groups, n_init=STARTS, random_state=seed_of(groups) % 2**32)
        label = clusters.fit_predict(points)
        score = mean_silhouette(points, label)
        if score > best:
            best = score
            sizes = np.bincount(label, minlength=groups)
            group_of = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")[label]
    return group_of


def mean_silhouette(points: np.ndarray, label: np.ndarray, most: int = 2000) -> float:
    """Return the mean silhouette of about `most` evenly spread points; -1 for one group."""
    step = max(1, len(points) // most)
    points, label = points[::step], label[::step]
    groups = np.unique(label)
    if len(groups) < 2:
        return -1.0
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    member = label[:, None] == groups
    size = member.sum(axis=0)
    mean = apart @ member / np.maximum(size - member, 1)
    within = mean[member]
    nearest = np.where(member, np.inf, mean).min(axis=1)
    largest = np.maximum(np.maximum(within, nearest), 1e-300)
    return float(
        np.where(size[member.argmax(axis=1)] > 1, (nearest - within) / largest, 0.0).mean()
    )

"""Numbers that compare a predicted mask with the true one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

DETECTED = 0.1  # Dice from which on a lesion counts as detected
PERCENTILE = 95.0  # of the distances between surfaces


def compare(predicted: np.ndarray, truth: np.ndarray, voxel_size: np.ndarray) -> dict[str, Any]:
    """Return the columns of predictions.tsv for one person.

    Parameters
    ----------
    predicted, truth : bool (slice, row, column)
    voxel_size : float64 (3,)
        Distance of slices, rows and columns, mm; NaN is unknown.

    Returns
    -------
    dict
        See `gendmr.tasks.segmentation.task.COLUMNS`.
    """
    overlap = predicted & truth
    axes = (1, 2)
    by_slice = dice(overlap.sum(axis=axes), predicted.sum(axis=axes), truth.sum(axis=axes))
    lesion = truth.any(axis=axes)
    distance, unit = hausdorff(predicted, truth, voxel_size)
    counts = int(overlap.sum()), int(predicted.sum()), int(truth.sum())
    union = counts[1] + counts[2] - counts[0]
    return {
        "slices": len(truth),
        "empty_slices": int((~lesion).sum()),
        "voxels": counts[2],
        "predicted_voxels": counts[1],
        "intersection": counts[0],
        "dice": float(dice(*(np.array([count]) for count in counts))[0]),
        "iou": counts[0] / union if union else 1.0,
        "slice_dice": float(by_slice.mean()) if len(truth) else np.nan,
        "slice_dice_lesion": float(by_slice[lesion].mean()) if lesion.any() else np.nan,
        "hd95": distance,
        "distance_unit": unit,
    }


def dice(overlap: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return Dice's coefficient from counts of voxels; 1 where both masks are empty."""
    total = predicted + truth
    return np.asarray(
        np.where(total > 0, 2 * overlap / np.maximum(total, 1), 1.0), dtype=np.float64
    )


def hausdorff(
    predicted: np.ndarray, truth: np.ndarray, voxel_size: np.ndarray
) -> tuple[float, str]:
    """Return the 95th percentile of the distances between surfaces, and its unit.

    The larger of the two directed percentiles (MONAI). Where the size of voxels is unknown, slices
    have no distance from each other: then the mean over slices in which both masks have voxels, in
    pixels.

    Returns
    -------
    distance : float
        NaN where either mask is empty, or no slice has both.
    unit : str
        `mm` or `pixel`.
    """
    spacing_known = bool(np.isfinite(voxel_size).all())
    unit = "mm" if spacing_known else "pixel"
    if not (predicted.any() and truth.any()):
        return float("nan"), unit
    if spacing_known:
        return _distance(predicted, truth, voxel_size.tolist()), unit
    shared = np.flatnonzero(predicted.any(axis=(1, 2)) & truth.any(axis=(1, 2)))
    if not len(shared):
        return float("nan"), unit
    distances = [_distance(predicted[place], truth[place], [1.0, 1.0]) for place in shared]
    return float(np.mean(distances)), unit


def _distance(predicted: np.ndarray, truth: np.ndarray, spacing: list[float]) -> float:
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance

    predicted_tensor, truth_tensor = (
        torch.from_numpy(mask[None, None]) for mask in (predicted, truth)
    )
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it passes to itself.
        warnings.simplefilter("ignore", FutureWarning)
        distance = compute_hausdorff_distance(
            predicted_tensor,
            truth_tensor,
            include_background=True,
            percentile=PERCENTILE,
            spacing=spacing,
        )
    return float(distance[0, 0])

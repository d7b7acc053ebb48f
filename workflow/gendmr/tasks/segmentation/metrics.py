"""What judges predicted masks: numbers per person, averaged over people."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.tasks.base import Metric, Task
from gendmr.tasks.segmentation.measures import DETECTED


def mean_of(column: str, rows: pd.DataFrame) -> float:
    """Return the mean of a column over people in whom it is known, NaN where it is in nobody."""
    values = rows[column].to_numpy(float)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def volume_dice(rows: pd.DataFrame) -> float:
    """Return the mean Dice of patient volumes; two empty masks count as 1."""
    return mean_of("dice", rows)


def volume_iou(rows: pd.DataFrame) -> float:
    """Return the mean intersection over union of patient volumes."""
    return mean_of("iou", rows)


def slice_dice(rows: pd.DataFrame) -> float:
    """Return Dice of slices, mean of people's means; two empty masks count as 1."""
    return mean_of("slice_dice", rows)


def slice_dice_lesion(rows: pd.DataFrame) -> float:
    """Return Dice of slices with a true lesion, mean of people's means."""
    return mean_of("slice_dice_lesion", rows)


def hd95(rows: pd.DataFrame) -> float:
    """Return the mean 95th percentile of surface distances, NaN where people differ in unit."""
    finite = rows[np.isfinite(rows["hd95"].to_numpy(float))]
    return mean_of("hd95", finite) if finite["distance_unit"].nunique() == 1 else float("nan")


def volume_error(rows: pd.DataFrame) -> float:
    """Return the mean of |predicted - true| / true size, of people with a lesion."""
    with_lesion = rows[rows["voxels"] > 0]
    true = with_lesion["voxels"].to_numpy(float)
    error = np.abs(with_lesion["predicted_voxels"].to_numpy(float) - true) / true
    return float(error.mean()) if len(error) else float("nan")


def detection(rows: pd.DataFrame) -> float:
    """Return the share of people with a lesion whose Dice is at least `DETECTED`."""
    with_lesion = rows[rows["voxels"] > 0]
    return float((with_lesion["dice"] >= DETECTED).mean()) if len(with_lesion) else float("nan")


METRICS: tuple[Metric, ...] = (
    Metric(
        "dice",
        "Dice",
        "higher",
        volume_dice,
        spread=(0, 1),
        meaning="the overlap of predicted and true masks of a person's whole volume, averaged over"
        " people (two empty masks: 1)",
    ),
    Metric("iou", "IoU", "higher", volume_iou, spread=(0, 1)),
    Metric(
        "slice_dice",
        "slice Dice (empty = 1)",
        "higher",
        slice_dice,
        spread=(0, 1),
        meaning="Dice of single slices, where two empty masks count as 1: high wherever most slices"
        " are empty",
    ),
    Metric(
        "slice_dice_lesion",
        "slice Dice (without empty)",
        "higher",
        slice_dice_lesion,
        spread=(0, 1),
        meaning="Dice of single slices that have a true lesion",
    ),
    Metric(
        "hd95",
        "HD95",
        "lower",
        hd95,
        meaning="the 95th percentile of distances between the surfaces of both masks, of people in"
        " whom neither is empty; in mm, or in pixels of slices where the size of voxels is unknown",
    ),
    Metric(
        "volume_error",
        "relative volume error",
        "lower",
        volume_error,
        meaning="|predicted - true| size over the true size, of people with a lesion",
    ),
    Metric(
        "detection",
        "detected lesions",
        "higher",
        detection,
        spread=(0, 1),
        meaning=f"the share of people with a lesion whose Dice is at least {DETECTED:g}",
    ),
)


def metrics(task: Task) -> tuple[Metric, ...]:
    """Return the metrics of masks, which are the same for every task."""
    return METRICS

"""Which scans are flagged: by limits, and by their distance from the cohort."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gendmr.config.imaging import Outliers

# measure -> which side is suspicious, what to call it
JUDGED = {
    "dice": ("low", "overlap with the template"),
    "similarity": ("low", "similarity to the template"),
    "jacobian_min": ("low", "smallest local volume"),
    "jacobian_max": ("high", "largest local volume"),
    "icv_mm3": ("both", "intracranial volume"),
    "grey_fraction": ("both", "grey matter per intracranial volume"),
}


def flag_outliers(
    table: pd.DataFrame, limits: Outliers, judged: Mapping[str, tuple[str, str]] = JUDGED
) -> pd.DataFrame:
    """Add `outlier` (flag), `reason`, and `excluded` (flag): by a measure of `limits.exclude_by`.

    Flagged is who has a warning (an implausible brain, a mapping that folds), an overlap or a
    similarity below its limit, or lies farther from the cohort's median than `limits.robust_z`
    robust standard deviations (Leys 2013, doi:10.1016/j.jesp.2013.03.013).
    """
    reasons: list[list[str]] = [[text] if text else [] for text in table["warnings"]]
    measures = [{"warning"} if text else set() for text in table["warnings"]]
    for name, words, limit in (
        ("dice", "Overlap", limits.dice_below),
        ("similarity", "Similarity", limits.similarity_below),
    ):
        for row, value in enumerate(table.get(name, ())):
            if value < limit:
                reasons[row].append(f"{words} {value:.3f} is below {limit:g}.")
                measures[row].add(name)
    if len(table) >= limits.minimum:
        for name, (side, words) in judged.items():
            for row, z in enumerate(robust_z(table[name].to_numpy())):
                far = {"low": -z, "high": z, "both": abs(z)}[side] > limits.robust_z
                if far:
                    reasons[row].append(f"{words.capitalize()}: robust z = {z:+.1f}.")
                    measures[row].add(name)
    flagged = table.drop(columns="warnings")
    flagged["outlier"] = [bool(texts) for texts in reasons]
    flagged["reason"] = [" ".join(texts) or None for texts in reasons]
    flagged["excluded"] = [bool(outlying & set(limits.exclude_by)) for outlying in measures]
    return flagged


def robust_z(values: np.ndarray) -> np.ndarray:
    """Distance from the median in units of 1.4826 times the median absolute deviation.

    Where more than half of the values are equal, nobody stands out: 0 for all. Missing values stay
    missing and do not count.
    """
    if not np.isfinite(values).any():
        return np.full_like(values, np.nan)
    centred = values - np.nanmedian(values)
    scale = 1.4826 * float(np.nanmedian(np.abs(centred)))
    return np.asarray(centred / scale) if scale > 0 else np.zeros_like(centred)

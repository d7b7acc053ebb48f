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
    "icv_ratio": ("both", "template's brain carried to the scan, per volume of the scan's mask"),
    "icv_mm3": ("both", "intracranial volume"),
    "grey_fraction": ("both", "grey matter per intracranial volume"),
}


def flag_outliers(
    table: pd.DataFrame, limits: Outliers, judged: Mapping[str, tuple[str, str]] = JUDGED
) -> pd.DataFrame:
    """Add `outlier` (flag), `reason`, and `excluded` (flag): by a measure of `limits.exclude_by`.

    Flagged is who has a warning (an implausible brain, a mapping that folds), a measure beyond its
    limit, or lies farther from the cohort's median than `limits.robust_z` robust standard
    deviations (Leys 2013, doi:10.1016/j.jesp.2013.03.013).
    """
    reasons: list[list[str]] = [[text] if text else [] for text in table["warnings"]]
    measures = [{"warning"} if text else set() for text in table["warnings"]]
    for name, (low, high) in _limits(limits).items():
        _, words = JUDGED[name]
        for row, value in enumerate(table.get(name, ())):
            if value < low or value > high:
                beyond = f"below {low:g}" if value < low else f"above {high:g}"
                reasons[row].append(f"{words[:1].upper()}{words[1:]} {value:.3f} is {beyond}.")
                measures[row].add(name)
    if len(table) >= limits.minimum:
        for name, (side, words) in judged.items():
            for row, z in enumerate(robust_z(table[name].to_numpy()) if name in table else ()):
                far = {"low": -z, "high": z, "both": abs(z)}[side] > limits.robust_z
                if far:
                    reasons[row].append(f"{words[:1].upper()}{words[1:]}: robust z = {z:+.1f}.")
                    measures[row].add(name)
    flagged = table.drop(columns="warnings")
    flagged["outlier"] = [bool(texts) for texts in reasons]
    flagged["reason"] = [" ".join(texts) or None for texts in reasons]
    flagged["excluded"] = [bool(outlying & set(limits.exclude_by)) for outlying in measures]
    return flagged


def _limits(limits: Outliers) -> dict[str, tuple[float, float]]:
    """Return the values between which a measure is not flagged, whatever the cohort."""
    apart = limits.icv_ratio_apart
    return {
        "dice": (limits.dice_below, np.inf),
        "similarity": (limits.similarity_below, np.inf),
        "icv_ratio": (1 - apart, 1 + apart),
    }


def thresholds(
    table: pd.DataFrame, limits: Outliers, judged: Mapping[str, tuple[str, str]] = JUDGED
) -> dict[str, tuple[float, float]]:
    """Return, by measure, the values below and above which a scan is flagged; infinite: never.

    Parameters
    ----------
    table : DataFrame
        Everybody that was judged together.
    limits : Outliers
    judged : mapping
        Measure to the side that is suspicious and its name.
    """
    bounds = {name: _limits(limits).get(name, (-np.inf, np.inf)) for name in judged}
    if len(table) < limits.minimum:
        return bounds
    for name, (side, _) in judged.items():
        values = table[name].to_numpy(dtype=float)
        centre, scale = _robust(values)
        if not scale > 0:
            continue
        low, high = bounds[name]
        reach = limits.robust_z * scale
        bounds[name] = (
            max(low, centre - reach) if side in {"low", "both"} else low,
            min(high, centre + reach) if side in {"high", "both"} else high,
        )
    return bounds


def robust_z(values: np.ndarray) -> np.ndarray:
    """Distance from the median in units of 1.4826 times the median absolute deviation.

    Where more than half of the values are equal, nobody stands out: 0 for all. Missing values stay
    missing and do not count.
    """
    centre, scale = _robust(values)
    if np.isnan(centre):
        return np.full_like(values, np.nan)
    centred = values - centre
    return np.asarray(centred / scale) if scale > 0 else np.zeros_like(centred)


def _robust(values: np.ndarray) -> tuple[float, float]:
    """Return median and robust standard deviation; NaN where nothing is known."""
    if not np.isfinite(values).any():
        return np.nan, np.nan
    centre = float(np.nanmedian(values))
    return centre, 1.4826 * float(np.nanmedian(np.abs(values - centre)))

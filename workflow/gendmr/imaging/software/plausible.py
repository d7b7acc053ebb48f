"""Values that no brain has: zeros of failed segmentations, other units, more than the head."""

from __future__ import annotations

import re

import numpy as np

from gendmr.errors import ModalityError, first_few
from gendmr.files.tables import MISSING

# What a whole skull holds: the middle of a cohort outside it is in another unit.
PLAUSIBLE_ICV_MM3 = (600_000.0, 2_400_000.0)
# Structures that may be absent in a healthy brain: there a zero is a measurement.
MAY_BE_ZERO = re.compile(r"hypointens|hyperintens|lesion|ventric|csf|vessel|vermis", re.IGNORECASE)
# Where so many people have a zero, it is what the software measures, not a failure.
COMMON = 0.1
# Adult volumes of one side in mm3; outside five times the range values are in another unit.
KNOWN_MM3 = {
    "hippocamp": (1500.0, 6000.0),
    "thalamus": (3000.0, 12000.0),
    "caudate": (1500.0, 7000.0),
    "putamen": (2000.0, 8000.0),
    "amygdala": (500.0, 3000.0),
    "pallid": (500.0, 3000.0),
}
FACTOR = 5.0
# The middle of all regions: below it are ml of nearly any atlas, above it no region of one is.
MIDDLE_MM3 = (20.0, 300_000.0)
THICKNESS_MM = (0.5, 6.0)


def zeros_to_missing(volume: np.ndarray, regions: list[str]) -> int:
    """Turn zeros of failed segmentations to missing, in place; return how many there were.

    Parameters
    ----------
    volume : float64 (person, region)
    regions : list of str

    Notes
    -----
    A zero is kept where the name says that a structure may be absent (ventricles, hypointensities,
    vessels), or where more than a tenth of the people have one.
    """
    zero = volume == 0
    rare = zero.mean(axis=0) <= COMMON
    judged = rare & np.array([not MAY_BE_ZERO.search(name) for name in regions], dtype=bool)
    # Somebody without any volume failed as a whole.
    nothing = ~(np.nan_to_num(volume) > 0).any(axis=1) & zero.any(axis=1)
    failed = zero & (judged[None, :] | nothing[:, None])
    volume[failed] = np.nan
    return int(failed.sum())


def check_units(volume: np.ndarray, head: np.ndarray, regions: list[str], path: str) -> None:
    """Refuse volumes in another unit than mm3.

    Parameters
    ----------
    volume : float64 (person, region)
    head : float64 (person,)
    regions : list of str
    path : str

    Raises
    ------
    ModalityError
        Named structures, the middle of all regions, or the head size lie where no brain does.
    """
    head_sizes = head[np.isfinite(head)]
    low, high = PLAUSIBLE_ICV_MM3
    if head_sizes.size and not low <= np.median(head_sizes) <= high:
        raise ModalityError(
            f"{path}: the median intracranial volume is {np.median(head_sizes):g}, outside"
            f" {low:g} to {high:g} mm3",
            cause="volumes in ml or cm3, or another measure under this name",
            next_step=f"give volumes in mm3 and {MISSING} for unknown ones",
        )
    medians = {
        name: float(np.median(column[np.isfinite(column)]))
        for name, column in zip(regions, volume.T, strict=True)
        if np.isfinite(column).any()
    }
    wrong = []
    for name, median in medians.items():
        for part, (least, most) in KNOWN_MM3.items():
            whole = part in name.casefold() and re.fullmatch(
                rf"(left|right|lh|rh|l|r)?[-_. ]*{part}\w*([-_. ]*(proper|l|r|left|right))?",
                name.casefold(),
            )
            if whole and not least / FACTOR <= median <= most * FACTOR:
                wrong.append(f"{name} {median:g}")
    if wrong:
        raise ModalityError(
            f"{path}: median volumes that are no mm3: {first_few(wrong)}",
            cause="regions in ml, in voxels or divided by the head, while the head size is in mm3",
            next_step=f"give all volumes in mm3, and {MISSING} for unknown ones",
        )
    middle = float(np.median(list(medians.values()))) if medians else float("nan")
    if medians and not MIDDLE_MM3[0] <= middle <= MIDDLE_MM3[1]:
        raise ModalityError(
            f"{path}: half of the regions are smaller than {middle:g} mm3, half larger: no atlas of"
            " the brain is like that",
            cause="regions in ml, in voxels or divided by the head",
            next_step="give all volumes in mm3",
        )


def check_thickness(mean: np.ndarray, path: str) -> None:
    """Refuse thickness that is not in mm.

    Raises
    ------
    ModalityError
        Its median lies where no cortex does.
    """
    thickness = mean[np.isfinite(mean)]
    low, high = THICKNESS_MM
    if thickness.size and not low <= np.median(thickness) <= high:
        raise ModalityError(
            f"{path}: the median thickness is {np.median(thickness):g}, outside {low:g} to"
            f" {high:g} mm",
            cause="thickness in another unit, or another measure under this name",
            next_step="give thickness in mm",
        )


def larger_than_head(volume: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Return whose regions are together larger than the head, bool (person,).

    Parameters
    ----------
    volume : float64 (person, region)
    head : float64 (person,)
    """
    total = np.nansum(volume, axis=1)
    return np.asarray(np.isfinite(head) & (total > head))


def warnings_of(volume: np.ndarray, head: np.ndarray) -> list[str]:
    """Return what is impossible in each person, empty where nothing is.

    Parameters
    ----------
    volume : float64 (person, region)
    head : float64 (person,)
    """
    low, high = PLAUSIBLE_ICV_MM3
    return [
        " ".join(
            text
            for wrong, text in (
                (over, "All regions together are larger than the head."),
                (
                    np.isfinite(size) and not low <= size <= high,
                    f"No head has {size / 1000:.0f} ml.",
                ),
            )
            if wrong
        )
        for over, size in zip(larger_than_head(volume, head), head, strict=True)
    ]


def refuse_overlapping(over: np.ndarray, path: str) -> None:
    """Refuse a table in which most people's regions are larger than their heads.

    Raises
    ------
    ModalityError
        It holds totals among the regions, or another head size.
    """
    if over.size and over.mean() > 0.5:
        raise ModalityError(
            f"{path}: the regions of {int(over.sum())} of {over.size} people are together larger"
            " than the head",
            cause="totals (whole brain, grey matter) among the regions, or regions that overlap",
            next_step="take the columns of totals out, or correct the unit of one of the two",
        )

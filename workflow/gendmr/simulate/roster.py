"""Who is in the cohort, known from the configuration alone, before anything is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from gendmr.config.simulate import SimulateSection

MOST_OF_FOUR_DIGITS = 9_000  # people whose labels, with those of faults, have four digits
MINIMUM_FOR_IMAGE_FAULTS = 4  # with fewer scans, taking one away leaves too little to look at


@dataclass(frozen=True)
class ImageList:
    """Labels of the participants, by their part in the cohort.

    Attributes
    ----------
    core : tuple of str
        People with genotypes and a row in participants.tsv.
    imaged : tuple of str
        People with a T1w image.
    faults : dict of str to str
        Label to the fault planted there; all but `no_image` are people beside the core.
    """

    core: tuple[str, ...]
    imaged: tuple[str, ...]
    faults: dict[str, str]

    @property
    def everyone(self) -> tuple[str, ...]:
        """All labels, in order."""
        return tuple(sorted({*self.core, *self.faults}))

    def with_fault(self, fault: str) -> str | None:
        """Return the label that carries a fault, or None."""
        return next((label for label, name in self.faults.items() if name == fault), None)


def roster(section: SimulateSection) -> ImageList:
    """Return who is in the cohort.

    The number of images stays what was configured: one person of the imaging subset lost the scan
    and one person without genotypes has one.
    """
    digits = 4 if section.people <= MOST_OF_FOUR_DIGITS else 5
    core = tuple(f"{number + 1:0{digits}d}" for number in range(section.people))
    imaged = list(core[: section.images])
    faults: dict[str, str] = {}
    if section.faults:
        names = ["duplicate", "child", "sex_mismatch", "low_call_rate", "no_participant_row"]
        if section.images >= MINIMUM_FOR_IMAGE_FAULTS:
            names.append("no_genotypes")
            without_scan = imaged.pop(section.images // 2)
            faults[without_scan] = "no_image"
        first = section.people + 1
        faults |= {f"{number:0{digits}d}": name for number, name in enumerate(names, first)}
        imaged += [label for label, name in faults.items() if name == "no_genotypes"]
    return ImageList(core, tuple(imaged), faults)


def planned_images(section: SimulateSection, bids: str) -> dict[str, tuple[str, ...]]:
    """Return participant label (without `sub-`) to the path of its T1w image, the only one.

    Valid when `bids` is the folder that the rule simulate_images writes.

    Examples
    --------
    >>> section = SimulateSection(people=40, images=2)
    >>> planned_images(section, "bids")["0001"]
    ('bids/sub-0001/anat/sub-0001_T1w.nii.gz',)
    """
    folder = bids.rstrip("/")
    return {label: (f"{folder}/{image_path(label)}",) for label in roster(section).imaged}


def planned_maps(section: SimulateSection, table: str) -> list[str]:
    """Return the paths of all grey-matter maps, beside the table that lists them.

    Examples
    --------
    >>> section = SimulateSection(people=40, images=2, imaging="measurements", maps=True)
    >>> planned_maps(section, "results/s/simulate/maps.tsv")[0]
    'results/s/simulate/maps/sub-0001.nii.gz'
    """
    if not section.maps:
        return []
    return [f"{table.removesuffix('.tsv')}/sub-{label}.nii.gz" for label in roster(section).imaged]


def image_path(label: str) -> str:
    """Return the path of a T1w image below the BIDS folder."""
    return f"sub-{label}/anat/sub-{label}_T1w.nii.gz"

"""Which files a study was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gendmr.config.connectivity import ConnectivitySection
from gendmr.config.imaging import ImagingSection
from gendmr.connectivity.people import find_people
from gendmr.imaging.bids import find_images


def given_files(
    files: Sequence[str], imaging: str, connectivity: str = "{}"
) -> dict[str, list[str]]:
    """Return the files of a study by kind.

    Images, functional data and measurements in folders are found here: a command line cannot hold
    the paths of thousands.

    Parameters
    ----------
    files : sequence of str
        All that are not one of each person.
    imaging, connectivity : str
        These sections as JSON, or `{}`.

    Returns
    -------
    dict of str to list of str
        `tables` (with genotypes) and, where there are any, `images` (with masks), those that are
        registered and there, `measurements`, the files in folders, and `functional`, those that
        are there; sorted.
    """
    paths_by_kind = {"tables": sorted(set(files))}
    if connectivity != "{}":
        people = find_people(ConnectivitySection.parse(connectivity)) or {}
        of_people = {path for person in people.values() for path in person.files}
        paths_by_kind["functional"] = sorted(path for path in of_people if Path(path).is_file())
    if imaging == "{}":
        return paths_by_kind
    section = ImagingSection.parse(imaging)
    if section.bids is not None:
        images = find_images(section.bids, exclude=section.exclude, wanted=section.select.wanted())
        named = {
            *(paths[0] for paths in images.values()),
            *(section.mask_of(participant) for participant in images),
        }
        paths_by_kind["images"] = sorted(path for path in named if path and Path(path).is_file())
    measured = set(section.measured_files()) - set(section.measured_files(folders=False))
    if measured:
        paths_by_kind["measurements"] = sorted(path for path in measured if Path(path).is_file())
    return paths_by_kind

"""Which files a study was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gendmr.config.connectivity import ConnectivitySection
from gendmr.config.histology import HistologySection
from gendmr.config.imaging import ImagingSection
from gendmr.config.lesions import LesionsSection
from gendmr.config.modalities import parse_modalities
from gendmr.connectivity.people import find_people
from gendmr.histology.slides import find_slides
from gendmr.imaging.bids import find_images
from gendmr.lesions.people import find_people as find_lesions


def given_files(
    files: Sequence[str],
    imaging: str = "{}",
    connectivity: str = "{}",
    lesions: str = "{}",
    histology: str = "{}",
    modalities: str = "{}",
) -> dict[str, list[str]]:
    """Return the files of a study by kind.

    Those of single people are found here: a command line cannot hold the paths of thousands.

    Parameters
    ----------
    files : sequence of str
        All that are not one of each person.
    imaging, connectivity, lesions, histology : str
        These sections as JSON, or `{}`.
    modalities : str
        Sections of the modalities as JSON, by name.

    Returns
    -------
    dict of str to list of str
        `tables` (with genotypes) and, where there are any, `images` (with masks), those that are
        registered and there, `measurements`, the files in folders, `functional`, `lesions` (with
        masks), `slides`, and the files of a modality of its own under its name: those that are
        there; sorted.
    """
    paths_by_kind: dict[str, Iterable[str | None]] = {}
    if connectivity != "{}":
        people = find_people(ConnectivitySection.parse(connectivity)) or {}
        paths_by_kind["functional"] = [path for person in people.values() for path in person.files]
    if lesions != "{}":
        slices = find_lesions(LesionsSection.parse(lesions))
        paths_by_kind["lesions"] = [path for person in slices.values() for path in person.files()]
    if histology != "{}":
        slides = find_slides(HistologySection.parse(histology))
        paths_by_kind["slides"] = [slide.path for slide in slides]
    for name, modality in parse_modalities(modalities).items():
        paths_by_kind[name] = modality.people_files()
    if imaging != "{}":
        paths_by_kind |= _of_imaging(ImagingSection.parse(imaging))
    existing = {
        kind: sorted({path for path in paths if path and Path(path).is_file()})
        for kind, paths in paths_by_kind.items()
    }
    return {"tables": sorted(set(files))} | {
        kind: paths for kind, paths in existing.items() if paths
    }


def _of_imaging(section: ImagingSection) -> dict[str, Iterable[str | None]]:
    """Return images with masks, and files in folders of measurements."""
    paths_by_kind: dict[str, Iterable[str | None]] = {}
    if section.bids is not None:
        images = find_images(section.bids, exclude=section.exclude, wanted=section.select.wanted())
        paths_by_kind["images"] = [
            *(paths[0] for paths in images.values()),
            *(section.mask_of(participant) for participant in images),
        ]
    paths_by_kind["measurements"] = set(section.measured_files()) - set(
        section.measured_files(folders=False)
    )
    return paths_by_kind

"""All images of a study with their masks: volumes, measures, a quality table, pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.config.lesions import LesionsSection
from gendmr.errors import GendmrError, IdentifierError, ModalityError, first_few, plural
from gendmr.files.atomic import write_json
from gendmr.files.datasets import write_dataset
from gendmr.files.lesions import LESIONS, LesionVolume, VolumeWriter, volume_writer
from gendmr.files.provenance import versions
from gendmr.files.tables import write_table
from gendmr.lesions.channels import known_channels, lesion_of, normalisation_of
from gendmr.lesions.measures import measure_lesions, measure_names, outside_share
from gendmr.lesions.people import SliceFiles, find_people
from gendmr.lesions.volume import read_person

MEASURED, EXCLUDED, REFUSED = "measured", "excluded", "refused"
MOST_REFUSED = 0.5  # share of people from which on the cause is no single person


@dataclass
class LesionScan:
    """What is known of one person's images.

    Parameters
    ----------
    participant : str
        Label without `sub-`.
    status : str
        `measured`, `excluded` (by an option) or `refused` (it cannot be used).
    reason : str
        Of the latter two, and of those who are flagged.
    outlier : bool
        Measured, and flagged.
    slices, lesion_slices, lesion_voxels : int
        -1 where nothing could be read.
    size : float
        Of the lesions, mm3; NaN is unknown.
    copies : str
        Channels that say nothing: `post=flair`.
    mask_values : str
        Values in the mask: `0/255`.
    outside : float
        Share of the lesion that lies outside of the image.
    checksum : str
        Of the images.
    values : float64 (measure,), optional
    error : Exception, optional
        Why it was refused.
    """

    participant: str
    status: str = MEASURED
    reason: str = ""
    outlier: bool = False
    slices: int = -1
    lesion_slices: int = -1
    lesion_voxels: int = -1
    size: float = float("nan")
    copies: str = ""
    mask_values: str = ""
    outside: float = float("nan")
    checksum: str = ""
    values: np.ndarray | None = None
    error: GendmrError | None = None


def collect_lesions(section: LesionsSection, output: Path | str) -> None:
    """Write volumes.h5, measures.nc, quality.tsv, summary.json, the figure and pictures.

    Parameters
    ----------
    section : LesionsSection
    output : Path or str
        The stage's folder.

    Raises
    ------
    IdentifierError
        Two people have the same images.
    ModalityError
        Nobody can be used.
    GendmrError
        Most people were refused: the reason of the first.
    """
    from gendmr.lesions.figures import draw_lesions, draw_person

    output = Path(output)
    scans = []
    with volume_writer(output / "volumes.h5", section.channels) as writer:
        for participant, files in find_people(section).items():
            scan, volume = _scan(participant, files, section, writer)
            scans.append(scan)
            if volume is not None:
                draw_person(participant, volume, section.channels, output / "pictures")
        # Before the file is in its place: what is refused leaves nothing behind.
        measured = _usable(scans)
    names = measure_names(section.channels, bool(np.isfinite(measured[0].size)))
    values = np.stack([scan.values for scan in measured if scan.values is not None])
    dataset = xr.Dataset(
        {"value": (("participant", "lesion"), values)},
        coords={
            "participant": np.array([scan.participant for scan in measured], dtype=object),
            "lesion": np.array(list(names), dtype=object),
            "unit": ("lesion", np.array(list(names.values()), dtype=object)),
        },
    )
    write_dataset(output / "measures.nc", dataset, LESIONS)
    quality = _quality(scans)
    write_table(output / "quality.tsv", quality)
    write_json(
        output / "summary.json",
        {
            "people": len(scans),
            "measured": len(measured),
            "notes": _notes(section, scans),
            "versions": versions("numpy", "nibabel"),
        },
    )
    draw_lesions(dataset, quality, output / "figures" / "lesions.png")


def _scan(
    participant: str, files: SliceFiles, section: LesionsSection, writer: VolumeWriter
) -> tuple[LesionScan, LesionVolume | None]:
    """Read, judge, write and measure one person."""
    scan = LesionScan(participant)
    if participant in section.exclude:
        scan.status, scan.reason = EXCLUDED, "named in `exclude`"
        return scan, None
    try:
        raw = read_person(participant, files, section)
        scan.slices = raw.image.shape[1]
        if scan.slices < section.minimum_slices:
            scan.status = EXCLUDED
            scan.reason = f"{scan.slices} slices, fewer than {section.minimum_slices}"
            return scan, None
        mask, scan.mask_values = lesion_of(raw.labels, section)
        channel_known, copies = known_channels(raw.image, section)
        volume = LesionVolume(
            image=raw.image,
            mask=mask,
            slice_number=raw.slice_number,
            channel_known=channel_known,
            normalisation=normalisation_of(raw.image, channel_known, section),
            voxel_size=raw.voxel_size,
            affine=raw.affine,
        )
    except GendmrError as error:
        scan.status, scan.error = REFUSED, error
        scan.reason = f"{error.what}; {error.next_step}"
        return scan, None
    scan.copies = ";".join(copies)
    scan.lesion_voxels = int(mask.sum())
    scan.lesion_slices = int(mask.any(axis=(1, 2)).sum())
    scan.size = float(scan.lesion_voxels * np.prod(raw.voxel_size))
    scan.outside = outside_share(volume)
    scan.checksum = hashlib.sha256(
        str(raw.image.shape).encode() + np.ascontiguousarray(raw.image).tobytes()
    ).hexdigest()
    scan.values = measure_lesions(volume)
    reasons = []
    if not scan.lesion_voxels:
        reasons.append("no lesion in the mask")
    if scan.outside > section.outside_share:
        reasons.append(f"{100 * scan.outside:.0f} % of the lesion lies outside of the image")
    scan.outlier, scan.reason = bool(reasons), "; ".join(reasons)
    writer.write(participant, volume)
    return scan, volume


def _usable(scans: Sequence[LesionScan]) -> list[LesionScan]:
    """Return those who are measured; refuse a study in which nobody or the same person twice is."""
    refused = [scan.error for scan in scans if scan.error is not None]
    if len(refused) > MOST_REFUSED * len(scans):
        raise refused[0]
    measured = [scan for scan in scans if scan.status == MEASURED]
    if not measured:
        raise ModalityError(
            f"none of {len(scans)} people can be used: {first_few(scan.reason for scan in scans)}",
            cause="limits that nobody meets",
            next_step="change `lesions: minimum_slices:` or `lesions: exclude:`",
        )
    owners: dict[str, str] = {}
    twice = []
    for scan in measured:
        if scan.checksum in owners:
            twice.append((owners[scan.checksum], scan.participant))
        owners.setdefault(scan.checksum, scan.participant)
    if twice:
        raise IdentifierError(
            f"{len(twice)} pairs of people have the same images:"
            f" {first_few(' and '.join(pair) for pair in twice)}",
            cause="one person under two names: in training and held out at once, perhaps",
            next_step="name one of each pair in `lesions: exclude:`, for example"
            f" [{', '.join(pair[1] for pair in twice[:5])}]",
        )
    return measured


def _quality(scans: Sequence[LesionScan]) -> pd.DataFrame:
    columns = {
        "participant_id": "participant",
        "status": "status",
        "outlier": "outlier",
        "slices": "slices",
        "lesion_slices": "lesion_slices",
        "lesion_voxels": "lesion_voxels",
        "size_mm3": "size",
        "outside": "outside",
        "copies": "copies",
        "mask_values": "mask_values",
        "reason": "reason",
    }
    return pd.DataFrame(
        {column: [getattr(scan, name) for scan in scans] for column, name in columns.items()}
    )


def _notes(section: LesionsSection, scans: Sequence[LesionScan]) -> list[str]:
    measured = [scan for scan in scans if scan.status == MEASURED]
    notes = []
    if not np.isfinite(measured[0].size):
        notes.append(
            "The size of voxels is unknown (`lesions: voxel_size`): sizes of lesions are counts of"
            " voxels, which differ between scanners, and no distance is given in mm."
        )
    for status, words in ((EXCLUDED, "left out by an option"), (REFUSED, "refused")):
        people = [scan.participant for scan in scans if scan.status == status]
        if people:
            notes.append(
                f"{len(people)} people were {words}: {first_few(people)}; see quality.tsv."
            )
    copied = [f"{scan.participant} ({scan.copies})" for scan in measured if scan.copies]
    if copied:
        notes.append(
            f"{len(copied)} people have channels that are constant or copies of another; these"
            f" channels count as missing: {first_few(copied, 10)}."
        )
    empty = [scan.participant for scan in measured if not scan.lesion_voxels]
    if empty:
        notes.append(
            f"No lesion in the mask: {plural(len(empty), 'person', 'people')}, {first_few(empty)}."
        )
    codes = {scan.mask_values for scan in measured if scan.lesion_voxels}
    if len(codes) > 1 and not section.lesion:
        notes.append(f"Masks are written with different values, read alike: {first_few(codes)}.")
    return notes

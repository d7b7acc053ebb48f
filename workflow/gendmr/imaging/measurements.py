"""Region measurements made by other software: read, checked, flagged and handed on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection
from gendmr.errors import AtlasError, InputFileError, ModalityError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.regions import REGIONS
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.imaging.collect import EXCLUDED, MEASURED, NAMED
from gendmr.imaging.flags import flag_outliers, thresholds
from gendmr.imaging.sides import side_of
from gendmr.imaging.software.general import read_general
from gendmr.imaging.software.plausible import (
    check_thickness,
    check_units,
    larger_than_head,
    refuse_overlapping,
    warnings_of,
    zeros_to_missing,
)
from gendmr.imaging.software.recognise import (
    people_in_folder,
    read_folder,
    read_software_table,
)
from gendmr.imaging.software.table import (
    MEASURES,
    SoftwareTable,
    columns_by_region,
    joined,
    with_products,
    without_constant,
)

if TYPE_CHECKING:
    import xarray as xr

ABSENT = "absent"
JUDGED = {
    "icv_mm3": ("both", "intracranial volume"),
    "total_mm3": ("both", "all regions"),
    "total_fraction": ("both", "all regions per intracranial volume"),
}
THICKNESS = ("FreeSurfer", "ENIGMA", "UK Biobank")


def read_measurements(section: ImagingSection, output: Path | str) -> None:
    """Write ``regions.nc``, ``quality.tsv``, ``summary.json`` and ``figures/quality.png``.

    Nobody is dropped but who has no value at all, or is excluded by name or by
    `outliers.exclude_by`; `quality.tsv` lists them.

    Parameters
    ----------
    section : ImagingSection
        `measurements` names files and folders; `places`, `parcellation`, `select`, `exclude` and
        `outliers` count too.
    output : Path or str
        The stage's folder.

    Raises
    ------
    InputFileError
        A file is missing or unreadable, or an excluded person is not in it.
    TableError
        A column is missing or unknown, or a value is not a number.
    ModalityError
        Values are impossible: infinite, negative volumes, volumes in another unit, nobody.
    AtlasError
        `places` does not list the measured regions.
    """
    output = Path(output)
    regions, quality, notes = checked_measurements(section)
    measured = (quality["status"] == MEASURED).to_numpy()
    dataset = regions.isel(participant=np.flatnonzero(measured))
    dataset.attrs = {
        "space": str(regions.attrs.get("space", "unknown")),
        "atlas": str(regions.attrs.get("atlas", "unknown")),
        "units": "mm3",
        "measure": "given, not measured by this workflow",
    }
    write_dataset(output / "regions.nc", dataset, REGIONS)
    write_table(output / "quality.tsv", quality)
    write_json(output / "summary.json", _summary(quality, section, notes))
    from gendmr.imaging.quality_figure import draw_quality

    picture = output / "figures" / "quality.png"
    bounds = thresholds(quality, section.outliers, JUDGED)
    draw_quality(picture, quality[measured], JUDGED, bounds, what="people with measurements")


def checked_measurements(section: ImagingSection) -> tuple[xr.Dataset, pd.DataFrame, list[str]]:
    """Return measurements, `quality_table` and notes; nothing is written.

    Raises
    ------
    InputFileError, TableError, ModalityError, AtlasError
        See `read_measurements`.
    """
    paths = section.measured_paths
    path = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if paths[0].endswith(".nc") and len(paths) == 1:
        regions, notes = read_dataset(paths[0], REGIONS), list[str]()
    else:
        regions, notes = _from_software(paths, section)
    notes += _check(regions, path)
    _check_excluded(regions, section.exclude, path)
    quality = quality_table(regions, section)
    if not (quality["status"] == MEASURED).any():
        raise ModalityError(
            f"{path}: none of {len(quality)} people has a volume",
            cause="a table of identifiers only, or everybody is excluded",
            next_step="check the columns <region>_volume",
        )
    return regions, quality, notes


def measured_people(section: ImagingSection) -> list[str]:
    """Return who is in the tables and folders of measurements, as they are named there.

    Voxels and statistics are not read.

    Raises
    ------
    InputFileError, TableError
        What `read_measurements` says of a file.
    """
    session = session_of(section)
    people: dict[str, None] = {}
    for path in section.measured_paths:
        if path.endswith(".nc"):
            names = [str(name) for name in read_dataset(path, REGIONS)["participant"].values]
        elif Path(path).is_dir():
            names = people_in_folder(path, session)
        else:
            table = read_software_table(path, session)
            names = (table if isinstance(table, SoftwareTable) else read_general(path)).people
        people |= dict.fromkeys(names)
    return list(people)


def session_of(section: ImagingSection) -> str | None:
    """Return the session that counts most in tables with a row per session."""
    return next(iter(section.select.wanted().get("ses", ())), None)


def quality_table(regions: xr.Dataset, section: ImagingSection) -> pd.DataFrame:
    """Return one row per person: totals, missing volumes, flags with their reasons.

    `dice` is missing throughout: no image was registered here.
    """
    volume = regions["volume"].values
    measured = np.isfinite(volume).any(axis=0)
    absent = np.isnan(volume[:, measured]).sum(axis=1)
    # A total with holes would look like atrophy.
    total = np.where((absent == 0) & measured.any(), volume[:, measured].sum(axis=1), np.nan)
    icv = regions["icv"].values
    table = pd.DataFrame(
        {
            "participant_id": regions["participant"].values.astype(str),
            "dice": np.nan,
            "icv_mm3": icv.round(1),
            "total_mm3": total.round(1),
            "total_fraction": (total / icv).round(5),
            "missing": absent,
            "warnings": warnings_of(volume, icv),
        }
    )
    flagged = flag_outliers(table, section.outliers, JUDGED)
    nobody = ~np.any([np.isfinite(regions[name].values).any(axis=1) for name in MEASURES], axis=0)
    named = pd.Series(labels_of(regions)).isin(section.exclude)
    status = np.select([nobody, named | flagged["excluded"]], [ABSENT, EXCLUDED], MEASURED)
    flagged["reason"] = flagged["reason"].mask(named, NAMED).mask(nobody, "no volume given")
    flagged.insert(1, "status", status)
    return flagged.drop(columns="excluded")


def labels_of(regions: xr.Dataset) -> list[str]:
    """Return the participants without `sub-`."""
    return [str(name).removeprefix("sub-") for name in regions["participant"].values]


def _summary(quality: pd.DataFrame, section: ImagingSection, notes: list[str]) -> dict[str, Any]:
    notes = list(notes)
    for status, why in (
        (ABSENT, "have no volume at all and no regions"),
        (EXCLUDED, "are left out by `imaging.exclude` or `imaging.outliers.exclude_by`"),
    ):
        names = quality.loc[quality["status"] == status, "participant_id"]
        if len(names):
            notes.append(f"{len(names)} of {len(quality)} people {why}: {first_few(names)}.")
    return {
        "people": len(quality),
        "measured": int((quality["status"] == MEASURED).sum()),
        "flagged": int(quality["outlier"].sum()),
        "notes": notes,
    }


def _from_software(paths: list[str], section: ImagingSection) -> tuple[xr.Dataset, list[str]]:
    """Read tables and folders and join them; return the modality and notes for the report."""
    import xarray as xr

    session = session_of(section)
    tables: list[SoftwareTable] = []
    for path in paths:
        if Path(path).is_dir():
            tables.append(read_folder(path, session, section.parcellation))
        else:
            table = read_software_table(path, session)
            tables.append(table if isinstance(table, SoftwareTable) else read_general(path))
    table = with_products(joined(tables, paths))
    people = np.array(table.people, dtype=str)
    if not table.values:
        raise ModalityError(
            f"{first_few(paths)}: no region in {len(paths)} tables",
            cause="tables of head size or of totals only",
            next_step="name the table of regions too in `imaging: measurements:`",
        )
    table.values, constant = without_constant(table.values)
    if constant:
        table.notes.append(
            f"{len(constant)} regions have the same value in everybody, and were set aside:"
            f" {first_few(constant)}."
        )
    if not table.values:
        raise ModalityError(
            f"{first_few(paths)}: every region has the same value in all {len(people)} people",
            cause="a table that was filled with a default, or one person copied",
            next_step="export the measurements again",
        )
    regions, values = columns_by_region(table.values, len(people))
    notes = _notes_of_software(table)
    if any(name in table.software for name in THICKNESS):
        for name in ("mean", "spread"):
            values[name][values[name] == 0] = np.nan
        check_thickness(values["mean"], first_few(paths))
    where = _read_places(section.places, regions, first_few(paths))
    dataset = xr.Dataset(
        {name: (("participant", "region"), array) for name, array in values.items()}
        | {"icv": ("participant", table.head)},
        coords={
            "participant": people,
            "region": np.array(regions, dtype=str),
            "hemisphere": ("region", where["hemisphere"].to_numpy(dtype=str)),
            **{axis: ("region", where[axis].to_numpy(dtype=float)) for axis in "xyz"},
        },
    )
    return dataset, notes


def _notes_of_software(table: SoftwareTable) -> list[str]:
    notes = list(table.notes)
    if table.software != "a table":
        regions = len({region for region, _ in table.values})
        notes.insert(
            0,
            f"Measurements of {table.software}: {len(table.people)} people, {regions} regions;"
            + (f" the head size is {table.head_source}." if table.head_source else ""),
        )
    if not table.head_source:
        notes.append(
            "No head size is given: volumes are not adjusted for it, whatever"
            " `modalities.region.icv` says."
        )
    if table.aside:
        notes.append(
            f"{len(table.aside)} columns are no regions and were set aside:"
            f" {first_few(table.aside)}."
        )
    return notes


def _read_places(path: str | None, regions: list[str], measurements: str) -> pd.DataFrame:
    """Return hemisphere and centroid of each region, in the order of `regions`."""
    if path is None:
        sides = pd.DataFrame({"hemisphere": [side_of(region) for region in regions]})
        return sides.assign(x=np.nan, y=np.nan, z=np.nan)
    columns: dict[str, Kind] = {"region": "text", "hemisphere": "text"}
    columns |= dict.fromkeys("xyz", "number")
    table = read_table(path, columns, extra=True, key="region").set_index("region")
    absent = [region for region in regions if region not in table.index]
    odd = table.index[~table["hemisphere"].isin(["L", "R", "B"])].tolist()
    if absent or odd:
        raise AtlasError(
            f"{path}: {len(absent)} of {len(regions)} regions of {measurements} are not listed"
            f" ({first_few(absent)}), {len(odd)} have a hemisphere other than L, R, B"
            f" ({first_few(odd)})",
            cause="other names than in the measurements",
            next_step="list every region once, named as in the columns before _volume",
        )
    return table.loc[regions]


def _check(dataset: xr.Dataset, path: str) -> list[str]:
    """Refuse what the registry of datasets lets pass and no brain has; return notes.

    Zeros that stand for unknown become missing, in place.
    """
    if not all(dataset.sizes[name] for name in ("participant", "region")):
        raise ModalityError(f"{path}: no people or no regions", next_step="restore the file")
    for name in (*MEASURES, "icv"):
        values = dataset[name].values
        infinite = int(np.isinf(values).sum())
        negative = int((values < 0).sum()) if name in {"volume", "icv"} else 0
        if infinite or negative:
            raise ModalityError(
                f"{path}: {name}: {infinite} values are infinite, {negative} are negative",
                next_step=f"correct them, or write {MISSING} where the value is unknown",
            )
    regions = dataset["region"].values.astype(str).tolist()
    if twice := sorted({name for name in regions if regions.count(name) > 1}):
        raise ModalityError(f"{path}: regions named twice: {first_few(twice)}")
    if "units" in dataset.attrs and dataset.attrs["units"] != "mm3":
        raise ModalityError(
            f"{path}: units are {dataset.attrs['units']!r}, not mm3",
            next_step="convert the volumes",
        )
    notes = []
    head, volume = dataset["icv"].values.copy(), dataset["volume"].values.copy()
    headless = dataset["participant"].values[head == 0]
    if headless.size:
        head[head == 0] = np.nan
        notes.append(
            f"{headless.size} people have a head size of 0, as failed segmentations have: it counts"
            f" as unknown: {first_few(headless)}."
        )
    zeros = zeros_to_missing(volume, regions)
    if zeros:
        notes.append(
            f"{zeros} volumes of 0, in regions where hardly anybody has 0, count as unknown."
        )
    dataset["icv"] = ("participant", head)
    dataset["volume"] = (("participant", "region"), volume)
    check_units(volume, head, regions, path)
    over = larger_than_head(volume, head)
    refuse_overlapping(over, path)
    return notes


def _check_excluded(regions: xr.Dataset, exclude: tuple[str, ...], path: str) -> None:
    labels = labels_of(regions)
    unknown = sorted(set(exclude) - set(labels))
    if unknown:
        raise InputFileError(
            f"{path}: {len(unknown)} excluded participants have no measurements:"
            f" {first_few(unknown)}",
            cause="a misspelt label, or one written with `sub-`",
            next_step="correct `imaging: exclude:`; labels there: " + first_few(labels),
        )

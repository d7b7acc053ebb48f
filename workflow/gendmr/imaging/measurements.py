"""Region measurements made by other software: checked, flagged and handed on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection
from gendmr.errors import AtlasError, InputFileError, ModalityError, TableError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.regions import REGIONS
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.imaging.collect import EXCLUDED, MEASURED, NAMED, flag_outliers

if TYPE_CHECKING:
    import xarray as xr

ABSENT = "absent"
MEASURES = ("volume", "mean", "spread")
# What a whole skull holds: the middle of a cohort outside it is given in another unit.
PLAUSIBLE_ICV_MM3 = (600_000.0, 2_400_000.0)
JUDGED = {
    "icv_mm3": ("both", "intracranial volume"),
    "total_mm3": ("both", "all regions"),
    "total_fraction": ("both", "all regions per intracranial volume"),
}
SEPARATORS = re.compile(r"[_.\-\s]+")
SIDES = {"lh": "L", "left": "L", "rh": "R", "right": "R"}


def read_measurements(section: ImagingSection, output: Path | str) -> None:
    """Write ``regions.nc``, ``quality.tsv``, ``summary.json`` and ``figures/quality.png``.

    Nobody is dropped but who has no value at all, or is excluded by name or by
    `outliers.exclude_by`; `quality.tsv` lists them.

    Parameters
    ----------
    section : ImagingSection
        `measurements` is the file; `places`, `exclude` and `outliers` count too.
    output : Path or str
        The stage's folder.

    Raises
    ------
    InputFileError
        The file is missing or unreadable, or an excluded person is not in it.
    TableError
        A column is missing or unknown, or a value is not a number.
    ModalityError
        Values are impossible: infinite, negative volumes, volumes in another unit, nobody.
    AtlasError
        `places` does not list the measured regions.
    """
    output, path = Path(output), str(section.measurements)
    regions = (
        read_dataset(path, REGIONS) if path.endswith(".nc") else _from_table(path, section.places)
    )
    _check(regions, path)
    _check_excluded(regions, section.exclude, path)
    quality = quality_table(regions, section)
    measured = (quality["status"] == MEASURED).to_numpy()
    if not measured.any():
        raise ModalityError(
            f"{path}: none of {len(quality)} people has a volume",
            cause="a table of identifiers only, or everybody is excluded",
            next_step="check the columns <region>_volume",
        )
    dataset = regions.isel(participant=np.flatnonzero(measured))
    dataset.attrs = {
        "space": str(regions.attrs.get("space", "unknown")),
        "atlas": str(regions.attrs.get("atlas", "unknown")),
        "units": "mm3",
        "measure": "given, not measured by this workflow",
    }
    write_dataset(output / "regions.nc", dataset, REGIONS)
    write_table(output / "quality.tsv", quality)
    write_json(output / "summary.json", _summary(quality, section))
    from gendmr.imaging.picture import draw_quality

    picture = output / "figures" / "quality.png"
    draw_quality(picture, quality[measured], JUDGED, what="people with measurements")


def quality_table(regions: xr.Dataset, section: ImagingSection) -> pd.DataFrame:
    """Return one row per person: totals, missing volumes, flags with their reasons.

    `dice` is missing throughout: no image was registered here.
    """
    volume = regions["volume"].values
    absent = np.isnan(volume).sum(axis=1)
    # A total with holes would look like atrophy.
    total = np.where(absent == 0, volume.sum(axis=1), np.nan)
    icv = regions["icv"].values
    table = pd.DataFrame(
        {
            "participant_id": regions["participant"].values.astype(str),
            "dice": np.nan,
            "icv_mm3": icv.round(1),
            "total_mm3": total.round(1),
            "total_fraction": (total / icv).round(5),
            "missing": absent,
            "warnings": "",
        }
    )
    flagged = flag_outliers(table, section.outliers, JUDGED)
    nobody = absent == volume.shape[1]
    named = pd.Series(labels_of(regions)).isin(section.exclude)
    status = np.select([nobody, named | flagged["excluded"]], [ABSENT, EXCLUDED], MEASURED)
    flagged["reason"] = flagged["reason"].mask(named, NAMED).mask(nobody, "no volume given")
    flagged.insert(1, "status", status)
    return flagged.drop(columns="excluded")


def labels_of(regions: xr.Dataset) -> list[str]:
    """Return the participants without `sub-`."""
    return [str(name).removeprefix("sub-") for name in regions["participant"].values]


def _summary(quality: pd.DataFrame, section: ImagingSection) -> dict[str, Any]:
    notes = []
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


def side_of(region: str) -> str:
    """Return L, R or B (both) by the name of a region.

    Examples
    --------
    >>> [side_of(name) for name in ("Left-Hippocampus", "rh_insula", "hippocampus_L", "lingual")]
    ['L', 'R', 'L', 'B']
    """
    words = SEPARATORS.split(region.lower())
    # A single letter means a side at either end only: `area_r_2` is no right hemisphere.
    sides = {SIDES[word] for word in words if word in SIDES}
    sides |= {word.upper() for word in (words[0], words[-1]) if word in {"l", "r"}}
    return sides.pop() if len(sides) == 1 else "B"


def _from_table(path: str, places: str | None) -> xr.Dataset:
    import xarray as xr

    required: dict[str, Kind] = {"participant_id": "text", "icv": "number"}
    names = [str(name) for name in read_table(path, required, extra=True, key="participant_id")]
    regions = [name.removesuffix("_volume") for name in names if name.endswith("_volume")]
    if not regions:
        raise TableError(
            f"{path}: no column <region>_volume among {len(names)}: {first_few(names, 12)}",
            cause="a table of other measures, or columns named otherwise",
            next_step="rename the columns: lh_insula becomes lh_insula_volume",
        )
    declared: dict[str, Kind] = {
        f"{region}_{name}": "number" for region in regions for name in MEASURES
    }
    table = read_table(path, required, optional=declared)
    where = _read_places(places, regions, path)
    unknown = pd.Series(np.nan, index=table.index)
    values = {
        measure: np.column_stack([table.get(f"{region}_{measure}", unknown) for region in regions])
        for measure in MEASURES
    }
    return xr.Dataset(
        {name: (("participant", "region"), array) for name, array in values.items()}
        | {"icv": ("participant", table["icv"].to_numpy(dtype=float))},
        coords={
            "participant": table["participant_id"].to_numpy(dtype=str),
            "region": np.array(regions, dtype=str),
            "hemisphere": ("region", where["hemisphere"].to_numpy(dtype=str)),
            **{axis: ("region", where[axis].to_numpy(dtype=float)) for axis in "xyz"},
        },
    )


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


def _check(dataset: xr.Dataset, path: str) -> None:
    """Refuse what the registry of datasets lets pass and no brain has."""
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
    icv = dataset["icv"].values
    known = icv[np.isfinite(icv)]
    low, high = PLAUSIBLE_ICV_MM3
    if known.size and not low <= np.median(known) <= high:
        raise ModalityError(
            f"{path}: the median intracranial volume is {np.median(known):g}, outside"
            f" {low:g} to {high:g} mm3",
            cause="volumes in ml or cm3, or unknown ones written as 0",
            next_step=f"give volumes in mm3 and {MISSING} for unknown ones",
        )
    if "units" in dataset.attrs and dataset.attrs["units"] != "mm3":
        raise ModalityError(
            f"{path}: units are {dataset.attrs['units']!r}, not mm3",
            next_step="convert the volumes",
        )


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

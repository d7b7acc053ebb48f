"""All participants together: the region modality, the quality table, flags and a figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection
from gendmr.errors import AtlasError, ImageError, InputFileError, first_few
from gendmr.files.atomic import read_json, write_json
from gendmr.files.datasets import write_dataset
from gendmr.files.regions import REGIONS
from gendmr.files.tables import read_table, write_table
from gendmr.imaging.bids import find_images, is_derivative, unusable_images
from gendmr.imaging.flags import JUDGED, flag_outliers, thresholds

if TYPE_CHECKING:
    import xarray as xr

MEASURED, REFUSED, EXCLUDED = STATUS = ("measured", "refused", "excluded")
NAMED = "named in imaging.exclude"
MOST_REASONS = 20
COLUMNS = (
    "dice",
    "similarity",
    "jacobian_min",
    "jacobian_max",
    "icv_mm3",
    "icv_carried_mm3",
    "grey_mm3",
    "white_mm3",
    "white_hypointense_mm3",
    "csf_mm3",
    "brain_mm3",
    "grey_modulated_mm3",
    "affine_determinant",
)


def collect_regions(
    tables: Iterable[Path | str],
    template_folder: Path | str,
    section: ImagingSection,
    output: Path | str,
) -> None:
    """Write ``regions.nc``, ``quality.tsv``, ``summary.json`` and ``figures/quality.png``.

    Parameters
    ----------
    tables : iterable of paths
        The ``regions.tsv`` of each participant, with ``quality.json`` beside it.

    Raises
    ------
    InputFileError
        A participant lacks results.
    AtlasError
        Participants were measured with different atlases.
    ImageError
        Scans cannot be used, and `imaging.on_bad_scan` is `stop`; or no scan is left.
    """
    output, template_folder = Path(output), Path(template_folder)
    quality, people = [], []
    for measured in sorted(map(Path, tables)):
        file = measured.with_name("quality.json")
        if not file.is_file():
            raise InputFileError(
                f"{file}: no such file",
                cause="the participant's registration failed or has not run",
                next_step="look into the participant's log",
            )
        record = read_json(file)
        quality.append(record)
        people.append(
            read_table(
                measured,
                {
                    "region": "text",
                    "hemisphere": "text",
                    "volume": "number",
                    "modulated": "number",
                    "mean": "number",
                    "spread": "number",
                },
            )
        )
    template = read_json(template_folder / "template.json")
    regions = read_table(
        template_folder / "regions.tsv",
        {"region": "text", "hemisphere": "text", "x": "number", "y": "number", "z": "number"},
        extra=True,
    )
    wrong = [
        record["participant_id"]
        for record, person in zip(quality, people, strict=True)
        if list(person["region"]) != list(regions["region"])
    ]
    if wrong:
        raise AtlasError(
            f"{len(wrong)} of {len(people)} participants have other regions than the atlas of"
            f" {template_folder}: {first_few(wrong)}",
            cause="measured before the atlas was changed",
            next_step="remove their folders and run again",
        )
    refused = {
        record["participant_id"]: record["refused"] for record in quality if "refused" in record
    }
    _stop_at_refused(refused, len(quality), section)
    judged = quality_table(quality)
    table = _with_status(flag_outliers(judged, section.outliers), refused, section)
    unusable = _unusable(section)
    table = _with_unusable(table, unusable)
    measured_people = set(table.loc[table["status"] == MEASURED, "participant_id"])
    if not measured_people:
        raise ImageError(
            f"no scan is left of {len(quality)}: {len(refused)} cannot be used, the others are"
            " excluded",
            cause="limits of `imaging.outliers` that nobody meets",
            next_step="look at the pictures, then at `imaging.outliers.exclude_by`",
        )
    by_name = {
        record["participant_id"]: person for record, person in zip(quality, people, strict=True)
    }
    analysed = table[table["participant_id"].isin(measured_people)]
    dataset = region_dataset(
        analysed, [by_name[name] for name in analysed["participant_id"]], regions
    )
    dataset.attrs = {
        "space": template["space"],
        "atlas": template["atlas"],
        "units": "mm3",
        "preset": section.preset,
        "brain": section.brain,
        "measure": "volume of the region's tissue in the scan, density modulated by the Jacobian",
    }
    write_dataset(output / "regions.nc", dataset, REGIONS)
    table, several = _with_images(table, section)
    write_table(output / "quality.tsv", table)
    summary = summarise(table, quality, several, section)
    summary["notes"] += [*template.get("notes", ()), *_notes_of_folder(unusable, section)]
    write_json(output / "summary.json", summary)
    from gendmr.imaging.quality_figure import draw_quality

    drawn = table[table["dice"].notna()].reset_index(drop=True)
    bounds = thresholds(judged, section.outliers)
    draw_quality(output / "figures" / "quality.png", drawn, JUDGED, bounds)


def _stop_at_refused(
    refused: Mapping[str, Mapping[str, str]], n: int, section: ImagingSection
) -> None:
    if not refused or (section.on_bad_scan == "exclude" and len(refused) < n):
        return
    reasons = [f"  {name}: {_reason(refusal)}" for name, refusal in sorted(refused.items())]
    more = len(reasons) - MOST_REASONS
    if more > 0:
        reasons[MOST_REASONS:] = [f"  and {more} more: see their quality.json"]
    stop = "" if len(refused) == n else " (imaging.on_bad_scan: stop)"
    raise ImageError(
        "\n".join([f"{len(refused)} of {n} scans cannot be used{stop}", *reasons]),
        cause=next(iter(refused.values()))["cause"],
        next_step="restore these scans; name them in `imaging: exclude:`; or"
        " `imaging: on_bad_scan: exclude` goes on with the others",
    )


def _reason(refused: Mapping[str, str]) -> str:
    # One line: tables hold it.
    return " ".join(f"{refused['error']}: {refused['what']}".split())


def quality_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per participant, from what `quality.json` holds; measures of refused ones are NaN."""
    rows = []
    for record in records:
        values = {name: record.get(name) for name in COLUMNS}
        row = {name: np.nan if value is None else float(value) for name, value in values.items()}
        fraction = row["grey_modulated_mm3"] / max(row["icv_mm3"], 1.0)
        ratio = row["icv_carried_mm3"] / max(row["icv_mm3"], 1.0)
        rows.append(
            {
                "participant_id": record["participant_id"],
                **row,
                "grey_fraction": round(fraction, 5),
                "icv_ratio": round(ratio, 4),
                "image": record["image"]["name"],
                "warnings": " ".join(record.get("warnings", ())),
            }
        )
    return pd.DataFrame(rows).sort_values("participant_id", kind="stable", ignore_index=True)


def _with_status(
    table: pd.DataFrame, refused: Mapping[str, Mapping[str, str]], section: ImagingSection
) -> pd.DataFrame:
    """Replace `excluded` by `status`; add who is excluded by name."""
    names = table["participant_id"]
    by_name = names.isin(section.exclude)
    status = np.select(
        [names.isin(refused), by_name, table["excluded"]], [REFUSED, EXCLUDED, EXCLUDED], MEASURED
    )
    reasons = [
        _reason(refused[name]) if name in refused else NAMED if named else reason
        for name, named, reason in zip(names, by_name, table["reason"], strict=True)
    ]
    table = table.drop(columns="excluded").assign(reason=reasons)
    table.insert(1, "status", status)
    absent = sorted(set(section.exclude) - set(names))
    more = pd.DataFrame(
        {"participant_id": absent, "status": EXCLUDED, "outlier": False, "reason": NAMED}
    )
    if absent:
        table = pd.concat([table, more.reindex(columns=table.columns)], ignore_index=True)
    return table.sort_values("participant_id", kind="stable", ignore_index=True)


def _unusable(section: ImagingSection) -> dict[str, str]:
    """Return who has images of which none counts, and why."""
    # Scans registered by hand may come from anywhere.
    if not section.bids or not Path(section.bids).is_dir():
        return {}
    reasons = unusable_images(section.bids, wanted=section.select.wanted())
    return {label: why for label, why in reasons.items() if label not in section.exclude}


def _with_unusable(table: pd.DataFrame, unusable: Mapping[str, str]) -> pd.DataFrame:
    """Add who has images of which none counts: refused, with the reason."""
    absent = sorted(set(unusable) - set(table["participant_id"]))
    if not absent:
        return table
    more = pd.DataFrame(
        {
            "participant_id": absent,
            "status": REFUSED,
            "outlier": False,
            "reason": [unusable[label] for label in absent],
        }
    )
    table = pd.concat([table, more.reindex(columns=table.columns)], ignore_index=True)
    table["outlier"] = table["outlier"].astype(bool)
    return table.sort_values("participant_id", kind="stable", ignore_index=True)


def _notes_of_folder(unusable: Mapping[str, str], section: ImagingSection) -> list[str]:
    """Return notes on the BIDS folder: derivatives, people none of whose images counts."""
    notes = []
    if unusable:
        reasons = first_few((f"sub-{label}, {why}" for label, why in unusable.items()), 3)
        notes.append(f"{_people(len(unusable))} with images of which none counts: {reasons}.")
    if section.bids and is_derivative(section.bids):
        notes.append(
            f"{section.bids} holds derivatives by its dataset_description.json: its T1w images may"
            " have been processed before."
        )
    return notes


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _with_images(table: pd.DataFrame, section: ImagingSection) -> tuple[pd.DataFrame, list[str]]:
    """Add `other_images`, those that did not count; return who has several."""
    # Scans registered by hand may come from anywhere.
    images = {}
    if section.bids and Path(section.bids).is_dir():
        images = find_images(section.bids, wanted=section.select.wanted())
    other_images = {
        name: [Path(path).name for path in images.get(name, ())[1:]]
        for name in table["participant_id"]
    }
    table["other_images"] = [
        " ".join(other_images[name]) or None for name in table["participant_id"]
    ]
    return table, [name for name, paths in other_images.items() if paths]


def summarise(
    table: pd.DataFrame,
    records: list[dict[str, Any]],
    several: list[str],
    section: ImagingSection,
) -> dict[str, Any]:
    """Return summary.json: counts, and what was done differently, for the report."""
    names = {
        status: table.loc[table["status"] == status, "participant_id"].tolist() for status in STATUS
    }
    notes = []
    if names[REFUSED]:
        notes.append(
            f"Left out, for they cannot be used: {_scans(len(names[REFUSED]))},"
            f" {first_few(names[REFUSED])}; their people stay, without images. The reasons are in"
            " imaging/quality.tsv."
        )
    named = [name for name in names[EXCLUDED] if name in section.exclude]
    ruled = [name for name in names[EXCLUDED] if name not in section.exclude]
    if named:
        notes.append(f"{_scans(len(named))} left out by `imaging.exclude`: {first_few(named)}.")
    if ruled:
        notes.append(
            f"{_scans(len(ruled))} left out by `imaging.outliers.exclude_by`"
            f" ({', '.join(section.outliers.exclude_by)}): {first_few(ruled)}."
        )
    if several:
        notes.append(
            f"Several T1w images: {first_few(several)}. The first counts: in the order of"
            " `imaging.select`, without a session before with one, then by session and name in"
            " natural order; the others are listed in imaging/quality.tsv."
        )
    notes += _notes_of_scans(records)
    return {
        "scans": len(records),
        **{status: len(listed) for status, listed in names.items()},
        "flagged": int(table["outlier"].sum()),
        "notes": notes,
    }


def _notes_of_scans(records: list[dict[str, Any]]) -> list[str]:
    """Return what was found and done while scans were read, alike notes together."""
    same_text: dict[str, list[str]] = {}
    for record in records:
        for note in record.get("notes", ()):
            same_text.setdefault(re.sub(r"\d+(\.\d+)?", "#", note), []).append(note)
    return [
        f"{_scans(len(notes))}: {notes[0]}" + (" (numbers differ)" if len(set(notes)) > 1 else "")
        for notes in same_text.values()
    ]


def _scans(count: int) -> str:
    return "1 scan" if count == 1 else f"{count} scans"


def region_dataset(
    table: pd.DataFrame, people: list[pd.DataFrame], regions: pd.DataFrame
) -> xr.Dataset:
    """Return the modality `region`."""
    import xarray as xr

    dims = ("participant", "region")
    return xr.Dataset(
        {
            name: (dims, np.stack([person[name].to_numpy(dtype=float) for person in people]))
            for name in ("volume", "mean", "spread")
        }
        | {"icv": ("participant", table["icv_mm3"].to_numpy(dtype=float))},
        coords={
            "participant": table["participant_id"].to_numpy(dtype=str),
            "region": regions["region"].to_numpy(dtype=str),
            "hemisphere": ("region", regions["hemisphere"].to_numpy(dtype=str)),
            **{axis: ("region", regions[axis].to_numpy(dtype=float)) for axis in "xyz"},
        },
    )

"""All participants together: the region modality, the quality table, flags and a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection, Outliers
from gendmr.errors import AtlasError, InputFileError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import read_table, write_table

if TYPE_CHECKING:
    import xarray as xr

# measure -> which side is suspicious, what to call it
JUDGED = {
    "dice": ("low", "overlap with the template"),
    "similarity": ("low", "similarity to the template"),
    "jacobian_min": ("low", "smallest local volume"),
    "jacobian_max": ("high", "largest local volume"),
    "icv_mm3": ("both", "intracranial volume"),
    "grey_fraction": ("both", "grey matter per intracranial volume"),
}
COLUMNS = (
    "dice",
    "similarity",
    "jacobian_min",
    "jacobian_max",
    "icv_mm3",
    "grey_mm3",
    "white_mm3",
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
    """Write ``regions.nc``, ``quality.tsv`` and ``figures/quality.png``.

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
    table = flag_outliers(quality_table(quality), section.outliers)
    dataset = region_dataset(table, people, regions)
    dataset.attrs = {
        "space": template["space"],
        "atlas": template["atlas"],
        "units": "mm3",
        "preset": section.preset,
        "brain": section.brain,
        "measure": "grey matter probability modulated by the Jacobian determinant",
    }
    write_dataset(output / "regions.nc", dataset, "region")
    write_table(output / "quality.tsv", table)
    from gendmr.imaging.picture import draw_quality

    draw_quality(output / "figures" / "quality.png", table, JUDGED)


def quality_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per participant, from what `quality.json` holds."""
    rows = [
        {
            "participant_id": record["participant_id"],
            **{name: float(record[name]) for name in COLUMNS},
            "grey_fraction": round(record["grey_modulated_mm3"] / max(record["icv_mm3"], 1.0), 5),
            "warnings": " ".join(record["warnings"]),
        }
        for record in records
    ]
    return pd.DataFrame(rows).sort_values("participant_id", kind="stable", ignore_index=True)


def flag_outliers(
    table: pd.DataFrame, limits: Outliers, judged: Mapping[str, tuple[str, str]] = JUDGED
) -> pd.DataFrame:
    """Add `outlier` (flag) and `reason`; nobody is dropped.

    Flagged is who has a warning, an overlap below the limit, a mapping that folds, or lies farther
    from the cohort's median than `limits.robust_z` robust standard deviations (Leys 2013,
    doi:10.1016/j.jesp.2013.03.013).
    """
    reasons: list[list[str]] = [[text] if text else [] for text in table["warnings"]]
    for row, value in enumerate(table["dice"]):
        if value < limits.dice_below:
            reasons[row].append(f"Overlap {value:.3f} is below {limits.dice_below:g}.")
    if len(table) >= limits.minimum:
        for name, (side, words) in judged.items():
            for row, z in enumerate(robust_z(table[name].to_numpy())):
                far = {"low": -z, "high": z, "both": abs(z)}[side] > limits.robust_z
                if far:
                    reasons[row].append(f"{words.capitalize()}: robust z = {z:+.1f}.")
    flagged = table.drop(columns="warnings")
    flagged["outlier"] = [bool(texts) for texts in reasons]
    flagged["reason"] = [" ".join(texts) or None for texts in reasons]
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

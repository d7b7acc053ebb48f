"""NIfTI maps of ranked regions, each with a JSON sidecar, in the space of the template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import __version__
from gendmr.export.results import Export, StudyResults
from gendmr.files.atomic import atomic_path, read_json, write_json
from gendmr.files.tables import read_table

# What more risk goes with: less volume counts upwards, as in the figure of the brain.
SIGN = {"lower": 1.0, "higher": -1.0}
MEANING = {
    "score": "mean absolute attribution of the region in held-out people",
    "risk": "score, above 0 where more risk goes with less volume, below 0 where with more",
    "z": "score in standard deviations above its permutation null",
}


def write_maps(study: StudyResults, output: Path) -> Export:
    """Write `<output>/<method>_<map>.nii.gz` with a sidecar, for each method that ranks regions.

    A voxel has the value of its region; outside of regions, and in regions without a value, it is
    0. Orientation, spacing and data type are told in the header.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder.
    """
    export = Export("maps")
    rankings = study.rankings("regions.tsv")
    template = study.folder / "imaging" / "template"
    if rankings and not (template / "atlas.nii.gz").is_file():
        export.notes.append(
            "regions are ranked, and no atlas image is among the results (regions were measured"
            " elsewhere): no map"
        )
        return export
    for method, path in rankings:
        for name in MEANING:
            image = output / f"{method}_{name}.nii.gz"
            if not _write_map(study, path, template, name, image):
                export.notes.append(f"{method}: no region has a {name}: no such map")
                continue
            export.files += [image, image.with_name(image.name.replace(".nii.gz", ".json"))]
    return export


def region_values(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return the value of each row of regions.tsv for a map, float64 (region,), NaN for none."""
    if name != "risk":
        return table[name].to_numpy(dtype=np.float64)
    sign = table["direction"].map(SIGN).fillna(0.0)
    return np.asarray(table["score"] * sign, dtype=np.float64)


def _write_map(study: StudyResults, ranking: Path, template: Path, name: str, image: Path) -> bool:
    import nibabel

    columns: dict[str, Any] = {
        "region": "text", "hemisphere": "text", "direction": "text", "score": "number",
        "z": "number",
    }  # fmt: skip
    table = read_table(ranking, columns, extra=True)
    values = region_values(table, name)
    if not np.isfinite(values).any():
        return False
    places = read_table(template / "regions.tsv", {"region": "text", "hemisphere": "text"},
                        extra=True)  # fmt: skip
    keys = list(zip(places["region"], places["hemisphere"], strict=True))
    value_of = dict(zip(zip(table["region"], table["hemisphere"], strict=True), values,
                        strict=True))  # fmt: skip
    # Labels of the atlas count the rows of its table from 1; 0 is no region.
    by_label = np.zeros(len(keys) + 1, dtype=np.float32)
    by_label[1:] = np.nan_to_num([value_of.get(key, np.nan) for key in keys])
    atlas = nibabel.load(template / "atlas.nii.gz")
    labels = np.asarray(atlas.dataobj).astype(np.int64)
    painted = nibabel.Nifti1Image(by_label[labels], atlas.affine)
    painted.header.set_xyzt_units("mm")
    painted.header["descrip"] = f"GenDMR {name}".encode()
    # Code 4: aligned to a template of the MNI.
    painted.set_sform(atlas.affine, code=4)
    painted.set_qform(atlas.affine, code=4)
    described = read_json(template / "template.json")
    with atomic_path(image) as temporary:
        nibabel.save(painted, temporary)
    write_json(
        image.with_name(image.name.replace(".nii.gz", ".json")),
        {
            "Description": MEANING[name],
            "Method": ranking.parent.name,
            "Study": study.name,
            "SpatialReference": described["space"],
            "Atlas": described["atlas"],
            "Units": "SD" if name == "z" else "in the scalar of the task",
            "RegionsWithValue": int(np.isfinite(values).sum()),
            "GeneratedBy": [{"Name": "GenDMR", "Version": __version__}],
        },
    )
    return True

"""Registered images and grey matter as BIDS derivatives, with the regions of each person.

Specification: https://bids-specification.readthedocs.io, derivatives, version 1.10.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr import __version__
from gendmr.errors import first_few
from gendmr.export.results import Export, StudyResults
from gendmr.files.atomic import atomic_path, read_json, write_json, write_text
from gendmr.files.tables import write_table

VERSION = "1.10.0"
# What the stage leaves of a person to its BIDS name and what the sidecar says of it.
IMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "warped.nii.gz": (
        "desc-preproc_T1w",
        {"Description": "T1w image, bias corrected, registered to the template",
         "SkullStripped": True},
    ),
    "grey.nii.gz": (
        "label-GM_desc-modulated_probseg",
        {"Description": "grey matter, times the Jacobian determinant of the registration"},
    ),
}  # fmt: skip


def write_bids(study: StudyResults, output: Path) -> Export:
    """Write a derivative dataset into `output`: one folder per participant with images.

    Images are links to those of the study where the disk allows it, copies otherwise.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder of the dataset.
    """
    export = Export("bids")
    imaging = study.folder / "imaging"
    template = imaging / "template" / "template.json"
    people = [path.parent.name for path in sorted(imaging.glob("*/warped.nii.gz"))]
    if not people or not template.is_file():
        if imaging.is_dir():
            export.notes.append("regions were measured elsewhere: there are no images to export")
        return export
    # A label of BIDS has letters and digits only.
    unfit = [name for name in people if not re.fullmatch(r"[A-Za-z0-9]+", name)]
    if unfit:
        export.notes.append(
            f"{len(unfit)} participants have a name that is no BIDS label and are left out:"
            f" {first_few(unfit)}"
        )
    people = [name for name in people if name not in unfit]
    described = read_json(template)
    space = re.sub(r"[^A-Za-z0-9]", "", described["space"])
    _write_description(study, output, described)
    write_table(
        output / "participants.tsv",
        pd.DataFrame({"participant_id": [f"sub-{name}" for name in people]}),
    )
    for name in people:
        export.files += _write_person(imaging / name, output, name, space)
    export.files.append(output / "dataset_description.json")
    export.files.append(output / "participants.tsv")
    return export


def _write_person(source: Path, output: Path, name: str, space: str) -> Sequence[Path]:
    files = []
    for file, (suffix, about) in IMAGES.items():
        if not (source / file).is_file():
            continue
        image = output / f"sub-{name}" / "anat" / f"sub-{name}_space-{space}_{suffix}.nii.gz"
        _copy(source / file, image)
        sidecar = image.with_name(image.name.replace(".nii.gz", ".json"))
        write_json(sidecar, {**about, "SpatialReference": space})
        files += [image, sidecar]
    return files


def _copy(source: Path, target: Path) -> None:
    """Copy a result; a link would let who edits the export damage the result."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _write_description(study: StudyResults, output: Path, template: dict[str, Any]) -> None:
    versions = template.get("versions", {})
    made_by = f"antspyx {versions.get('antspyx', 'of unknown version')}"
    write_json(
        output / "dataset_description.json",
        {
            "Name": f"GenDMR derivatives of {study.name}",
            "BIDSVersion": VERSION,
            "DatasetType": "derivative",
            "License": "that of the source images",
            "Authors": ["the authors of the study"],
            "GeneratedBy": [
                {
                    "Name": "GenDMR",
                    "Version": __version__,
                    "Description": f"registration and grey matter by {made_by}, preset"
                    f" {template['preset']}",
                }
            ],
            "HowToAcknowledge": "see methods.md beside this dataset",
        },
    )
    write_text(
        output / "README.md",
        f"# Derivatives of {study.name}\n\nT1w images registered to {template['space']} and"
        " modulated grey matter, by GenDMR. Regions: " + str(template["atlas"]) + ".\n",
    )

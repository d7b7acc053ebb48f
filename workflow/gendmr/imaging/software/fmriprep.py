"""fMRIPrep: label images `desc-aparcaseg_dseg` or `desc-aseg_dseg` in the space of the scan."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gendmr.errors import InputFileError, first_few
from gendmr.files.tables import read_table as read_declared
from gendmr.imaging.software.freesurfer import SUBCORTICAL, SUMMARIES
from gendmr.imaging.software.table import SoftwareTable, natural, one_session

PATTERNS = ("sub-*/anat/*_desc-{}_dseg.nii*", "sub-*/ses-*/anat/*_desc-{}_dseg.nii*")
SEGMENTATIONS = ("aparcaseg", "aseg")


def label_images(folder: Path) -> dict[str, Path]:
    """Return the label image of each person and session: that with cortical regions where it is.

    Images in the space of a template (`space-`) are left out: their volumes are the template's.
    """
    images: dict[str, Path] = {}
    for segmentation in SEGMENTATIONS:
        for pattern in PATTERNS:
            for path in sorted(folder.glob(pattern.format(segmentation))):
                entities = re.match(r"(sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?)", path.name)
                if entities and "_space-" not in path.name and not path.name.startswith("._"):
                    images.setdefault(entities[1], path)
    return images


def read_folder(folder: Path, session: str | None) -> SoftwareTable:
    """Count the voxels of each label; the brain mask beside it is the head size.

    Raises
    ------
    InputFileError
        The table of labels is missing, or an image is damaged.
    """
    images = label_images(folder)
    names = sorted(images, key=natural)
    rows, people, other_sessions = one_session(names, session)
    labels = _labels(folder, any("aparcaseg" in images[name].name for name in names))
    values: dict[tuple[str, str], np.ndarray] = {}
    head, unnamed = np.full(len(rows), np.nan), set()
    for place, row in enumerate(rows):
        path = images[names[row]]
        counts, voxel = _counted(path)
        for index in np.flatnonzero(counts):
            name = labels.get(int(index), "")
            region = _region(name)
            if region:
                column = values.setdefault((region, "volume"), np.full(len(rows), np.nan))
                column[place] = counts[index] * voxel
            elif index and not name:
                unnamed.add(int(index))
        mask = next(iter(sorted(path.parent.glob(f"{names[row]}*_desc-brain_mask.nii*"))), None)
        if mask is not None and "_space-" not in mask.name:
            counts, voxel = _counted(mask)
            head[place] = counts[1:].sum() * voxel
    notes = []
    if other_sessions:
        notes.append(
            f"{len(other_sessions)} further sessions of people did not count:"
            f" {first_few(other_sessions)}."
        )
    if unnamed:
        notes.append(
            f"{len(unnamed)} labels are not in the table of labels: {sorted(unnamed)[:5]}."
        )
    source = "fMRIPrep's brain mask" if np.isfinite(head).any() else ""
    return SoftwareTable("fMRIPrep", people, values, head, source, [], notes)


def _region(name: str) -> str:
    """Return the region as FreeSurfer's tables name it, or nothing for tissue and summaries."""
    cortical = re.fullmatch(r"ctx-([lr]h)-(.+)", name)
    if cortical:
        return (
            "" if cortical[2] in {"unknown", "corpuscallosum"} else f"{cortical[1]}_{cortical[2]}"
        )
    return name if SUBCORTICAL.fullmatch(name) and not SUMMARIES.fullmatch(name) else ""


def _labels(folder: Path, cortical: bool) -> dict[int, str]:
    segmentation = "aparcaseg" if cortical else "aseg"
    path = folder / f"desc-{segmentation}_dseg.tsv"
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file, and the names of the labels are in it",
            cause="the folder of one person, or a copy without the tables at the top",
            next_step="name the folder that fMRIPrep wrote, with its desc-*_dseg.tsv",
        )
    table = read_declared(path, {"index": "integer", "name": "text"}, extra=True, key="index")
    return {int(i): str(n) for i, n in zip(table["index"], table["name"], strict=True)}


def _counted(path: Path) -> tuple[np.ndarray, float]:
    """Return how often each label occurs, int (label,), and the volume of a voxel, mm3."""
    from gendmr.imaging.header import affine_of, load_nifti, values_of

    raw, header = load_nifti(path)
    affine, _ = affine_of(path, header)
    values = values_of(path, raw, header)
    whole = np.rint(values)
    if not np.isfinite(values).all() or values.min() < 0 or np.abs(values - whole).max() > 1e-3:
        raise InputFileError(
            f"{path}: labels are no whole numbers from 0",
            cause="a map of probabilities, or a resampling that interpolated",
            next_step="take the label image as fMRIPrep wrote it",
        )
    return np.bincount(whole.astype(np.int64).ravel()), float(abs(np.linalg.det(affine[:3, :3])))

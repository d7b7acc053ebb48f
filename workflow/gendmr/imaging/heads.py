"""Labelled heads as an atlas: checked and prepared once, registered to each scan."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.imaging import ImagingSection, LabelledHead, LabelledHeads, Preset
from gendmr.errors import AtlasError, first_few
from gendmr.imaging.atlas import load_atlas
from gendmr.imaging.brain import Brain, find_brain
from gendmr.imaging.fusion import CarriedLabels, fusion_weights
from gendmr.imaging.registration import (
    free_of_bias,
    register_linear,
    register_nonlinear,
)
from gendmr.imaging.scan import (
    Scan,
    content_of,
    read_image,
    read_scan,
    refuse_labels,
    resample,
    thin,
    write_image,
)
from gendmr.imaging.tissue import fit_tissues
from gendmr.seeds import derive

ROW = ["index", "region", "hemisphere", "tissue"]
# Of a head's labels, this share at least lies in the brain of its image.
LEAST_SHARED = 0.5


def load_heads(atlas: LabelledHeads) -> tuple[pd.DataFrame, list[Scan]]:
    """Return the regions of labelled heads, and the labels of each.

    A region may be absent in some heads.

    Raises
    ------
    InputFileError, ImageError
        An image of labels cannot be used.
    AtlasError, TableError
        Heads have other rows than the first, a row is in no head, or a table is malformed.
    """
    tables, images = [], []
    for files in atlas.each:
        rows, labels = load_atlas(files, complete=False)
        tables.append(rows.sort_values("index", ignore_index=True))
        images.append(labels)
    table = tables[0]
    for number, (files, rows) in enumerate(zip(atlas.each, tables, strict=True)):
        different = _difference(table[ROW], rows[ROW])
        if different is not None:
            raise AtlasError(
                f"{files.table or files.labels}: the table of head {number + 1} has other rows than"
                f" that of the first: {different}",
                cause="heads labelled by different rules, or tables of different versions",
                next_step="take heads labelled by one rule, and name one `table` for all",
            )
    present = {
        index for image in images for index in np.flatnonzero(np.bincount(image.data.ravel()))
    }
    absent = [
        f"{index} {name}"
        for index, name in zip(table["index"], table["region"], strict=True)
        if index not in present
    ]
    if absent:
        raise AtlasError(
            f"{len(absent)} of {len(table)} rows have no voxel in any of {len(images)} heads:"
            f" {first_few(absent)}",
            cause="table and images of different atlases or versions",
            next_step="use the table that came with the images, or remove these rows",
        )
    return table, images


def check_heads(atlas: LabelledHeads) -> None:
    """Check labels, tables and images of labelled heads, before anything is registered.

    Raises
    ------
    InputFileError, ImageError, AtlasError, TableError
        As `load_heads`; or the image of a head cannot be used.
    """
    load_heads(atlas)
    for head in atlas.heads:
        refuse_labels(read_scan(head.image), head.image)


def _difference(first_table: pd.DataFrame, second_table: pd.DataFrame) -> str | None:
    first, second = (
        [" ".join(map(str, row)).strip() for row in table.itertuples(index=False)]
        for table in (first_table, second_table)
    )
    if first == second:
        return None
    more, less = (
        [row for row in rows if row not in set(other_rows)]
        for rows, other_rows in ((second, first), (first, second))
    )
    texts = [f"{name} {first_few(rows)}" for name, rows in (("not", less), ("but", more)) if rows]
    return ", ".join(texts) or f"the same {len(first)} rows, some of them several times"


def prepare_heads(
    atlas: LabelledHeads, section: ImagingSection, preset: Preset, folder: Path, *, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Write image and labels of each head to `folder`/heads, ready for registration to scans.

    The image shows how dark or bright its tissues are (`TissueModel.place_of`), within the brain.

    Returns
    -------
    regions : pandas.DataFrame
        As `load_atlas`; labels in the files are the numbers of its rows plus one.
    notes : list of str
        What was done, and what eyes should look at in the heads.

    Raises
    ------
    InputFileError, ImageError
        An image cannot be used.
    AtlasError, TableError
        As `load_heads`; or labels lie beside the brain of their image.
    """
    table, labels = load_heads(atlas)
    notes = [
        f"Atlas {atlas.name}: {len(labels)} labelled heads were registered to each scan, and their"
        " labels fused."
    ]
    for number, (head, label_image) in enumerate(zip(atlas.heads, labels, strict=True)):
        scan = read_scan(head.image)
        refuse_labels(scan, head.image)
        with tempfile.TemporaryDirectory(prefix="gendmr-") as name:
            scratch = Path(name)
            chance = derive(seed, "imaging", content_of(scan))
            masked = find_brain(scan, section, folder, preset, scratch, seed=chance)
            numbered = _numbered(label_image, table)
            _refuse_beside(numbered, masked, head)
            corrected = free_of_bias(masked.scan, masked.mask, preset, scratch)
        notes += [f"Labelled head {head.image}: {warning}" for warning in masked.warnings]
        place = fit_tissues(corrected[masked.mask]).place_of(corrected) * masked.mask
        coarse = thin(Scan(place, masked.scan.affine), preset.registration_mm)
        write_image(_image(folder, number), coarse.data, coarse.affine)
        write_image(_labels(folder, number), numbered.data.astype(np.int16), numbered.affine)
    return table, notes


def _refuse_beside(numbered: Scan, masked: Brain, head: LabelledHead) -> None:
    lies = resample(numbered, masked.scan.affine, masked.mask.shape, order=0) > 0
    whole = float((numbered.data > 0).sum() * numbered.voxel_mm3)
    shared = float((lies & masked.mask).sum() * masked.scan.voxel_mm3) / max(1.0, whole)
    if shared < LEAST_SHARED:
        raise AtlasError(
            f"{head.labels}: only {shared:.0%} of its regions lie in the brain of {head.image}",
            cause="labels of another head, or in the space of a template",
            next_step="name for each head the labels that were drawn in its image",
        )


def _numbered(labels: Scan, table: pd.DataFrame) -> Scan:
    listed = [int(index) for index in table["index"]]
    rows = np.zeros(max(int(labels.data.max()), *listed) + 1, np.int32)
    rows[listed] = np.arange(1, len(listed) + 1)
    return Scan(rows[labels.data], labels.affine)


def fuse_heads(
    count: int,
    folder: Path,
    moving: Path,
    place: np.ndarray,
    grid: Path,
    preset: Preset,
    scratch: Path,
    *,
    seed: int,
) -> CarriedLabels:
    """Register labelled heads to a scan, carry their labels there, and weigh their votes.

    Parameters
    ----------
    count : int
        Of heads.
    folder : Path
        Of the template, where `prepare_heads` wrote.
    moving : Path
        The scan, thinned for registration.
    place : (i, j, k) float32
        How dark or bright the tissues are there (`TissueModel.place_of`), 0 outside of the brain.
    grid : Path
        An image of the scan on whose grid the labels are wanted.
    """
    target, wanted = read_image(moving), read_image(grid)
    votes, images = [], []
    for number in range(count):
        image = _image(folder, number)
        # In a folder of its own, because a registration is found by its files: in `scratch` it
        # would take the place of the scan's registration to the template.
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            of_head = Path(name)
            linear = register_linear(image, moving, preset, of_head, seed=seed)
            mapping = register_nonlinear(image, moving, linear, preset, of_head, seed=seed)
            vote = mapping.to_scan(_labels(folder, number), grid, of_head / "vote.nii", labels=True)
            votes.append(np.rint(vote).astype(np.int16))
            images.append(mapping.to_scan(image, moving, of_head / "image.nii"))
    coarse = fusion_weights(place, np.stack(images), target.zooms)
    weights = np.stack(
        [
            resample(Scan(part, target.affine), wanted.affine, wanted.data.shape, order=1)
            for part in coarse
        ]
    )
    # Beyond the last voxel of the coarse grid all heads count alike.
    weights[:, weights.sum(axis=0) <= 0] = 1
    return CarriedLabels(np.stack(votes), weights / weights.sum(axis=0))


def _image(folder: Path, number: int) -> Path:
    return folder / "heads" / f"{number + 1:02d}_image.nii.gz"


def _labels(folder: Path, number: int) -> Path:
    return folder / "heads" / f"{number + 1:02d}_labels.nii.gz"

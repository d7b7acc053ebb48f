"""Label atlases: their tables in any common form, and named ones from TemplateFlow."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.imaging import AtlasFiles, NamedAtlas
from gendmr.errors import AtlasError, InputFileError, TableError, ToolError, first_few
from gendmr.files.atomic import atomic_path
from gendmr.imaging.header import load_nifti
from gendmr.imaging.scan import Scan, read_scan
from gendmr.imaging.sides import side_of
from gendmr.imaging.software.table import read_raw

INDEX, REGION, SIDE = ("index", "id", "value"), ("region", "name", "label"), "hemisphere"
TISSUES = ("csf", "grey", "white")
HEMISPHERES = ("L", "R", "B")
# A line of the text that MRIcroGL and others put into the header of a label image.
ROW = re.compile(r"^\s*(\d+)[ \t]+(\S[^\r\n]*?)(?:[ \t]+\d+)?\s*$", re.MULTILINE)
NO_TEXT = re.compile(r"[^\x20-\x7e\t\r\n]+")
NEEDS = (
    "a table separated by tabs or commas with a row for each label: `index` (or `id`), `region` (or"
    " `name`, `label`) and, where names do not tell the side, `hemisphere` (L, R, B for both)"
)
BY_HAND = (
    "fetch image and table of the atlas where there is a network (in TemplateFlow's archive"
    " tpl-<space>/tpl-<space>_res-01_atlas-<name>_dseg.nii.gz, and the .tsv beside it), and name"
    " both in `imaging: atlas: labels:` and `table:`"
)
HEADER = 348  # bytes of NIfTI-1, before what else is told


def read_atlas_table(files: AtlasFiles) -> pd.DataFrame:
    """Return `index` (int), `region`, `hemisphere` and further columns, one row per label.

    Read from the table, or from the header of the image where no table is named. Label 0 is no
    region. Where there is no column of sides, they are read from names such as `lh_insula`.

    Raises
    ------
    AtlasError
        There is no table, and no names in the image.
    TableError
        A column is missing, or an index is no whole number or comes twice.
    """
    if files.table is None:
        return _of_header(Path(files.labels))
    raw = read_raw(files.table, "`imaging: atlas:`")
    columns = {name.casefold(): name for name in raw.header}
    index = next((columns[name] for name in INDEX if name in columns), None)
    region = next((columns[name] for name in REGION if name in columns), None)
    if index is None or region is None:
        raise TableError(
            f"{files.table}: no column of {'labels' if index is None else 'regions'} among"
            f" {first_few(raw.header, 12)}",
            cause="a table of another form, or one without a header",
            next_step=f"write {NEEDS}",
        )
    texts = raw.columns[index]
    odd = texts[~texts.str.fullmatch(r"\d+(\.0+)?")]
    if len(odd):
        raise TableError(
            f"{files.table}: column {index}: {len(odd)} values are no whole numbers from 0:"
            f" {first_few(odd)}",
            next_step="write the value that the region has in the image",
        )
    table = raw.columns.rename(columns={index: "index", region: "region"})
    table["index"] = texts.astype(float).astype(int)
    twice = table["index"][table["index"].duplicated()]
    if len(twice):
        raise TableError(
            f"{files.table}: {len(twice)} values of index appear more than once:"
            f" {first_few(twice)}",
            cause="two atlases in one table",
            next_step="keep one row for each label",
        )
    if SIDE in columns:
        table = table.rename(columns={columns[SIDE]: SIDE})
    else:
        table[SIDE] = [side_of(name) for name in table["region"]]
    return table[table["index"] > 0].reset_index(drop=True)


def load_atlas(files: AtlasFiles, *, complete: bool = True) -> tuple[pd.DataFrame, Scan]:
    """Return the regions of an atlas and its labels, which were seen to agree.

    With `complete`, each region has voxels.

    Returns
    -------
    table : DataFrame
        As `read_atlas_table`; each `region` has a name of its own, `tissue` is empty where it is
        not stated.
    labels : Scan
        Whole numbers.

    Raises
    ------
    InputFileError, ImageError
        The image cannot be used.
    AtlasError, TableError
        Labels and table do not agree, or the table is malformed.
    """
    table, where = read_atlas_table(files), files.table or files.labels
    if table.empty:
        raise TableError(f"{where}: no rows", next_step="write one row per region")
    wrong = table.loc[~table["hemisphere"].isin(HEMISPHERES), "hemisphere"]
    if len(wrong):
        raise TableError(
            f"{where}: column hemisphere: {len(wrong)} values are none of L, R, B:"
            f" {first_few(wrong)}",
            next_step="write L, R, or B for regions of both sides and the midline",
        )
    tissues = table["tissue"] if "tissue" in table else pd.Series("", index=table.index)
    tissues = tissues.fillna("").replace("n/a", "")
    strange = tissues[~tissues.isin(("", *TISSUES))]
    if len(strange):
        raise TableError(
            f"{where}: column tissue: {len(strange)} values are none of"
            f" {', '.join(TISSUES)}: {first_few(strange)}",
            next_step="write what is measured in the region, or n/a",
        )
    names = table["region"]
    if names.duplicated().any():
        names = names + "_" + table["hemisphere"]
    twice = sorted(names[names.duplicated()].unique())
    if twice or (names == "").any():
        raise TableError(
            f"{where}: regions without a name of their own: {first_few(twice or [''])}",
            next_step="give each row another region, or another hemisphere",
        )
    atlas = read_scan(files.labels)
    whole = np.rint(atlas.data).astype(np.int32)
    if np.abs(atlas.data - whole).max() > 1e-3:
        raise AtlasError(
            f"{files.labels}: labels are not whole numbers",
            cause="a probability map, or a resampling that interpolated",
            next_step="use the label image, resampled by nearest neighbour",
        )
    present = set(np.flatnonzero(np.bincount(whole.ravel())).tolist()) - {0}
    listed = [int(index) for index in table["index"]]
    absent = [f"{i} {name}" for i, name in zip(listed, names, strict=True) if i not in present]
    if absent and complete:
        raise AtlasError(
            f"{files.labels}: {len(absent)} of {len(listed)} rows of {where} have no voxel:"
            f" {first_few(absent)}; labels in the image: {first_few(sorted(present))}",
            cause="table and image of different atlases or versions",
            next_step="use the table that came with the image, or remove these rows",
        )
    return table.assign(region=names, tissue=tissues), Scan(whole, atlas.affine)


def _of_header(path: Path) -> pd.DataFrame:
    raw, header = load_nifti(path)
    text = NO_TEXT.sub("\n", raw[HEADER : int(header["vox_offset"])].decode("latin-1"))
    rows = {int(number): name for number, name in ROW.findall(text) if int(number) > 0}
    if not rows:
        raise AtlasError(
            f"{path}: no table of regions is named, and the image holds no names",
            cause="a label image tells numbers only",
            next_step=f"name it in `imaging: atlas: table:`: {NEEDS}",
        )
    names = list(rows.values())
    return pd.DataFrame(
        {"index": list(rows), "region": names, SIDE: [side_of(name) for name in names]}
    )


def fetch_atlas(atlas: NamedAtlas, output: Path | str) -> None:
    """Write `labels.nii.gz` and `table.tsv` of an atlas of TemplateFlow.

    What TemplateFlow fetched before is taken from its folder on this machine
    (`TEMPLATEFLOW_HOME`); the rest needs a network.

    Raises
    ------
    ToolError
        The package templateflow is not installed.
    AtlasError
        There is no such atlas in this space, or no network.
    """
    output = Path(output)
    try:
        from templateflow import api
    except ImportError as error:
        raise ToolError(
            f"the atlas {atlas.templateflow} is named, and the package templateflow, which fetches"
            " atlases by name, is not installed",
            cause="it is no part of the environment, since one of what it needs (num2words) is"
            " under the LGPL",
            next_step=f"pip install templateflow; or {BY_HAND}",
        ) from error
    entities = {"atlas": atlas.templateflow, "suffix": "dseg", "desc": atlas.description}
    files = {}
    for name, more in (
        ("labels.nii.gz", {"extension": ".nii.gz", "resolution": atlas.resolution}),
        ("table.tsv", {"extension": ".tsv"}),
    ):
        try:
            paths = api.get(atlas.space, raise_empty=True, **entities, **more)
        except Exception as error:
            # The package raises what its cache, the network and its archive happen to raise.
            raise AtlasError(
                f"{atlas}: not to be had from TemplateFlow ({type(error).__name__}: {error})",
                cause="no network on this machine, or no such atlas in this space",
                next_step=BY_HAND,
            ) from error
        listed = [Path(path) for path in (paths if isinstance(paths, list) else [paths])]
        if len(listed) != 1 or not listed[0].is_file() or not listed[0].stat().st_size:
            raise AtlasError(
                f"{atlas}: {len(listed)} files of TemplateFlow fit:"
                f" {first_few(path.name for path in listed)}",
                cause="an atlas of several versions, or a file that was not fetched",
                next_step="say which by `description` and `resolution`; or " + BY_HAND,
            )
        files[name] = listed[0]
    for name, path in files.items():
        try:
            with atomic_path(output / name) as temporary:
                shutil.copyfile(path, temporary)
        except FileNotFoundError as error:
            raise InputFileError(f"{path}: gone while it was copied") from error

"""CAT12: tables of regions (`ROI_*_Vgm.csv`) and of total intracranial volume (`TIV.txt`)."""

from __future__ import annotations

import re
from pathlib import PurePath

import numpy as np
import pandas as pd

from gendmr.errors import TableError
from gendmr.imaging.software.table import RawTable, SoftwareTable, bids_label, one_session

ML = 1000.0  # mm3
FILE = re.compile(r"(?:cat)?ROI_?.*?(Vgm|Vwm|Vcsf|thickness)", re.IGNORECASE)
TOTALS = ("TIV", "GM", "WM", "CSF", "WMH")
# What CAT12 puts before the name of an image: `catROI_`, `cat_`, `mwp1`, `p0`.
PREFIX = re.compile(r"^(catROIs?_|cat_|m?w?p[0-3])")
IMAGE = re.compile(r"[/\\]|\.(nii|xml|mat|img)(\.gz)?$")
NUMBER = re.compile(r"\d+(\.\d+)?")
SIDED = re.compile(r"([lr])(?=[A-Z])")


def is_regions(path: str, header: list[str]) -> bool:
    """Return whether a table is one of regions, by its corner and the name of the file."""
    named = header[0].casefold() in {"names", "name", "files"}
    return named and FILE.search(PurePath(path).name) is not None


def is_totals(header: list[str]) -> bool:
    """Return whether a table is one of total intracranial volume, with names of files or people."""
    return "TIV" in header and set(header[1:]) <= set(TOTALS)


def with_header(table: RawTable) -> RawTable:
    """Return a table of total volumes under the header that CAT12 leaves out, others as they are.

    Such a file begins with the name of an image and one to five volumes: TIV, then grey and white
    matter, fluid and hyperintensities.
    """
    first = table.header
    names = IMAGE.search(first[0]) and 2 <= len(first) <= len(TOTALS) + 1
    if not names or not all(NUMBER.fullmatch(cell) for cell in first[1:]):
        return table
    rows = [first, *table.columns.to_numpy().tolist()]
    header = ["names", *TOTALS[: len(first) - 1]]
    lines = [table.lines[0] - 1 if table.lines else 1, *table.lines]
    return RawTable(table.path, pd.DataFrame(rows, columns=header, dtype=str), lines)


def person(name: str) -> str:
    """Return the person of a name that CAT12 wrote.

    Examples
    --------
    >>> [person(name) for name in ("catROI_sub-01_T1w.xml", "mri/mwp1sub-2_ses-1.nii", "catROI_A7")]
    ['sub-01', 'sub-2_ses-1', 'A7']
    """
    stem = re.sub(r"(\.nii)?(\.gz)?(\.xml)?$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    stem = PREFIX.sub("", stem)
    session = re.search(r"_ses-[A-Za-z0-9]+", stem)
    label = bids_label(stem)
    return label + (session[0] if session and label.startswith("sub-") else "")


def read_regions(table: RawTable, session: str | None) -> SoftwareTable:
    """Read a table of regions: volumes in ml become mm3, thickness stays mm.

    Raises
    ------
    TableError
        A value is no number.
    """
    match = FILE.search(PurePath(table.path).name)
    measured = match[1].casefold() if match else "vgm"
    names = [person(name) for name in table.people(table.header[0])]
    rows, people, _ = one_session(names, session)
    measure, factor = ("mean", 1.0) if measured == "thickness" else ("volume", ML)
    tissue = "" if measured in {"vgm", "thickness"} else f"_{measured[1:]}"
    values = {
        (SIDED.sub(r"\1_", name, count=1) + tissue, measure): table.numbers(name)[rows] * factor
        for name in table.header[1:]
    }
    return SoftwareTable("CAT12", people, values, np.full(len(rows), np.nan))


def read_totals(table: RawTable, session: str | None) -> SoftwareTable:
    """Read TIV in ml; grey and white matter and fluid are summaries and set aside.

    Raises
    ------
    TableError
        Rows have no names: the order of files is no way to tell people.
    """
    if table.header[0] in TOTALS:
        raise TableError(
            f"{table.path}: rows without names: whose volumes they are is not told",
            cause="CAT12's TIV file was written without file names",
            next_step="estimate TIV again with `Save values and filenames`",
        )
    names = [person(name) for name in table.people(table.header[0])]
    rows, people, _ = one_session(names, session)
    aside = [name for name in table.header[1:] if name != "TIV"]
    return SoftwareTable(
        "CAT12", people, {}, table.numbers("TIV")[rows] * ML, "TIV of CAT12", aside
    )

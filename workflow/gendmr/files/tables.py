"""Strict tab-separated tables: identifiers stay text, missing is `n/a`, nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from gendmr.errors import InputFileError, TableError, first_few
from gendmr.files.atomic import atomic_path

Kind = Literal["text", "number", "integer", "flag"]
MISSING = "n/a"


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table the BIDS way: tabs, `n/a` for missing, floats that read back exactly."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep=MISSING, lineterminator="\n")


def read_table(
    path: Path | str,
    columns: Mapping[str, Kind],
    *,
    optional: Mapping[str, Kind] | None = None,
    extra: bool = False,
    key: str | None = None,
) -> pd.DataFrame:
    """Read a table whose columns are declared.

    Parameters
    ----------
    path : Path or str
        A tab-separated file with a header.
    columns : mapping of name to kind
        Columns that must be there. `text` is never parsed: `007`, `1e5` and `NA` stay as they are.
    optional : mapping of name to kind, optional
        Columns that may be there.
    extra : bool
        Keep undeclared columns as text instead of refusing them.
    key : str, optional
        Column whose values must be present and unique.

    Raises
    ------
    InputFileError
        The file is missing, empty or not UTF-8.
    TableError
        Columns are missing, unknown or duplicated, or a value is not of its kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="the path in the configuration is wrong, or the step that makes it has not run",
            next_step=f"check the path: ls -l {path.parent}",
        )
    if path.stat().st_size == 0:
        raise InputFileError(f"{path}: the file is empty", next_step="restore it and run again")
    try:
        raw = pd.read_csv(
            path,
            sep="\t",
            dtype=str,
            header=None,
            keep_default_na=False,
            na_filter=False,
            encoding="utf-8-sig",
            quoting=3,
        )
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start})",
            cause="saved by a spreadsheet in another encoding",
            next_step=f"iconv -f LATIN1 -t UTF-8 {path} > fixed.tsv",
        ) from error
    except pd.errors.ParserError as error:
        raise TableError(
            f"{path}: rows differ in their number of columns ({error})",
            cause="a tab inside a value, or columns separated by spaces or commas",
            next_step="write the table with one tab between columns",
        ) from error
    header = [str(name).strip() for name in raw.iloc[0]]
    table = raw.iloc[1:].reset_index(drop=True)
    table.columns = pd.Index(header)
    declared = {**columns, **(optional or {})}
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise TableError(f"{path}: columns named twice: {first_few(repeated)}")
    absent = [name for name in columns if name not in header]
    unknown = [name for name in header if name not in declared]
    if absent:
        raise TableError(
            f"{path}: {len(absent)} of {len(columns)} needed columns missing: {first_few(absent)};"
            f" found {first_few(header, 12)}",
            cause="another name or spelling, or separators other than tabs",
            next_step="rename the columns, or name yours in the configuration",
        )
    if unknown and not extra:
        raise TableError(
            f"{path}: unknown columns: {first_few(unknown)}; known: {first_few(declared, 20)}",
            next_step="remove or rename them",
        )
    for name, kind in declared.items():
        if name in table:
            table[name] = _parse(path, name, table[name], kind)
    if key is not None:
        values = table[key]
        blank = values.isna() | (values == "")
        if blank.any():
            raise TableError(f"{path}: {int(blank.sum())} rows have no {key}")
        twice = sorted(values[values.duplicated()].unique())
        if twice:
            raise TableError(
                f"{path}: {len(twice)} values of {key} appear more than once: {first_few(twice)}",
                cause="two sessions or two exports of the same person",
                next_step="keep one row for each",
            )
    return table


def _parse(path: Path, name: str, values: pd.Series, kind: Kind) -> pd.Series:
    if kind == "text":
        return values.str.strip()
    stripped = values.str.strip()
    present = ~stripped.isin([MISSING, ""])
    if kind == "flag":
        known = stripped.isin(["True", "False"])
        _refuse(path, name, stripped[~known], "True or False")
        return stripped == "True"
    numbers = pd.Series([_number(text) for text in stripped.where(present, "")], dtype="float64")
    _refuse(path, name, stripped[present & numbers.isna()], f"a number or {MISSING}")
    if kind == "integer":
        _refuse(path, name, stripped[present & (numbers % 1 != 0)], "a whole number")
        return numbers.astype("Int64")
    return numbers.astype("float64")


def _number(text: str) -> float:
    # pd.to_numeric is off by one unit in the last place for some values
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _refuse(path: Path, name: str, wrong: pd.Series, expected: str) -> None:
    if len(wrong):
        raise TableError(
            f"{path}: column {name}: {len(wrong)} values are not {expected}: {first_few(wrong)}"
            f" (first in line {int(wrong.index[0]) + 2})",
            next_step=f"correct them, or write {MISSING} where the value is unknown",
        )

"""Strict tab-separated tables: identifiers stay text, missing is `n/a`, nothing is guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from gendmr.errors import Problems, TableError, did_you_mean, first_few
from gendmr.files.atomic import atomic_path
from gendmr.files.text import read_text_file

Kind = Literal["text", "number", "integer", "flag"]
MISSING = "n/a"
# How other programs write what is unknown, in small letters. R: NA, NaN. Excel: #N/A. SPSS: #NULL!
# and a point. Pandas: nan, None, <NA>. SQL: NULL. Numbers that mean it are no words.
UNKNOWN_WORDS = frozenset(
    [
        *("", "na", "n/a", "#n/a", "#n/d", "nan", "<na>", "null", "#null!", "none", "nil"),
        *(".", "-", "--", "?", "unknown", "missing"),
    ]
)
# Beyond it a float64 skips whole numbers.
LARGEST = 2**53


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table the BIDS way: tabs, `n/a` for missing, floats that read back exactly.

    Raises
    ------
    TableError
        A value holds a tab or a line break, which no table of this form can hold.
    """
    try:
        with atomic_path(path) as temporary:
            # Quotation marks are part of a value: readers take them as they are.
            table.to_csv(
                temporary,
                sep="\t",
                index=False,
                na_rep=MISSING,
                lineterminator="\n",
                quoting=csv.QUOTE_NONE,
            )
    except csv.Error as error:
        broken = [
            str(value)
            for name in table
            for value in table[name]
            if isinstance(value, str) and set(value) & set("\t\r\n")
        ]
        raise TableError(
            f"{path}: {len(broken)} values hold a tab or a line break: {first_few(broken)}",
            cause="a name that was copied with what stands around it",
            next_step="correct it in the input that holds it",
        ) from error


def read_table(
    path: Path | str,
    columns: Mapping[str, Kind],
    *,
    optional: Mapping[str, Kind] | None = None,
    extra: bool = False,
    key: str | None = None,
    rename: str | Callable[[Sequence[str]], str] = "rename the columns, or name yours in the"
    " configuration",
    problems: Problems | None = None,
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
    rename : str or callable
        What to do about missing columns, for the message, or what says so of their names.
    problems : Problems, optional
        Receives the error of missing columns other than `key`; the others are read all the same.

    Raises
    ------
    InputFileError
        The file is missing, empty or not UTF-8 text.
    TableError
        Rows differ in their number of columns, columns are missing, unknown or duplicated, or a
        value is not of its kind.
    """
    path = Path(path)
    lines, numbers = _rows(path)
    raw = pd.read_csv(
        io.StringIO("\n".join(lines)),
        sep="\t",
        dtype=str,
        header=None,
        keep_default_na=False,
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        skip_blank_lines=False,
    )
    header = [str(name).strip() for name in raw.iloc[0]]
    table = raw.iloc[1:].reset_index(drop=True)
    table.columns = pd.Index(header)
    declared = {**columns, **(optional or {})}
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise TableError(
            f"{path}: columns named twice: {first_few(repeated)}",
            cause="two exports pasted side by side, or columns without a name",
            next_step="keep one of them, each with a name of its own",
        )
    absent = [name for name in columns if name not in header]
    unknown = [name for name in header if name not in declared]
    if absent:
        separator = _other_separator(header)
        quoted = any(name.startswith(('"', "'")) for name in header)
        lacking = TableError(
            f"{path}: {len(absent)} of {len(columns)} needed columns missing: {first_few(absent)};"
            f" found {first_few(header, 12)}{did_you_mean(absent, unknown)}",
            cause=f"columns are separated by {separator}, not by tabs"
            if separator
            else "names stand in quotation marks, which are taken as part of them"
            if quoted
            else "another name or spelling",
            next_step="save the table again with tabs between columns"
            if separator
            else "save the table again without quotation marks"
            if quoted
            else rename
            if isinstance(rename, str)
            else rename(absent),
        )
        if problems is None or key in absent:
            raise lacking
        problems.add(lacking)
    if unknown and not extra:
        raise TableError(
            f"{path}: unknown columns: {first_few(unknown)}; known: {first_few(declared, 20)}"
            f"{did_you_mean(unknown, [name for name in declared if name not in header])}",
            cause="a misspelt name, or a column that is not read",
            next_step="remove or rename them",
        )
    for name, kind in declared.items():
        if name in table:
            table[name] = _parse(path, name, table[name], kind, numbers[1:])
    if key is not None:
        values = table[key]
        blank = values.isna() | values.isin(["", MISSING])
        if blank.any():
            first = numbers[1 + int(blank.to_numpy().argmax())]
            raise TableError(
                f"{path}: {int(blank.sum())} rows have no {key} (first in line {first})",
                cause="rows that a spreadsheet left empty",
                next_step="remove them, or write who they are",
            )
        twice = sorted(values[values.duplicated()].unique())
        if twice:
            raise TableError(
                f"{path}: {len(twice)} values of {key} appear more than once: {first_few(twice)}",
                cause="two sessions or two exports of the same person",
                next_step="keep one row for each",
            )
    return table


def _rows(path: Path) -> tuple[list[str], list[int]]:
    """Return the rows that are not blank, equally wide, and their line numbers in the file."""
    # splitlines would end a row at characters that are no line ends in any table.
    all_lines = read_text_file(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [number for number, line in enumerate(all_lines, start=1) if line.strip(" ")]
    lines = [all_lines[number - 1] for number in numbers]
    wide = lines[0].count("\t")
    ragged = [
        (number, line)
        for number, line in zip(numbers, lines, strict=True)
        if line.count("\t") != wide
    ]
    if ragged:
        number, line = ragged[0]
        raise TableError(
            f"{path}: rows differ in their number of columns: {len(ragged)} of {len(lines) - 1} do"
            f" not have the {wide + 1} of the header; the first is line {number}, with"
            f" {line.count(chr(9)) + 1}: {line[:60]!r}",
            cause="a tab inside a value, a row cut short, or columns separated by spaces or commas",
            next_step=f"sed -n {number}p {path} | cat -A; write one tab between columns, and"
            f" {MISSING} for what is unknown",
        )
    return lines, numbers


def _other_separator(header: Sequence[str]) -> str:
    """Return what separates the columns of a header that has no tab; mostly nothing."""
    if len(header) > 1:
        return ""
    marks = {",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}
    return next((separator for mark, separator in marks.items() if mark in header[0]), "")


def _parse(path: Path, name: str, values: pd.Series, kind: Kind, lines: Sequence[int]) -> pd.Series:
    stripped = values.str.strip()
    if kind == "text":
        return stripped
    present = ~stripped.isin([MISSING, ""])
    if kind == "flag":
        is_flag = stripped.isin(["True", "False"])
        _refuse(path, name, stripped[~is_flag], "True or False", lines)
        return stripped == "True"
    numbers = numbers_in(stripped.where(present, ""))
    _refuse(path, name, stripped[present & numbers.isna()], f"a number or {MISSING}", lines)
    if kind == "integer":
        not_integer = (numbers % 1 != 0) | (numbers.abs() > LARGEST)
        _refuse(path, name, stripped[present & not_integer], "a whole number", lines)
        return numbers.astype("Int64")
    return numbers


def numbers_in(texts: pd.Series) -> pd.Series:
    """Return texts as float64, NaN where one is no number."""
    return pd.Series([_number(text) for text in texts], index=texts.index, dtype="float64")


def _number(text: str) -> float:
    # Python reads 1_000 as a number, no other program does.
    if "_" in text:
        return float("nan")
    # pd.to_numeric is off by one unit in the last place for some values
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _refuse(
    path: Path, name: str, unreadable: pd.Series, expected: str, lines: Sequence[int]
) -> None:
    if len(unreadable):
        commas = unreadable.str.fullmatch(r"[+-]?\d+,\d+").any()
        raise TableError(
            f"{path}: column {name}: {len(unreadable)} values are not {expected}:"
            f" {first_few(unreadable)} (first in line {lines[int(unreadable.index[0])]})",
            cause="decimal commas" if commas else "a word, a unit or a code in place of a value",
            next_step=f"correct them, or write {MISSING} where the value is unknown",
        )

"""One matrix of expression: read, checked against its declared unit, a row per gene once."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from gendmr.config.expression import MatrixSection
from gendmr.errors import InputFileError, ModalityError, TableError, first_few
from gendmr.files.identifiers import refuse_unsafe
from gendmr.files.spreadsheets import refuse_dates
from gendmr.files.tables import UNKNOWN_WORDS

ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{6,})\.\d+(_PAR_Y)?")
# As pandas compares them: letter by letter.
UNKNOWN = sorted(
    {*UNKNOWN_WORDS, *map(str.upper, UNKNOWN_WORDS), "NaN", "None", "Unknown", "Missing"}
)
LARGEST_LOG = 40.0  # log2 of 1e12, beyond any count
MILLION = 1e6
# Of how many people a total may be above a million: rounding of the values that are given.
TOLERANCE = 1.02
LINEAR = ("counts", "tpm", "fpkm", "fpkm_uq")


def read_matrix(section: MatrixSection) -> pd.DataFrame:
    """Return levels as measured, float64 (person, gene), named by the file.

    Raises
    ------
    InputFileError
        The file is missing or cannot be read.
    TableError
        A name stands twice among the people, a value is text, or there is nobody or nothing in it.
    IdentifierError
        An identifier that could be taken for something else.
    ModalityError
        The values are not of the declared unit.
    """
    path = Path(section.path)
    header, separator = _header(path)
    people_in_header = section.rows == "genes"
    kept_out = {*section.drop}
    unknown = sorted(kept_out - set(header[1:]))
    if unknown:
        raise TableError(
            f"{path}: drop names no column: {first_few(unknown)}",
            next_step=f"its columns are {first_few(header[1:], 8)}",
        )
    names = [name for name in header[1:] if name not in kept_out]
    if people_in_header:
        _refuse_twice(path, names)
    columns = [0, *(place for place, name in enumerate(header) if place and name not in kept_out)]
    unknown_in: dict[Any, list[str]] = dict.fromkeys(columns[1:], UNKNOWN)
    try:
        raw = pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=1,
            usecols=columns,
            dtype={0: str},
            keep_default_na=False,
            na_values=unknown_in,
            low_memory=False,
        )
    except (OSError, ValueError, EOFError) as error:
        raise InputFileError(
            f"{path}: not readable as a matrix ({error})",
            cause="rows of different lengths, or a file that was cut",
            next_step="restore the file; the first row and the first column are names",
        ) from error
    table = raw.set_index(0)
    table.columns = pd.Index(names)
    table.index = pd.Index([str(name).strip() for name in table.index])
    _refuse_text(path, table)
    values = table.astype(np.float64)
    if not people_in_header:
        _refuse_twice(path, list(values.index))
    values = values.T if people_in_header else values
    refuse_dates(map(str, values.columns), path)
    if not values.size:
        raise TableError(
            f"{path}: {values.shape[0]} people and {values.shape[1]} genes",
            cause="a file that was cut, or another separator than tabs or commas",
            next_step="restore the file",
        )
    refuse_unsafe(map(str, values.index), str(path), "rename these people in the matrix")
    if np.isinf(values.to_numpy()).any():
        raise ModalityError(
            f"{path}: {int(np.isinf(values.to_numpy()).sum())} values are infinite",
            cause="a logarithm of 0",
            next_step="give log2(x + 1), or the numbers before the logarithm",
        )
    CHECKS[section.unit](values.to_numpy(), path, section)
    return values


def base_name(gene: str) -> str:
    """Return a gene without the version of an Ensembl identifier.

    Examples
    --------
    >>> [base_name(name) for name in ("ENSG00000141510.16", "TP53", "HLA-A.1")]
    ['ENSG00000141510', 'TP53', 'HLA-A.1']
    """
    match = ENSEMBL.fullmatch(gene)
    return match.group(1) + (match.group(2) or "") if match else gene


def _header(path: Path) -> tuple[list[str], str]:
    """Return the names of the first row, and the separator."""
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file", next_step="check expression.matrices in the configuration"
        )
    opener: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as stream:
            line = stream.readline()
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise InputFileError(
            f"{path}: not readable as text ({error})",
            cause="another format, or a damaged file",
            next_step="give a table with tabs or commas, compressed by gzip or not",
        ) from error
    separator = "\t" if "\t" in line else ","
    header = next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    return [name.strip() for name in header], separator


def _refuse_twice(path: Path, people: list[str]) -> None:
    twice = sorted(name for name, count in Counter(people).items() if count > 1)
    if twice:
        raise TableError(
            f"{path}: {len(twice)} people stand twice: {first_few(twice)}",
            cause="several samples of a person, or two files pasted together",
            next_step="leave one sample for each person",
        )


def _refuse_text(path: Path, table: pd.DataFrame) -> None:
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if texts:
        column = table[texts[0]]
        unreadable = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
        raise TableError(
            f"{path}: {len(texts)} columns hold text: {first_few(texts)};"
            f" {texts[0]} has {first_few(unreadable)}",
            cause="a column of labels, decimal commas, or a code for unknown",
            next_step="name such columns in drop, or write n/a where a number is unknown",
        )


def _not_negative(values: np.ndarray, path: Path, section: MatrixSection) -> None:
    negative = int((values < 0).sum())
    if negative:
        raise ModalityError(
            f"{path}: {negative} of {values.size} values are below 0, and the unit is"
            f" {section.unit}",
            cause="logarithms or z-scores",
            next_step="set unit to log2 or z, or give the numbers before the logarithm",
        )


def _check_counts(values: np.ndarray, path: Path, section: MatrixSection) -> None:
    _not_negative(values, path, section)
    finite = values[np.isfinite(values)]
    broken = float((finite != np.round(finite)).mean()) if finite.size else 0.0
    # Estimated counts of RSEM or Salmon have fractions, those of a logarithm hardly ever none.
    if broken > 0.9:
        raise ModalityError(
            f"{path}: {100 * broken:.0f} % of the values are no whole numbers, and the unit is"
            " counts",
            cause="TPM, FPKM or logarithms",
            next_step="set unit to what they are",
        )


def _check_linear(values: np.ndarray, path: Path, section: MatrixSection) -> None:
    _not_negative(values, path, section)
    largest = float(np.nanmax(values, initial=0.0))
    if largest <= LARGEST_LOG and values.shape[1] >= 100:
        raise ModalityError(
            f"{path}: no value is above {largest:.1f}, and the unit is {section.unit}",
            cause="logarithms",
            next_step="set unit to log2",
        )
    totals = np.nansum(values, axis=1)
    if section.unit == "tpm" and (totals > MILLION * TOLERANCE).any():
        raise ModalityError(
            f"{path}: {int((totals > MILLION * TOLERANCE).sum())} of {len(totals)} people have"
            f" more than a million transcripts in a million (up to {totals.max():.0f})",
            cause="counts or FPKM",
            next_step="set unit to what they are",
        )


def _check_log2(values: np.ndarray, path: Path, section: MatrixSection) -> None:
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > LARGEST_LOG:
        raise ModalityError(
            f"{path}: a value of {largest:g}, and the unit is log2",
            cause="numbers before the logarithm, or z-scores with outliers",
            next_step="set unit to what they are",
        )


def _check_z(values: np.ndarray, path: Path, section: MatrixSection) -> None:
    finite = values[np.isfinite(values)]
    negative = float((finite < 0).mean()) if finite.size else 0.0
    if not 0.1 < negative < 0.9:
        raise ModalityError(
            f"{path}: {100 * negative:.0f} % of the values are below 0, and the unit is z",
            cause="numbers that were not centred",
            next_step="set unit to what they are",
        )


CHECKS: dict[str, Callable[[np.ndarray, Path, MatrixSection], None]] = {
    "counts": _check_counts,
    "tpm": _check_linear,
    "fpkm": _check_linear,
    "fpkm_uq": _check_linear,
    "log2": _check_log2,
    "z": _check_z,
}

"""Codes of sex in .fam and .psam files, and in a table for files that carry no sex."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gendmr.errors import GenotypeFileError, TableError
from gendmr.files.tables import UNKNOWN_WORDS, read_table

# In lower case. 1 and 2 have PLINK's meaning.
CODES = {
    **dict.fromkeys(("1", "m", "male", "man", "boy"), "1"),
    **dict.fromkeys(("2", "f", "female", "woman", "girl"), "2"),
    **dict.fromkeys(("0", "-9", "u", "other", "o", *UNKNOWN_WORDS), "0"),
}


def recode_sex(values: pd.Series) -> tuple[pd.Series, str]:
    """Return sex as PLINK's codes `1`, `2`, `0`, and in words what is no code for it.

    >>> recode_sex(pd.Series(["M", "female", "-9", "3"]))
    (0    1
    1    2
    2    0
    3    0
    dtype: object, "'3' (1 people)")
    """
    codes = values.str.strip().str.casefold().map(CODES)
    counts = values[codes.isna()].value_counts().sort_index().head(5)
    unrecognised = ", ".join(f"{code!r} ({count} people)" for code, count in counts.items())
    return codes.fillna("0"), unrecognised


def recode_sex_column(prefix: str | Path, values: pd.Series) -> pd.Series:
    """Return column 5 of a .fam as PLINK's codes.

    Raises
    ------
    GenotypeFileError
        A value is no code for sex.
    """
    codes, unrecognised = recode_sex(values)
    if unrecognised:
        raise GenotypeFileError(
            f"{prefix}.fam: sex (column 5) of some of {len(values)} people is none: {unrecognised}",
            cause="columns in another order, or codes of another program: 1 is male, 2 female, 0"
            " unknown",
            next_step="correct column 5; where it means nothing, make it unknown:"
            f" awk '$5 !~ /^[012]$/ {{$5 = 0}} {{print}}' {prefix}.fam > {prefix}.fam.new"
            f" && mv {prefix}.fam.new {prefix}.fam",
        )
    return codes


def read_sexes(path: Path | str) -> dict[str, str]:
    """Read the table `genotypes.sexes`: PLINK's code of each sample.

    Raises
    ------
    InputFileError, TableError
        No table with the columns `iid` and `sex`, or a sex that is none.
    """
    table = read_table(path, {"iid": "text", "sex": "text"}, extra=True, key="iid")
    codes, unrecognised = recode_sex(table["sex"])
    if unrecognised:
        raise TableError(
            f"{path}: sex that is none: {unrecognised}",
            cause="codes of another program: 1 is male, 2 female, 0 unknown; or words",
            next_step="write M, F or n/a",
        )
    return dict(zip(table["iid"], codes, strict=True))

"""What spreadsheets make of names: dates of genes, decimals and powers of identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gendmr.errors import IdentifierError, TableError, first_few

MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
# SEPT2 becomes 2-Sep or Sep-02 on the screen, and 2006-09-02 or 02.09.2006 in an export.
DATE = re.compile(
    rf"\d{{1,2}}[-./ ](?:{MONTHS})[a-z]*\.?(?:[-./ ]\d{{2,4}})?"
    rf"|(?:{MONTHS})[-./ ]\d{{1,4}}"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[ T]00:00(?::00)?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: 0?0:00(?::00)?)?",
    re.IGNORECASE,
)
FLOAT = re.compile(r"\d+[.,]0+")
POWER = re.compile(r"\d[.,]\d+E[+-]\d+", re.IGNORECASE)


def is_date(text: str) -> bool:
    """Return whether a text is a date as spreadsheets write them.

    >>> [is_date(text) for text in ("2-Sep", "2006-03-01", "SEPTIN2", "HLA-A", "7-8")]
    [True, True, False, False, False]
    """
    return DATE.fullmatch(text.strip()) is not None


def refuse_dates(names: Iterable[str], where: Path | str) -> None:
    """Refuse names of genes that a spreadsheet turned into dates.

    Raises
    ------
    TableError
        Names the first ones. Which gene a date was cannot be told: 1-Mar is MARCHF1 or MTARC1.
    """
    dates = [name for name in names if is_date(name)]
    if dates:
        raise TableError(
            f"{where}: {len(dates)} names of genes are dates: {first_few(dates)}",
            cause="a spreadsheet took SEPT2, MARCH1 or DEC1 for dates",
            next_step="export the table again without a spreadsheet, or write the names of today:"
            " SEPTIN2, MARCHF1, DELEC1",
        )


def refuse_numbers(identifiers: Iterable[str], where: Path | str) -> None:
    """Refuse identifiers that became decimals (`12.0`) or powers of ten (`1.2E+05`).

    Raises
    ------
    IdentifierError
        More than half of them have this form: a cohort may have a few such names of its own.
    """
    names = list(identifiers)
    for form, noun, cause in (
        (FLOAT, "decimals", "whole numbers in a column with a missing value, read as decimals"),
        (POWER, "powers of ten", "long numbers that a spreadsheet rounded: digits are lost"),
    ):
        damaged = [name for name in names if form.fullmatch(name.removeprefix("sub-"))]
        if 2 * len(damaged) > len(names):
            raise IdentifierError(
                f"{where}: {len(damaged)} of {len(names)} identifiers became {noun}:"
                f" {first_few(damaged)}",
                cause=cause,
                next_step="export the table again with the identifiers as text",
            )

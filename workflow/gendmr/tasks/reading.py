"""What the tasks share in reading outcomes: labels and numbers of tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gendmr.errors import OutcomeError, first_few
from gendmr.files.tables import MISSING, numbers_in

EXCEPTIONS = 0.05  # largest share of people whose value may be unusable one by one
MANY = 20  # different labels, above which a column holds no classes


def blank(texts: pd.Series) -> pd.Series:
    """Return which values are missing."""
    return texts.isna() | texts.isin(["", MISSING])


def counted(labels: pd.Series) -> str:
    """Return the most frequent labels with their counts, for messages."""
    counts = labels.value_counts()
    shown = ", ".join(f"{label!r} ({count})" for label, count in counts.head(8).items())
    further = f" and {len(counts) - 8} more labels" if len(counts) > 8 else ""
    return f"{shown}{further}" if shown else "no label at all"


def same_but_case(label: str, candidates: Iterable[str]) -> str:
    """Return a hint where a label differs from a candidate in letter case only."""
    folded = {candidate.casefold(): candidate for candidate in candidates}
    match = folded.get(label.casefold())
    return f" ({match!r} differs only in letter case)" if match else ""


def positions(columns: pd.Series, labels: Iterable[str], where: str) -> np.ndarray:
    """Return the place of each of our own labels, int64 (person,), -1 where it is missing.

    Parameters
    ----------
    columns : Series of str
    labels : iterable of str
    where : str
        For errors.

    Raises
    ------
    OutcomeError
        Another label.
    """
    place = {label: number for number, label in enumerate(labels)}
    missing = blank(columns)
    unknown = ~missing & ~columns.isin(list(place))
    if unknown.any():
        raise OutcomeError(
            f"{where}: {int(unknown.sum())} labels are none of {first_few(place, 20)}:"
            f" {first_few(sorted(columns[unknown].unique()))}",
            cause="a table that was edited, or made with another configuration",
            next_step="remove it, and run the stage cohort again",
        )
    return columns.map(place).fillna(-1).to_numpy(dtype=np.int64)


def own_numbers(column: pd.Series, where: str) -> np.ndarray:
    """Return our own numbers, float64 (person,), NaN where they are missing.

    Raises
    ------
    OutcomeError
        A text that is no number.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = blank(column)
    values = numbers_in(column.where(~missing, "").astype(str))
    wrong = ~missing & ~np.isfinite(values)
    if wrong.any():
        raise OutcomeError(
            f"{where}: {int(wrong.sum())} values are no numbers: {first_few(column[wrong])}",
            cause="a table that was edited by hand",
            next_step="remove it, and run the stage cohort again",
        )
    return values.to_numpy(dtype=np.float64)


def users_numbers(
    texts: pd.Series, where: str, column: str, *, positive: bool = False
) -> tuple[pd.Series, pd.Series]:
    """Return the user's numbers and why a person has none.

    Parameters
    ----------
    texts : Series of str
    where, column : str
        File and column, for errors and reasons.
    positive : bool
        Refuse 0 and below.

    Returns
    -------
    values, reasons : Series of float64, Series of str
        NaN where there is no number; the reason is empty where there is one.

    Raises
    ------
    OutcomeError
        More than 5 % of the values that are there cannot be used.
    """
    missing = blank(texts)
    values = numbers_in(texts.where(~missing, "").astype(str))
    values = values.where(np.isfinite(values))
    no_number = ~missing & values.isna()
    too_low = ~missing & (values <= 0) if positive else no_number & False
    invalid = no_number | too_low
    if int(invalid.sum()) > EXCEPTIONS * int((~missing).sum()):
        commas = texts[no_number].str.fullmatch(r"[+-]?\d+,\d+").any()
        kind = "numbers above 0" if positive else "numbers"
        raise OutcomeError(
            f"{where}: column {column}: {int(invalid.sum())} of {int((~missing).sum())} values are"
            f" no {kind}: {first_few(texts[invalid])}",
            cause="decimal commas"
            if commas
            else "times that start at another date than the baseline, or 0 for people seen once"
            if too_low.any()
            else "another column is meant, or words and codes in place of numbers",
            next_step="write a decimal point"
            if commas
            else f"correct them, or write {MISSING} where a value is unknown",
        )
    reasons = pd.Series("", index=texts.index, dtype=object)
    reasons[missing] = f"no {column}"
    reasons = reasons.mask(no_number, column + " '" + texts.astype(str) + "' is not a number")
    reasons = reasons.mask(too_low, column + " " + texts.astype(str) + " is not above 0")
    return values.mask(invalid), reasons


def check_minimum(
    count: int, people: int, description: str, folds: int
) -> tuple[str, str, str] | None:
    """Return what, cause and next step where groups are too few for folds; None where not.

    Parameters
    ----------
    count : int
        Independent groups.
    people : int
        Of these groups.
    description : str
        Such as `people with diagnosis case`.
    folds : int
    """
    # One more than 2 folds: the inner validation of each fold needs them as well.
    if count >= max(folds, 3):
        return None
    return (
        f"{people} {description} belong to {count} independent groups, too few for {folds} folds"
        " with an inner validation",
        "few people, or most of them are kin or share a value of cohort.group_by",
        f"set cohort.folds to at most {count}, or leave out cohort.group_by"
        if count >= 3
        else "bring more people",
    )

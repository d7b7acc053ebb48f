"""participants.tsv: what the user brings, and what the cohort writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.errors import InputFileError, TableError, first_few
from gendmr.files.identifiers import hostility, refuse_hostile
from gendmr.files.tables import MISSING, Kind, numbers_in, read_table
from gendmr.files.text import read_text_file
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.matching import bare

AGES = (0.0, 120.0)  # years
EXCEPTIONS = 0.05  # largest share of rows that may be bad one by one
YEARS = {"year", "years", "y", "yr", "yrs", "a"}
# BIDS allows these spellings of `sex`; anything else is kept as it is.
SEX = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}


def read_participants(options: CohortSection, attrition: Attrition | None = None) -> pd.DataFrame:
    """Read participants.tsv under the names that the configuration gives its columns.

    Parameters
    ----------
    options : CohortSection
        The section `cohort`.
    attrition : Attrition, optional
        Receives people whose identifiers cannot be used, who are left out, and those of whom a
        covariate cannot be meant, which counts as unknown; `bad_rows` says whether any of them
        stops the run. More than 5 % of them always do.

    Returns
    -------
    DataFrame
        `participant_id` (text, without `sub-`), `diagnosis` (text, as in the file), each
        covariate (float64 or text) and `group_by`, in the order of the file.

    Raises
    ------
    InputFileError, TableError
        The file is missing or malformed, a column is missing, a value is not of its kind, nobody
        is listed, or ages are no years.
    IdentifierError
        An identifier could be taken for a path, an option, a command or markup.
    """
    ours = ["participant_id", *options.covariates]
    if options.group_by is not None and options.group_by not in ours:
        ours.append(options.group_by)
    theirs = {name: options.columns.get(name, name) for name in ours}
    columns: dict[str, Kind] = dict.fromkeys(theirs.values(), "text")
    columns[options.diagnosis.column] = "text"
    raw = read_table(
        options.participants,
        columns,
        extra=True,
        key=theirs["participant_id"],
        rename="rename the columns, or name yours: cohort: columns: {ours: yours}, and"
        " cohort: diagnosis: column: for the diagnosis",
    )
    if raw.empty:
        raise TableError(
            f"{options.participants}: a header and nobody below it",
            cause="an export that was filtered to nothing",
            next_step="restore the file: one row for each person",
        )
    table = pd.DataFrame({name: raw[column] for name, column in theirs.items()})
    table.insert(1, "diagnosis", raw[options.diagnosis.column])
    table["participant_id"] = [bare(name) for name in table["participant_id"]]
    attrition = Attrition() if attrition is None else attrition
    table = _usable(table, theirs["participant_id"], options, attrition)
    for name in options.categorical:
        if name in table:
            values = table[name].replace("", MISSING)
            if name == "sex":
                values = pd.Series([SEX.get(v.casefold(), v) for v in values], index=table.index)
            table[name] = values
    for name in options.covariates:
        if name not in options.categorical:
            table[name] = _numbers(table, name, theirs[name], options, attrition)
    return table


def _usable(
    table: pd.DataFrame, column: str, options: CohortSection, attrition: Attrition
) -> pd.DataFrame:
    """Return the people whose identifiers can be used; list the others, or stop."""
    reasons = table["participant_id"].map(hostility)
    bad = reasons != ""
    if _stops(bad, bad | True, options):
        refuse_hostile(
            table["participant_id"],
            f"{options.participants}, column {column}",
            "rename these people here and in genotypes and images: letters, digits and _ - . are"
            " safe",
        )
    for who, reason in zip(table["participant_id"][bad], reasons[bad], strict=True):
        attrition.add([who], "identifier", f"an identifier that cannot be used: it {reason}")
    return table[~bad].reset_index(drop=True)


def _numbers(
    table: pd.DataFrame, name: str, column: str, options: CohortSection, attrition: Attrition
) -> pd.Series:
    """Return a covariate as float64; what no person has is unknown and listed, or stops."""
    texts = table[name]
    known = ~texts.isin(["", MISSING])
    values = numbers_in(texts.where(known, ""))
    low, high = AGES if name == "age" else (-math.inf, math.inf)
    bad = known & ~(values.between(low, high) & values.abs().lt(math.inf))
    if name == "age":
        _in_years(options.participants, column)
    if not bad.any():
        return values
    people = table["participant_id"][bad]
    if _stops(bad, known, options):
        wanted = f"ages from {low:g} to {high:g} years" if name == "age" else "numbers"
        middle = values.median() if values.notna().any() else 0.0
        in_months = name == "age" and middle > high
        raise TableError(
            f"{options.participants}: column {column}: {int(bad.sum())} of {int(known.sum())}"
            f" values are no {wanted}:"
            f" {first_few(f'{who}: {text}' for who, text in zip(people, texts[bad], strict=True))}",
            cause=f"ages in months (the median is {middle:g})"
            if in_months
            else "decimal commas"
            if texts[bad].str.fullmatch(r"[+-]?\d+,\d+").any()
            else "a word, or a code for unknown such as -9 or 999",
            next_step="divide them by 12" if in_months else f"write {MISSING} where it is unknown",
        )
    for who, text in zip(people, texts[bad], strict=True):
        attrition.add([who], "value", f"{name} {text!r} cannot be meant: unknown, person kept")
    return values.mask(bad)


def _stops(bad: pd.Series, known: pd.Series, options: CohortSection) -> bool:
    """Return whether bad rows stop the run: as configured, always where they are many."""
    return bool(bad.any()) and (
        options.bad_rows == "stop" or int(bad.sum()) > EXCEPTIONS * int(known.sum())
    )


def _in_years(participants: str, column: str) -> None:
    """Refuse ages whose description beside the table, as BIDS has it, says another unit."""
    path = Path(participants).with_suffix(".json")
    if not path.is_file():
        return
    try:
        described = json.loads(read_text_file(path))
    except ValueError as error:
        raise InputFileError(
            f"{path}: not JSON ({error})",
            cause="a description of the columns that was edited by hand",
            next_step=f"python -m json.tool {path}",
        ) from error
    entry = described.get(column) if isinstance(described, dict) else None
    units = str(entry.get("Units", "")) if isinstance(entry, dict) else ""
    if units and units.casefold() not in YEARS:
        raise TableError(
            f"{path}: the column {column} is in {units!r}, not in years",
            cause="a cohort of infants, or a description of another table",
            next_step="give ages in years, and correct the description",
        )


def with_diagnosis(
    listed: pd.DataFrame, options: CohortSection, attrition: Attrition
) -> pd.DataFrame:
    """Return the people with a known diagnosis, as case or control; list the others.

    Raises
    ------
    TableError
        Nobody is a case, or nobody a control: shows the labels that were found.
    """
    labels = {
        **dict.fromkeys(options.diagnosis.case, "case"),
        **dict.fromkeys(options.diagnosis.control, "control"),
    }
    given = listed["diagnosis"]
    blank = given.isin(["", MISSING])
    unknown = ~blank & ~given.isin(list(labels))
    attrition.add(listed.loc[blank, "participant_id"], "diagnosis", "no diagnosis")
    folded = {label.casefold(): label for label in labels}
    for label in sorted(given[unknown].unique()):
        meant = folded.get(label.casefold())
        attrition.add(
            listed.loc[given == label, "participant_id"],
            "diagnosis",
            f"diagnosis {label!r} is neither case nor control"
            + (f" ({meant!r} differs only in letter case)" if meant else ""),
        )
    for side, wanted in (("case", options.diagnosis.case), ("control", options.diagnosis.control)):
        if not given.isin(wanted).any():
            counts = given[~blank].value_counts()
            shown = ", ".join(f"{label!r} ({count})" for label, count in counts.head(8).items())
            raise TableError(
                f"{options.participants}: nobody's {options.diagnosis.column} is"
                f" {' or '.join(map(repr, wanted))} ({side}); found: {shown or 'no label at all'}",
                cause="labels are spelt otherwise; letter case counts",
                next_step=f"set cohort.diagnosis.{side} to the labels of your {side}s",
            )
    known = listed[~blank & ~unknown].copy()
    known["diagnosis"] = known["diagnosis"].map(labels)
    return known


def describe(options: CohortSection) -> dict[str, dict[str, Any]]:
    """Return participants.json: what each column means, and the kind of each covariate."""
    described: dict[str, dict[str, Any]] = {
        "diagnosis": {
            "Description": "diagnosis of the analysis",
            "Levels": {
                "case": ", ".join(options.diagnosis.case),
                "control": ", ".join(options.diagnosis.control),
            },
        },
        "has_snp": {"Description": "genotypes passed the filters: a row of snp.nc"},
        "has_region": {"Description": "regions were measured: a row of region.nc"},
        "family": {
            "Description": "people of one family never straddle folds; named after one of them",
            "KinshipThreshold": options.kinship,
        },
    }
    for name in options.covariates:
        described[name] = {"Kind": "category" if name in options.categorical else "number"}
    if "age" in described:
        described["age"]["Units"] = "years"
    return described

"""participants.tsv: what the user brings, and what the cohort writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.cohort.codes import is_unknown, recode_sex, sentinel_of
from gendmr.cohort.outcomes import columns_of, not_yet_measured, tasks_of
from gendmr.config.cohort import CohortSection
from gendmr.errors import InputFileError, Problems, TableError, first_few
from gendmr.files.identifiers import refuse_unsafe, unsafe_reason
from gendmr.files.spreadsheets import is_date, refuse_numbers
from gendmr.files.tables import MISSING, Kind, numbers_in, read_table
from gendmr.files.text import read_text_file
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Modality
from gendmr.modalities.matching import strip_sub_prefix
from gendmr.tasks.base import ParsedOutcome, Task
from gendmr.tasks.measured import MeasuredTask

HAS = "has_"  # before the name of a modality: the column that says who has it
AGES = (0.0, 120.0)  # years
BIRTHS = (1890, 2040)  # years that an age cannot be
EXCEPTIONS = 0.05  # largest share of rows that may be bad one by one
YEARS = {"year", "years", "y", "yr", "yrs", "a"}


@dataclass(frozen=True)
class Listed:
    """The people of the user's participants.tsv whose identifiers can be used.

    Parameters
    ----------
    people : DataFrame
        `participant_id` (text, without `sub-`), each covariate (float64 or text), `group_by` and
        `fold_by`, in the order of the file.
    outcomes : dict of str to ParsedOutcome
        Each outcome of these people; those that a stage measures are unknown without a reason
        until `gendmr.cohort.outcomes.with_measured`.
    """

    people: pd.DataFrame
    outcomes: dict[str, ParsedOutcome]


def read_participants(options: CohortSection, attrition: Attrition | None = None) -> Listed:
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
    Listed

    Raises
    ------
    InputFileError, TableError
        The file is missing or malformed, a column is missing, a value is not of its kind, nobody
        is listed, or ages are no years.
    SeveralErrors
        Several columns are missing or malformed.
    OutcomeError
        A column fits no outcome of its kind.
    IdentifierError
        An identifier could be taken for a path, an option, a command or markup.
    """
    ours = ["participant_id", *options.covariates]
    for name in (options.group_by, options.fold_by):
        if name is not None and name not in ours:
            ours.append(name)
    theirs = {name: options.columns.get(name, name) for name in ours}
    columns: dict[str, Kind] = dict.fromkeys(theirs.values(), "text")
    tasks = tasks_of(options)
    for task in tasks.values():
        columns |= dict.fromkeys(task.wanted(), "text")
    problems = Problems()
    raw = read_table(
        options.participants,
        columns,
        extra=True,
        key=theirs["participant_id"],
        rename=partial(_about_absent, options),
        problems=problems,
    )
    if raw.empty:
        raise TableError(
            f"{options.participants}: a header and nobody below it",
            cause="an export that was filtered to nothing",
            next_step="restore the file: one row for each person",
        )
    present = {name: column for name, column in theirs.items() if column in raw}
    table = pd.DataFrame({name: raw[column] for name, column in present.items()})
    table["participant_id"] = [strip_sub_prefix(name) for name in table["participant_id"]]
    refuse_numbers(table["participant_id"], options.participants)
    attrition = Attrition() if attrition is None else attrition
    table = _usable(table, theirs["participant_id"], options, attrition)
    users = raw.loc[table.index].reset_index(drop=True)
    table = table.reset_index(drop=True)
    for name in {*options.categorical, *([options.fold_by] if options.fold_by else [])}:
        if name in table:
            texts = table[name]
            recoded = problems.attempt(labels, texts, name, options)
            if recoded is None:
                continue
            table[name] = recoded
            coded = (recoded == MISSING) & ~texts.isin(["", MISSING])
            for participant, text in zip(table["participant_id"][coded], texts[coded], strict=True):
                attrition.add(
                    [participant], "value", f"{name} {text!r} is a code: unknown, person kept"
                )
    for name in options.covariates:
        if name in present and name not in options.categorical:
            numbers = problems.attempt(_numbers, table, name, present[name], options, attrition)
            table[name] = numbers if numbers is not None else math.nan
    outcomes = _outcomes(tasks, users, options, problems)
    problems.refuse()
    return Listed(table, outcomes)


def _outcomes(
    tasks: Mapping[str, Task], users: pd.DataFrame, options: CohortSection, problems: Problems
) -> dict[str, ParsedOutcome]:
    """Return the outcomes whose columns are there and fit; note the others."""
    outcomes: dict[str, ParsedOutcome] = {}
    for name, task in tasks.items():
        columns = list(task.wanted())
        if isinstance(task, MeasuredTask):
            outcomes[name] = not_yet_measured(task, users.index)
        elif set(columns) <= set(users):
            outcomes[name] = problems.attempt(task.parse, users[columns], options.participants)
    return outcomes


def _about_absent(options: CohortSection, absent: Sequence[str]) -> str:
    """Return what to do about columns that participants.tsv lacks."""
    lacking = [name for name in options.covariates if options.columns.get(name, name) in absent]
    present = ", ".join(name for name in options.covariates if name not in lacking)
    return (
        "rename the columns, or name yours: cohort: columns: {ours: yours}, and those of the"
        " outcomes in cohort: outcomes:"
        + (
            f"; where nobody has {first_few(lacking)}: cohort: covariates: [{present}]"
            * bool(lacking)
        )
    )


def labels(values: pd.Series, name: str, options: CohortSection) -> pd.Series:
    """Return the labels of a column as the cohort writes them, `n/a` where there is none.

    Raises
    ------
    TableError
        A sex that is neither a word nor a code that the configuration explains.
    """
    if name == "sex":
        return recode_sex(values, options.sex_codes, options.participants, options.unknown)
    return values.mask(is_unknown(values, options.unknown), MISSING)


def _usable(
    table: pd.DataFrame, column: str, options: CohortSection, attrition: Attrition
) -> pd.DataFrame:
    """Return the people whose identifiers can be used; list the others, or stop."""
    reasons = table["participant_id"].map(unsafe_reason)
    bad = reasons != ""
    if _stops(bad, bad | True, options):
        refuse_unsafe(
            table["participant_id"],
            f"{options.participants}, column {column}",
            "rename these people here and in genotypes and images: letters, digits and _ - . are"
            " safe",
        )
    for participant, reason in zip(table["participant_id"][bad], reasons[bad], strict=True):
        attrition.add(
            [participant], "identifier", f"an identifier that cannot be used: it {reason}"
        )
    return table[~bad].copy()


def _numbers(
    table: pd.DataFrame, name: str, column: str, options: CohortSection, attrition: Attrition
) -> pd.Series:
    """Return a covariate as float64; what no person has is unknown and listed, or stops."""
    texts = table[name]
    values = numbers_in(texts)
    # A number that is also a code, such as -9, is judged by the other numbers.
    blank = (is_unknown(texts) & values.isna()) | texts.isin(options.unknown)
    has_value = ~blank
    values = values.mask(blank)
    for participant, text in zip(table["participant_id"][blank], texts[blank], strict=True):
        if text not in ("", MISSING):
            attrition.add(
                [participant], "value", f"{name} {text!r} is a code: unknown, person kept"
            )
    low, high = AGES if name == "age" else (-math.inf, math.inf)
    coded = has_value & sentinel_of(values)
    bad = coded | (has_value & ~(values.between(low, high) & values.abs().lt(math.inf)))
    if name == "age":
        _in_years(options.participants, column)
    if not bad.any():
        return values
    people = table["participant_id"][bad]
    if _stops(bad, has_value, options):
        valid_values = f"ages from {low:g} to {high:g} years" if name == "age" else "numbers"
        middle = values.median() if values.notna().any() else 0.0
        of_birth = name == "age" and values[bad].between(*BIRTHS).mean() > EXCEPTIONS
        in_months = name == "age" and middle > high and not of_birth
        commas = texts[bad].str.fullmatch(r"[+-]?\d+,\d+").any()
        dates = texts[bad].map(is_date).any()
        examples = map("{}: {}".format, people, texts[bad])
        raise TableError(
            f"{options.participants}: column {column}: {int(bad.sum())} of {int(has_value.sum())}"
            f" values are no {valid_values}:"
            f" {first_few(examples)}",
            cause=f"ages in months (the median is {middle:g})"
            if in_months
            else "years of birth"
            if of_birth
            else "dates"
            if dates
            else "decimal commas"
            if commas
            else "codes for unknown, far from all other values"
            if coded.any()
            else "a word, or a code for unknown",
            next_step="divide them by 12"
            if in_months
            else "give ages: the year of the measurement less the year of birth"
            if of_birth or (dates and name == "age")
            else "write numbers, not dates"
            if dates
            else "write decimal points: 71.5, not 71,5"
            if commas
            else f"write {MISSING} where it is unknown, or name the codes for it: cohort: unknown:"
            f" {sorted(set(texts[bad]))[:5]}",
        )
    for participant, text in zip(people, texts[bad], strict=True):
        attrition.add(
            [participant], "value", f"{name} {text!r} cannot be meant: unknown, person kept"
        )
    return values.mask(bad)


def _stops(bad: pd.Series, has_value: pd.Series, options: CohortSection) -> bool:
    """Return whether bad rows stop the run: as configured, always where they are many."""
    return bool(bad.any()) and (
        options.bad_rows == "stop" or int(bad.sum()) > EXCEPTIONS * int(has_value.sum())
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


def with_outcomes(
    listed: Listed, options: CohortSection, attrition: Attrition
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the people who have an outcome, with the columns of all outcomes.

    Parameters
    ----------
    listed : Listed
    options : CohortSection
    attrition : Attrition
        Receives who lacks an outcome. Who lacks all of them leaves the cohort; who lacks one of
        several leaves the methods of that outcome.

    Returns
    -------
    table : DataFrame
        `participant_id`, the columns of `gendmr.cohort.outcomes.columns_of`, and the rest.
    without : dict of str to str
        `participant_id` to reason of those who left.

    Raises
    ------
    TableError
        Nobody has an outcome.
    """
    table = listed.people
    ids = table["participant_id"]
    lacking = pd.DataFrame(
        {name: outcome.reason != "" for name, outcome in listed.outcomes.items()}
    )
    without_any = lacking.all(axis=1)
    several = len(listed.outcomes) > 1
    without: dict[str, str] = {}
    for row in table.index[without_any]:
        reasons = dict.fromkeys(outcome.reason[row] for outcome in listed.outcomes.values())
        without[ids[row]] = "; ".join(reasons)
    # Reasons in the order of the file, labels that mean nobody after what is blank.
    for reason in sorted(set(without.values()), key=lambda text: ("'" in text, text)):
        attrition.add(
            [participant for participant, why in without.items() if why == reason],
            "outcome",
            reason,
        )
    if several:
        for name, outcome in listed.outcomes.items():
            for reason in sorted(set(outcome.reason[lacking[name] & ~without_any])):
                participants = ids[(outcome.reason == reason) & ~without_any]
                attrition.add(participants, "outcome", f"{reason}: not in the methods of {name}")
    if without_any.all():
        raise TableError(
            f"{options.participants}: nobody of {len(table)} people has an outcome"
            f" ({first_few(listed.outcomes)})",
            cause="columns of another table, or values that are all missing",
            next_step="compare cohort.outcomes with the columns of the file",
        )
    place = 1
    for name, task in tasks_of(options).items():
        columns = listed.outcomes[name].columns
        for suffix, column in columns_of(task).items():
            table.insert(place, column, columns[suffix])
            place += 1
    return table[~without_any].copy(), without


def describe(
    options: CohortSection, modalities: Mapping[str, Modality]
) -> dict[str, dict[str, Any]]:
    """Return participants.json: what each column means, and the kind of each covariate."""
    described: dict[str, dict[str, Any]] = {}
    for task in tasks_of(options).values():
        meaning = task.describe()
        for suffix, column in columns_of(task).items():
            described[column] = dict(meaning.get(suffix, {}))
    for name, modality in modalities.items():
        described[f"{HAS}{name}"] = {
            "Description": f"{modality.label} that can be used: a row of {name}.nc"
        }
    described["family"] = {
        "Description": "people of one family never straddle folds; named after one of them",
        "KinshipThreshold": options.kinship,
    }
    for name in options.covariates:
        described[name] = {"Kind": "category" if name in options.categorical else "number"}
    if "age" in described:
        described["age"]["Units"] = "years"
    return described

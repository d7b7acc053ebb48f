"""participants.tsv: what the user brings, and what the cohort writes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gendmr.cohort.attrition import Attrition
from gendmr.cohort.identifiers import bare
from gendmr.config.cohort import CohortSection
from gendmr.errors import TableError
from gendmr.files.tables import MISSING, Kind, read_table

# BIDS allows these spellings of `sex`; anything else is kept as it is.
SEX = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}


def read_participants(options: CohortSection) -> pd.DataFrame:
    """Read participants.tsv under the names that the configuration gives its columns.

    Returns
    -------
    DataFrame
        `participant_id` (text, without `sub-`), `diagnosis` (text, as in the file), each
        covariate (float64 or text) and `group_by`, in the order of the file.

    Raises
    ------
    InputFileError, TableError
        The file is missing or malformed, a column is missing, a value is not of its kind.
    """
    ours = ["participant_id", *options.covariates]
    if options.group_by is not None and options.group_by not in ours:
        ours.append(options.group_by)
    theirs = {name: options.columns.get(name, name) for name in ours}
    columns: dict[str, Kind] = {
        theirs[name]: "number"
        if name in options.covariates and name not in options.categorical
        else "text"
        for name in ours
    }
    columns[options.diagnosis.column] = "text"
    raw = read_table(options.participants, columns, extra=True, key=theirs["participant_id"])
    table = pd.DataFrame({name: raw[column] for name, column in theirs.items()})
    table.insert(1, "diagnosis", raw[options.diagnosis.column])
    table["participant_id"] = [bare(name) for name in table["participant_id"]]
    for name in options.categorical:
        if name in table:
            values = table[name].replace("", MISSING)
            if name == "sex":
                values = pd.Series([SEX.get(v.casefold(), v) for v in values], index=table.index)
            table[name] = values
    return table


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
    for label in sorted(given[unknown].unique()):
        attrition.add(
            listed.loc[given == label, "participant_id"],
            "diagnosis",
            f"diagnosis {label!r} is neither case nor control",
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

"""Tables of results as DataFrames."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gendmr.errors import InputFileError
from gendmr.files.seal import verify
from gendmr.files.tables import MISSING

# Columns of names, in whatever table: 007 is no 7.
NAMES = frozenset(
    [
        *("participant_id", "id", "id1", "id2", "family", "stratum", "ancestry", "fold_name"),
        *("snp", "gene", "region", "chromosome", "block", "effect_allele", "other_allele"),
        *("genes", "group", "set", "method", "outcome", "first", "second"),
    ]
)


def read_rows(path: Path, text: Iterable[str] = (), *, first: bool = False) -> pd.DataFrame:
    """Return a table; names stay text, numbers become numbers, `n/a` becomes NaN.

    Parameters
    ----------
    path : Path
    text : iterable of str
        Columns that are text besides those of `NAMES`.
    first : bool
        So is the first column.

    Raises
    ------
    InputFileError
        The table is damaged.
    """
    verify(path)
    try:
        header = list(pd.read_csv(path, sep="\t", nrows=0, quoting=csv.QUOTE_NONE).columns)
        names = {*NAMES, *text, *header[:first]}
        return pd.read_csv(
            path,
            sep="\t",
            dtype=dict.fromkeys(names.intersection(header), "str"),
            na_values=[MISSING],
            keep_default_na=False,
            float_precision="round_trip",
            quoting=csv.QUOTE_NONE,
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise InputFileError(
            f"{path}: not readable as a table ({error})",
            cause="the file is cut or damaged",
            next_step=f"rm {path}, then run the study again: it is made anew",
        ) from error

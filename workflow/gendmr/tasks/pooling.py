"""One row per person from held-out rows of several repeats."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def pool_people(rows: pd.DataFrame, first: Iterable[str], mean: Iterable[str] = ()) -> pd.DataFrame:
    """Return a row per person, sorted by `participant_id`, with `modalities`.

    Parameters
    ----------
    rows : DataFrame
        Held-out rows of all folds and repeats.
    first : iterable of str
        Columns that do not differ between the rows of a person, such as the observed outcome.
    mean : iterable of str
        Numbers to be averaged over repeats.
    """
    named = {name: (name, "first") for name in (*first, "modalities")}
    named |= {name: (name, "mean") for name in mean}
    pooled: pd.DataFrame = rows.groupby("participant_id", sort=True).agg(**named)
    return pooled.reset_index()

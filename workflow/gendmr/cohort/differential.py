"""Whether quality control takes, or flags, more of one group than of another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.tables import MISSING
from gendmr.modalities.base import Listing, Modality
from gendmr.statistics.contingency import odds_ratio

FLAGGED = "flagged"  # step of people who stay
UNLIKELY = 0.05


def by_group(
    people: pd.Series,
    groups: Mapping[str, np.ndarray],
    listings: Mapping[str, Listing],
    attrition: Mapping[str, pd.DataFrame],
    modalities: Mapping[str, Modality],
) -> list[dict[str, Any]]:
    """Compare how many of each group are flagged, and how many are left out.

    Parameters
    ----------
    people : Series
        `participant_id` of everybody with an outcome, by matching key.
    groups : mapping of str to text (person,)
        The group of each of them in each outcome, by its label; `n/a` where it is unknown.
    listings : mapping of str to Listing
        Who is in the files of each modality.
    attrition : mapping of str to DataFrame
        The attrition of each modality, people by `participant_id`.
    modalities : mapping of str to Modality

    Returns
    -------
    list of dict
        `modality`, `label`, `outcome`, `what` (flagged, left out), `group` with `n` of `of` people,
        `others` with `n_others` of `of_others`, `odds_ratio`, `low`, `high` (None: infinite or not
        defined), `p`. Of two groups the first is compared; of more, each with all others. Nothing
        of an outcome with one group, or where nobody is flagged or left out.
    """
    ids = people.to_numpy(dtype=object)
    rows = []
    for name, listing in listings.items():
        table = attrition[name]
        table = table[table["kind"] == "participant"]
        stays = table["step"] == FLAGGED
        measured = people.index.isin(list(listing.names))
        left_out = np.isin(ids, table.loc[~stays, "id"].tolist()) & ~measured
        flagged = np.isin(ids, table.loc[stays, "id"].tolist()) & measured
        for fate, affected in (("flagged", flagged), ("left out", left_out)):
            base = measured if fate == "flagged" else measured | left_out
            for outcome, group in groups.items():
                for pair in _compared(group, affected, base):
                    row = {"modality": name, "label": modalities[name].label, "outcome": outcome}
                    rows.append(row | {"what": fate} | pair)
    return rows


def _compared(
    group: np.ndarray, affected: np.ndarray, base: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Yield the comparison of each group with the others."""
    base = base & (group != MISSING)
    names = sorted(set(group[base]))
    if len(names) < 2 or not (affected & base).any():
        return
    for name in names[:1] if len(names) == 2 else names:
        inside, outside = base & (group == name), base & (group != name)
        counts = [int((affected & inside).sum()), int(inside.sum())]
        counts += [int((affected & outside).sum()), int(outside.sum())]
        result = odds_ratio(*counts)
        yield {
            "group": str(name),
            "others": str(names[1]) if len(names) == 2 else "others",
            **dict(zip(("n", "of", "n_others", "of_others"), counts, strict=True)),
            "odds_ratio": _finite(result.ratio),
            "low": _finite(result.low),
            "high": _finite(result.high),
            "p": result.p,
        }


def differential_warnings(rows: list[dict[str, Any]]) -> list[str]:
    """Return warnings of quality control that takes or flags one group more often."""
    return [
        f"{row['label'][:1].upper()}{row['label'][1:]} are {row['what']} in {row['n']} of"
        f" {row['of']} people ({row['group']}) and in {row['n_others']} of {row['of_others']}"
        f" ({row['others']}; {in_words(row)}): "
        + (
            "leaving flagged people out would change the groups that are compared."
            if row["what"] == "flagged"
            else "who remains is no fair picture of either."
        )
        for row in sorted(rows, key=lambda row: float(row["p"]))
        if row["p"] < UNLIKELY
    ]


def in_words(row: Mapping[str, Any]) -> str:
    """Return an odds ratio with interval and p.

    Examples
    --------
    >>> in_words({"odds_ratio": 2.5, "low": 1.1, "high": None, "p": 0.0312})
    'odds ratio 2.5, 1.1 to infinite, exact p 0.031'
    """
    ratio, low, high = (
        "infinite" if row[key] is None else f"{row[key]:.2g}"
        for key in ("odds_ratio", "low", "high")
    )
    return f"odds ratio {ratio}, {low} to {high}, exact p {row['p']:.2g}"


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None

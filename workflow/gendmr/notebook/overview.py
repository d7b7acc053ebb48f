"""What a study has and what it lacks, as text and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd


def folds_in_words(folds: pd.DataFrame) -> str:
    """Return methods with their finished folds: `ridge (5 folds), gendmr (3 of 5 folds)`."""
    words = []
    for method, rows in folds.groupby("method", sort=False):
        n_finished = int(rows["finished"].sum())
        of = "" if n_finished == len(rows) else f" of {len(rows)}"
        words.append(f"{method} ({n_finished}{of} {'fold' if len(rows) == 1 else 'folds'})")
    return ", ".join(words) or "none yet"


def as_text(title: str, lines: Sequence[tuple[str, str]]) -> str:
    """Return a title and lines of two columns."""
    width = max(len(name) for name, _ in lines)
    return "\n".join([title, *(f"  {name:{width}}  {value}" for name, value in lines)])


def as_html(title: str, lines: Sequence[tuple[str, str]]) -> str:
    """Return the same as a table; every value is escaped."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in lines
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>"

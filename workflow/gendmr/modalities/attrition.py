"""Who and what left the study, at which stage and why."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gendmr.files.tables import MISSING

COLUMNS = ("kind", "id", "stage", "step", "reason", "value", "threshold")


class Attrition:
    """Rows of attrition.tsv, collected in the order in which people and variants leave."""

    def __init__(self, stage: str = "cohort") -> None:
        self._stage = stage
        self._rows: list[tuple[str, ...]] = []

    def add(self, ids: Iterable[str], step: str, reason: str, *, kind: str = "participant") -> None:
        """Add one row for each of `ids`."""
        for identifier in ids:
            row = (kind, identifier, self._stage, step, reason, MISSING, MISSING)
            self._rows.append(row)

    def table(self) -> pd.DataFrame:
        """Return all rows so far."""
        return pd.DataFrame(self._rows, columns=pd.Index(COLUMNS), dtype=object)

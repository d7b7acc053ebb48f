"""A source for plain tables: a row per person, a column per instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import ModalityError, first_few
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import MISSING, numbers_in, read_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing, Modality
from gendmr.modalities.matching import Matching

KEY = "participant_id"


@dataclass(frozen=True)
class TableSource:
    """Reads a modality from a tab-separated table with a column `participant_id`.

    Parameters
    ----------
    modality : Modality
        Its main variable has one number per person and instance; instances are named by column.
    source : str
        Key of `ModalitySection.sources` that holds the path.
    """

    modality: Modality
    source: str = "table"

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who is in the table; see `Source.people`."""
        path = sources[self.source]
        names = read_table(path, {KEY: "text"}, extra=True, key=KEY)[KEY].tolist()
        return Listing(
            names=Matching.of(cohort).keys(names, path),
            ways={KEY: names},
            used=KEY,
            where=path,
            attrition=Attrition(self.modality.name).table(),
        )

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the cohort's file; see `Source.collect`.

        Raises
        ------
        ModalityError
            A column holds text, or there is no column but the identifiers.
        """
        import xarray as xr

        path = sources[self.source]
        table, columns, numbers = self._read(path)
        selected = Matching.of(cohort).rows(table[KEY].tolist(), people, path)
        values = numbers[[row for row, _ in selected]]
        dataset = xr.Dataset(
            {self.modality.main: (("participant", self.modality.name), values)},
            coords={
                "participant": np.array([name for _, name in selected], dtype=object),
                self.modality.name: np.array(columns, dtype=object),
            },
        )
        write_dataset(output, dataset, self.modality.schema)

    def check(self, sources: Mapping[str, str]) -> None:
        """Refuse a table of which `collect` would say that a column holds text."""
        self._read(sources[self.source])

    def _read(self, path: str) -> tuple[pd.DataFrame, list[str], np.ndarray]:
        """Return the table, the names of its columns and its numbers (person, column)."""
        table = read_table(path, {KEY: "text"}, extra=True, key=KEY)
        columns = [str(name) for name in table.columns if name != KEY]
        if not columns:
            raise ModalityError(
                f"{path}: no column beside {KEY}",
                cause="a table that was cut, or another separator than tabs",
                next_step=f"give one column for each {self.modality.instance}",
            )
        values = np.empty((len(table), len(columns)))
        for place, name in enumerate(columns):
            texts = table[name].str.strip()
            filled = ~texts.isin(["", MISSING])
            numbers = numbers_in(texts.where(filled, ""))
            wrong = texts[filled & numbers.isna()]
            if len(wrong):
                raise ModalityError(
                    f"{path}: column {name}: {len(wrong)} values are no numbers:"
                    f" {first_few(wrong)}",
                    cause="a column of labels, decimal commas, or a code for unknown",
                    next_step=f"take the column out, or write {MISSING} where it is unknown",
                )
            values[:, place] = numbers
        return table, columns, values

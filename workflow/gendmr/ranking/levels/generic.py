"""One table of the instances of a modality, by name, with their coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.files.tables import MISSING
from gendmr.ranking import scores
from gendmr.ranking.bias import Bias
from gendmr.ranking.levels.base import CohortFile, region_top_k
from gendmr.ranking.tables import STABLE, TESTED, RankedTable, empty_table, ranked_table

if TYPE_CHECKING:
    from gendmr.ranking.folds import FoldScores
    from gendmr.ranking.null_scores import NullScores

RANKED = ("score", "direction", "z", *STABLE, *TESTED)
WORDS = {-1: "lower", 0: MISSING, 1: "higher"}


class InstanceLevel:
    """Instances of a modality as they are; see `gendmr.ranking.levels.base.Level`.

    `direction` is `higher` where the instance adds more to the people who have more of the
    modality's main variable.

    Parameters
    ----------
    file : CohortFile
    options : RankingSection
    """

    def __init__(self, file: CohortFile, options: RankingSection) -> None:
        self.file = file
        self.options = options
        self.key = file.modality.name
        self.table = self.tables_of(self.key)[0]

    @classmethod
    def tables_of(cls, modality: str) -> tuple[str, ...]:
        """Return the name of the one table: `regions`."""
        return (f"{modality}s",)

    @classmethod
    def keys_of(cls, modality: str) -> tuple[str, ...]:
        """Return the modality: instances are tested by name."""
        return (modality,)

    @classmethod
    def read(
        cls, cohort: Path, modality: str, options: RankingSection, annotation: Path | None
    ) -> Self:
        """Open the modality's file; see `Level.read`."""
        return cls(CohortFile(cohort, modality), options)

    @property
    def people(self) -> pd.Index:
        """People of the file."""
        return self.file.people

    @property
    def names(self) -> pd.Index:
        """Names of the instances."""
        return self.file.names

    def measured(self, columns: np.ndarray) -> np.ndarray:
        """Return the main variable (person, column)."""
        return self.file.array(self.file.modality.main, columns)

    def coordinates(self) -> pd.DataFrame:
        """Return what stands beside the name, one row an instance; no column of the ranking."""
        instances: pd.DataFrame = self.file.instances.drop(columns=self.key)
        renamed = {name: f"{self.key}_{name}" for name in instances if name in RANKED}
        return instances.rename(columns=renamed)

    @property
    def averages_instances(self) -> bool:
        """Return that both are the same: an instance is a row of the table."""
        return False

    def group(self, read: np.ndarray, columns: np.ndarray) -> dict[str, int]:
        """Remember which of the scores are of instances that the folds read."""
        self.places = np.searchsorted(read, columns)
        return {self.table: region_top_k(self.options.top_k, len(columns))}

    def aggregate(self, by_instance: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of the instances that the folds read."""
        return {self.table: by_instance[:, self.places]}

    def tables(self, folds: FoldScores | None, null: NullScores) -> dict[str, RankedTable]:
        """Return the one table."""
        coordinates = self.coordinates()
        columns = (self.key, *coordinates.columns, *RANKED)
        if folds is None:
            return {
                self.table: empty_table(
                    self.key, columns, top_k=region_top_k(self.options.top_k, 0)
                )
            }
        top_k = region_top_k(self.options.top_k, len(folds.columns))
        table = pd.DataFrame(
            {
                self.key: self.names[folds.columns],
                **{str(name): coordinates[name].to_numpy()[folds.columns] for name in coordinates},
                "score": folds.scores.mean(axis=0),
                "direction": [WORDS[int(sign)] for sign in np.sign(folds.direction)],
                **scores.stability(folds.scores, top_k, folds.repeat),
            }
        )
        ranked = ranked_table(
            table,
            self.key,
            columns,
            folds.scores,
            null.mean[self.table],
            self.options,
            top_k,
            null.first[self.table],
        )
        return {self.table: ranked}

    def bias(self, tables: Mapping[str, RankedTable], null: NullScores) -> list[Bias]:
        """Return nothing: instances are not grouped by anything."""
        return []

    def notes(self, tables: Mapping[str, RankedTable]) -> list[str]:
        """Return nothing."""
        return []


LEVEL = InstanceLevel

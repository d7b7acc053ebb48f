"""Instances as they are, and groups of them: pairs of networks of edges, regions of voxels.

The score of a group is the mean of the scores of its instances: it does not grow with their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from gendmr.ranking import scores
from gendmr.ranking.levels.base import region_top_k
from gendmr.ranking.levels.generic import InstanceLevel
from gendmr.ranking.tables import STABLE, TESTED, RankedTable, empty_table, ranked_table

if TYPE_CHECKING:
    from gendmr.ranking.folds import FoldScores
    from gendmr.ranking.null_scores import NullScores


class GroupedLevel(InstanceLevel):
    """Instances as they are, and groups of them; see `gendmr.ranking.levels.base.Level`."""

    groups_table: ClassVar[str]
    """Name of the table of groups."""
    group_key: ClassVar[str]
    """Column of their names."""
    size_column: ClassVar[str]
    """Column of the numbers of instances of a group."""

    def groups_of(self, columns: np.ndarray) -> list[str]:
        """Return the group of each instance; an empty name is none."""
        raise NotImplementedError

    @classmethod
    def tables_of(cls, modality: str) -> tuple[str, ...]:
        """Return the table of instances and that of groups."""
        return (f"{modality}s", cls.groups_table)

    @classmethod
    def keys_of(cls, modality: str) -> tuple[str, ...]:
        """Return the key of instances and that of groups."""
        return (modality, cls.group_key)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Return the columns of the table of groups."""
        return (self.group_key, self.size_column, "score", "z", *STABLE, *TESTED)

    def group(self, read: np.ndarray, columns: np.ndarray) -> dict[str, int]:
        """Put the instances that folds read into groups; see `Level.group`."""
        short = super().group(read, columns)
        names = np.array(self.groups_of(columns), dtype=object).astype(str)
        self.group_names = np.unique(names[names != ""])
        members = (names[:, None] == self.group_names).astype(np.float64)
        self.counts = members.sum(axis=0).astype(np.int64)
        self.share = members / np.maximum(self.counts, 1)
        return short | {self.groups_table: region_top_k(self.options.top_k, len(self.group_names))}

    def aggregate(self, by_instance: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of instances and of groups."""
        by_table = super().aggregate(by_instance)
        return by_table | {self.groups_table: by_table[self.table].astype(np.float64) @ self.share}

    def tables(self, folds: FoldScores | None, null: NullScores) -> dict[str, RankedTable]:
        """Return the tables of instances and of groups."""
        tables = super().tables(folds, null)
        name, key = self.groups_table, self.group_key
        if folds is None or not len(self.group_names):
            return tables | {name: empty_table(key, self.group_columns, top_k=1)}
        by_fold = folds.scores.astype(np.float64) @ self.share
        top_k = region_top_k(self.options.top_k, len(self.group_names))
        rows = pd.DataFrame(
            {
                key: self.group_names,
                self.size_column: self.counts,
                "score": by_fold.mean(axis=0),
                **scores.stability(by_fold, top_k, folds.repeat),
            }
        )
        ranked = ranked_table(
            rows, key, self.group_columns, by_fold, null.mean[name], self.options, top_k,
            null.first[name],
        )  # fmt: skip
        return tables | {name: ranked}

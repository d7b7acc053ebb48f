"""Edges of connectomes, and the pairs of networks that they join.

The score of a pair of networks is the mean of the scores of its edges: it does not grow with the
number of their regions. Where regions have no network there is one pair, of all edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.ranking import scores
from gendmr.ranking.levels.base import region_top_k
from gendmr.ranking.levels.generic import InstanceLevel
from gendmr.ranking.tables import STABLE, TESTED, RankedTable, empty_table, ranked_table

if TYPE_CHECKING:
    from gendmr.ranking.folds import FoldScores
    from gendmr.ranking.null_scores import NullScores

PAIRS, PAIR = "network_pairs", "network_pair"
PAIR_COLUMNS = (PAIR, "n_edge", "score", "z", *STABLE, *TESTED)
NAMES = ("first", "second", "first_domain", "second_domain")


class EdgeLevel(InstanceLevel):
    """Edges as they are, and pairs of networks; see `gendmr.ranking.levels.base.Level`."""

    @classmethod
    def tables_of(cls, modality: str) -> tuple[str, ...]:
        """Return `edges` and `network_pairs`."""
        return (f"{modality}s", PAIRS)

    @classmethod
    def keys_of(cls, modality: str) -> tuple[str, ...]:
        """Return `edge` and `network_pair`."""
        return (modality, PAIR)

    def coordinates(self) -> pd.DataFrame:
        """Return regions and networks of each edge."""
        return self.file.instances[list(NAMES)]

    def group(self, read: np.ndarray, columns: np.ndarray) -> dict[str, int]:
        """Put the edges that folds read into pairs of networks; see `Level.group`."""
        short = super().group(read, columns)
        domains = self.file.instances.iloc[columns][["first_domain", "second_domain"]]
        names = [" ~ ".join(sorted(map(str, row))) for row in domains.itertuples(index=False)]
        self.pairs, of_edge = np.unique(
            np.array(names, dtype=object).astype(str), return_inverse=True
        )
        members = np.zeros((len(names), len(self.pairs)))
        members[np.arange(len(names)), of_edge] = 1
        self.counts = members.sum(axis=0).astype(np.int64)
        self.share = members / np.maximum(self.counts, 1)
        return short | {PAIRS: region_top_k(self.options.top_k, len(self.pairs))}

    def aggregate(self, by_instance: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores of edges and of pairs of networks."""
        own = super().aggregate(by_instance)
        return own | {PAIRS: own[self.table].astype(np.float64) @ self.share}

    def tables(self, folds: FoldScores | None, null: NullScores) -> dict[str, RankedTable]:
        """Return the tables of edges and of pairs of networks."""
        tables = super().tables(folds, null)
        if folds is None:
            return tables | {PAIRS: empty_table(PAIR, PAIR_COLUMNS, top_k=1)}
        by_fold = folds.scores.astype(np.float64) @ self.share
        top_k = region_top_k(self.options.top_k, len(self.pairs))
        rows = pd.DataFrame(
            {
                PAIR: self.pairs,
                "n_edge": self.counts,
                "score": by_fold.mean(axis=0),
                **scores.stability(by_fold, top_k, folds.repeat),
            }
        )
        pairs = ranked_table(
            rows, PAIR, PAIR_COLUMNS, by_fold, null.mean[PAIRS], self.options, top_k,
            null.first[PAIRS],
        )  # fmt: skip
        return tables | {PAIRS: pairs}


LEVEL = EdgeLevel

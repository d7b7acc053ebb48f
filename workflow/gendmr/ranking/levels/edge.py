"""Edges of connectomes, and the pairs of networks that they join.

Where regions have no network there is one pair, of all edges.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from gendmr.ranking.levels.grouped import GroupedLevel

NAMES = ("first", "second", "first_domain", "second_domain")


class EdgeLevel(GroupedLevel):
    """Edges as they are, and pairs of networks; see `gendmr.ranking.levels.base.Level`."""

    groups_table: ClassVar[str] = "network_pairs"
    group_key: ClassVar[str] = "network_pair"
    size_column: ClassVar[str] = "n_edge"

    def coordinates(self) -> pd.DataFrame:
        """Return regions and networks of each edge."""
        return self.file.instances[list(NAMES)]

    def groups_of(self, columns: np.ndarray) -> list[str]:
        """Return the pair of networks of each edge."""
        domains = self.file.instances.iloc[columns][["first_domain", "second_domain"]]
        return [" ~ ".join(sorted(map(str, row))) for row in domains.itertuples(index=False)]


LEVEL = EdgeLevel

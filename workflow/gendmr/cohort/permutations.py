"""Permutations of outcomes over people, for the null: within strata, kin kept together.

People of one stratum could have been given each other's outcome as far as sex, site, ancestry and
age go. Families change outcomes as wholes, with families whose members are of the same strata
(whole-block exchangeability, Winkler et al. 2015, NeuroImage 123:253).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import FoldError, first_few
from gendmr.files.tables import Kind, read_table
from gendmr.seeds import generator
from gendmr.tasks.base import Outcome

STRATA: dict[str, Kind] = {"participant_id": "text", "family": "text", "stratum": "text"}


class Permutations:
    """Orders of people, for whole outcomes that change hands; number k is always the same.

    Parameters
    ----------
    strata : DataFrame
        Columns `participant_id`, `family`, `stratum`.
    seed : int
        Of the study.
    people : text (person,)
        Those who have the outcome: they change it among themselves.
    outcome : Outcome
        Of these people; says who could get another one.

    Raises
    ------
    FoldError
        Somebody is not in `strata`.
    """

    def __init__(
        self, strata: pd.DataFrame, seed: int, people: np.ndarray, outcome: Outcome
    ) -> None:
        table = strata.set_index("participant_id")
        absent = [name for name in people if name not in table.index]
        if absent:
            raise FoldError(
                f"{len(absent)} people of the cohort have no stratum: {first_few(absent)}",
                cause="strata.tsv is of another cohort",
                next_step="run the rule stratify_people again",
            )
        table = table.loc[people]
        self.people = np.asarray(people, dtype=object)
        self.outcome = outcome
        self.seed = seed
        stratum = table["stratum"].to_numpy(dtype=str)
        family = table["family"].to_numpy(dtype=str)
        families: dict[str, list[int]] = {}
        # In a family, people of the same stratum stand side by side: who changes with whom.
        for row in np.lexsort((self.people.astype(str), stratum)):
            families.setdefault(family[row], []).append(int(row))
        same_strata: dict[tuple[str, ...], list[list[int]]] = {}
        for rows in families.values():
            same_strata.setdefault(tuple(stratum[rows]), []).append(rows)
        self._sets = [np.array(same_strata[kind]) for kind in sorted(same_strata)]

    @classmethod
    def read(
        cls, path: Path | str, seed: int, people: np.ndarray, outcome: Outcome
    ) -> Permutations:
        """Read `cohort/strata.tsv`."""
        table = read_table(path, STRATA, extra=True, key="participant_id")
        return cls(table, seed, people, outcome)

    @property
    def exchangeable(self) -> np.ndarray:
        """Return who can be given another outcome, bool (person,)."""
        strata = self.outcome.strata()
        exchangeable = np.zeros(len(self.people), dtype=bool)
        for rows in self._sets:
            values = strata[rows]
            exchangeable[rows] = (values != values[:1]).any(axis=0)
        return exchangeable

    def draw(self, number: int) -> np.ndarray:
        """Return permutation `number`: whose outcome each person gets, int (person,)."""
        random = generator(self.seed, "permutation", number)
        order = np.arange(len(self.people))
        for rows in self._sets:
            order[rows] = rows[random.permutation(len(rows))]
        return order

"""A control: people exchange what was measured of them, within groups of people alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gendmr.seeds import generator


class Shuffle:
    """Who gets whose measurements.

    People of one role only exchange among themselves, so that nothing of a held-out person reaches
    training; and only those who have the modality, so that who has it stays.

    Parameters
    ----------
    within : mapping of str to sequence of str
        Columns by modality; none: among all people.
    seed, repeat, fold : int
    """

    def __init__(
        self, within: Mapping[str, Sequence[str]], *, seed: int, repeat: int, fold: int
    ) -> None:
        self.within = within
        self.keys = seed, repeat, fold
        self._moved: dict[tuple[str, str], tuple[int, int]] = {}

    def owners(
        self, role: str, people: pd.DataFrame, present: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return, by modality, the participant whose measurements each person gets.

        Parameters
        ----------
        role : str
        people : DataFrame
            By participant, the columns of `within` among others, as text.
        present : mapping of str to bool (person,)

        Returns
        -------
        dict of str to object (person,)
        """
        seed, repeat, fold = self.keys
        owners = {}
        for modality, columns in self.within.items():
            random = generator(seed, "shuffle", modality, role, str(repeat), str(fold))
            ids = people.index.to_numpy(dtype=object)
            owner_of = ids.copy()
            measured = np.flatnonzero(present[modality])
            groups = group_numbers(people.iloc[measured], columns)
            for number in range(groups.max(initial=-1) + 1):
                members = measured[groups == number]
                owner_of[members] = ids[random.permutation(members)]
            owners[modality] = owner_of
            self._moved[role, modality] = int((owner_of != ids).sum()), len(measured)
        return owners

    def notes(self, role: str) -> list[str]:
        """Return what was done to the people of a role that has been read."""
        return [
            f"A control: {modality} of {self._moved[role, modality][0]} of"
            f" {self._moved[role, modality][1]} people to train on is somebody else's, exchanged"
            f" {'within ' + ', '.join(columns) if columns else 'among all'}."
            for modality, columns in self.within.items()
            if (role, modality) in self._moved
        ]


def group_numbers(people: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the number of each person's group, int (person,): people alike in all columns.

    Examples
    --------
    >>> table = pd.DataFrame({"site": ["a", "b", "a"], "sex": ["F", "F", "F"]})
    >>> group_numbers(table, ["site", "sex"]).tolist()
    [0, 1, 0]
    >>> group_numbers(table, []).tolist()
    [0, 0, 0]
    """
    if not columns:
        return np.zeros(len(people), dtype=np.int64)
    numbers = people.groupby(list(columns), sort=True, dropna=False).ngroup()
    return np.asarray(numbers, dtype=np.int64)

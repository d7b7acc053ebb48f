"""Some people of a fold: their outcome and covariates at once, their measurements when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd

from gendmr.errors import DataLeakageError, first_few
from gendmr.modalities.reader import ArrayReader
from gendmr.tasks.base import Outcome

Role = Literal["train", "validation", "held-out"]


@dataclass(frozen=True, repr=False)
class Subset:
    """Some people of a fold, in the order of `participants`.

    Parameters
    ----------
    role : str
        `train`, `validation` or `held-out`.
    participants, family : object (n,)
        Text; `family` is the kin group, for splitting further inside the training set.
    outcome : Outcome
        Of all of them known.
    covariates : DataFrame
        n rows: float64, NaN missing; or text, None missing.
    present : mapping of str to bool (n,)
        Who has each modality of the study, also those that nobody reads here.
    readers : mapping of str to ArrayReader
        Of the modalities that are read; they can reach these people's rows and nobody else's.
    index : int (n,)
        Places of these people among those whom the readers can reach.
    """

    role: Role
    participants: np.ndarray
    family: np.ndarray
    outcome: Outcome
    covariates: pd.DataFrame
    present: Mapping[str, np.ndarray]
    readers: Mapping[str, ArrayReader]
    index: np.ndarray

    def __repr__(self) -> str:
        counts = [
            f"{int(has_modality.sum())} with {name}" for name, has_modality in self.present.items()
        ]
        return f"Subset({self.role}: {', '.join([f'{len(self)} people', *counts])})"

    def __len__(self) -> int:
        return len(self.participants)

    def require(self, *roles: Role) -> Self:
        """Return these people when their role is one of `roles`: the guard of everything fitted.

        Raises
        ------
        DataLeakageError
            It is not.
        """
        if self.role not in roles:
            raise DataLeakageError(
                f"{len(self)} {self.role} people were given where only {' or '.join(roles)} people"
                f" may be seen: {first_few(self.participants)}",
                cause="something is fitted on the wrong rows",
                next_step="fit on view.train, apply to the others",
            )
        return self

    def take(self, index: np.ndarray) -> Self:
        """Return some of these people, by an integer or boolean index (n,); copies nothing big."""
        places = np.flatnonzero(index) if np.asarray(index).dtype == bool else np.asarray(index)
        return replace(
            self,
            participants=self.participants[places],
            family=self.family[places],
            outcome=self.outcome.take(places),
            covariates=self.covariates.iloc[places].reset_index(drop=True),
            present={name: has_modality[places] for name, has_modality in self.present.items()},
            index=self.index[places],
        )

    def with_outcome(self, outcome: Outcome) -> Self:
        """Return the same people with another outcome."""
        return replace(self, outcome=outcome)

    def having(self, modality: str) -> Self:
        """Return those who have a modality."""
        return self.take(self.present[modality])

    def array(self, modality: str, variable: str, columns: np.ndarray | None = None) -> np.ndarray:
        """Return a variable (n, ...), what is missing as the variable's missing value.

        Parameters
        ----------
        modality, variable : str
        columns : int (column,), optional
            Instances; all where there is none.
        """
        return self.readers[modality].array(variable, self.index, columns)

    def blocks(self, modality: str, variable: str) -> Iterator[tuple[int, np.ndarray]]:
        """Give a variable some instances at a time: the first of them, values (n, block)."""
        return self.readers[modality].blocks(variable, self.index)

    def instances(self, modality: str) -> pd.DataFrame:
        """Return the instances of a modality, one a row, as its file names them."""
        return self.readers[modality].instances

    def path(self, modality: str) -> Path:
        """Return the file of a modality."""
        return self.readers[modality].path

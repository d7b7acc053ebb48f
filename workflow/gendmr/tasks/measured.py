"""Outcomes that are no columns of the user's table: a stage measures them, a file holds them.

An outcome such as a mask is as large as what it is predicted from, so that neither outcomes nor
outputs of all people stand in memory at once: both are read, or computed, person by person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np


class OutcomeReader(Protocol):
    """Rows of some people in the file of a modality: `gendmr.modalities.reader.ArrayReader`."""

    def array(
        self, variable: str, index: np.ndarray, columns: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a variable of the people at `index`, of some of its instances."""


@runtime_checkable
class MeasuredTask(Protocol):
    """A `Task` whose outcome the stage of a modality measures.

    `wanted` names no column of the user's table. `parse` reads a table with the columns `measured`,
    whose numbers come from the listing of the modality, NaN where a person has none.
    """

    modality: str
    """Modality of which the listing says who has an outcome, and the file holds it."""
    measured: tuple[str, ...]
    """Numbers of `gendmr.modalities.base.Listing.outcomes` that `parse` reads."""

    def locate(self, outcome: Any, reader: OutcomeReader) -> Any:
        """Return the outcome of the people of a reader, in its order, with what the file holds."""


@runtime_checkable
class LeavesFiles(Protocol):
    """A `Task` that leaves files of held-out people: `left_files` of its section names them."""

    def leave(
        self,
        folder: Path,
        participants: np.ndarray,
        output: Any,
        outcome: Any,
        calibration: Mapping[str, Any],
    ) -> None:
        """Write them; see `Task.predictions`."""


@dataclass(frozen=True)
class LazyOutput:
    """Outputs of people that are computed one person at a time, when they are asked for.

    It stands where an output (person, n_outputs) would, for tasks that read it so.

    Parameters
    ----------
    people : int
    of : callable
        ``of(person)`` gives the output of one person.
    """

    people: int
    of: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return self.people

    def __getitem__(self, person: int) -> np.ndarray:
        return self.of(person)

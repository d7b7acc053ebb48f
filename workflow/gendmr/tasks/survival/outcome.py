"""When an event came, or until when it had not come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gendmr.files.tables import MISSING


@dataclass(frozen=True)
class CensoredTimes:
    """Time and event of people, never apart.

    Parameters
    ----------
    time : float64 (person,)
        In the unit of the table; 0 where unknown.
    event : bool (person,)
        The event was seen at that time; otherwise the person was last seen then, without it.
    known : bool (person,)
    """

    time: np.ndarray
    event: np.ndarray
    known: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def take(self, index: np.ndarray) -> CensoredTimes:
        """Return the times and events of some people."""
        return CensoredTimes(self.time[index], self.event[index], self.known[index])

    def permute(self, order: np.ndarray) -> CensoredTimes:
        """Return outcomes that changed hands: person i gets time and event of ``order[i]``."""
        return self.take(order)

    def strata(self) -> np.ndarray:
        """Return `event 1` to `event 3`, `censored 1` to `censored 3` or `n/a`, text (person,).

        The number is the third of the times of all who are known.
        """
        strata = np.full(len(self), MISSING, dtype=object)
        time = self.time[self.known]
        if len(time):
            cuts = np.quantile(time, [1 / 3, 2 / 3])
            third = np.searchsorted(cuts, time, side="left") + 1
            sides = np.where(self.event[self.known], "event", "censored")
            strata[self.known] = [f"{side} {n}" for side, n in zip(sides, third, strict=True)]
        return strata


Outcome = CensoredTimes

"""Who is a case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gendmr.files.tables import MISSING

SIDES = ("control", "case")  # by their number


@dataclass(frozen=True)
class CaseStatus:
    """Case or control.

    Parameters
    ----------
    case : int64 (person,)
        1 case, 0 control, -1 unknown.
    """

    case: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Who is known to be a case or a control, bool (person,)."""
        return self.case >= 0

    def __len__(self) -> int:
        return len(self.case)

    def take(self, index: np.ndarray) -> CaseStatus:
        """Return the status of some people."""
        return CaseStatus(self.case[index])

    def permute(self, order: np.ndarray) -> CaseStatus:
        """Return statuses that changed hands: person i gets that of ``order[i]``."""
        return self.take(order)

    def strata(self) -> np.ndarray:
        """Return `case`, `control` or `n/a`, text (person,)."""
        return np.asarray(np.array([*SIDES, MISSING], dtype=object)[self.case])


Outcome = CaseStatus

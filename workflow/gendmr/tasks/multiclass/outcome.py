"""The class of each person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gendmr.files.tables import MISSING


@dataclass(frozen=True)
class ClassLabels:
    """Classes of people.

    Parameters
    ----------
    label : int64 (person,)
        The place among `classes`, -1 unknown.
    classes : tuple of str
    """

    label: np.ndarray
    classes: tuple[str, ...]

    @property
    def known(self) -> np.ndarray:
        """Whose class is known, bool (person,)."""
        return self.label >= 0

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: np.ndarray) -> ClassLabels:
        """Return the classes of some people."""
        return ClassLabels(self.label[index], self.classes)

    def permute(self, order: np.ndarray) -> ClassLabels:
        """Return classes that changed hands: person i gets that of ``order[i]``."""
        return self.take(order)

    def strata(self) -> np.ndarray:
        """Return the names of the classes or `n/a`, text (person,)."""
        return np.asarray(np.array([*self.classes, MISSING], dtype=object)[self.label])


Outcome = ClassLabels

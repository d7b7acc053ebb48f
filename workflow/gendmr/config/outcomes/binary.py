"""Two classes: cases and controls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gendmr.config.outcomes.base import OutcomeSection
from gendmr.errors import first_few


class BinaryOutcome(OutcomeSection):
    """Cases and controls, by the labels of a column."""

    kind: Literal["binary"] = "binary"
    """Chooses the task."""
    column: str = "diagnosis"
    """Column of participants.tsv."""
    case: tuple[str, ...] = ("case",)
    """Labels of cases, e.g. `[AD]`. Letter case counts. Several labels may be pooled."""
    control: tuple[str, ...] = ("control",)
    """Labels of controls, e.g. `[CN, SMC]`. People with any other label are listed and left out."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        shared_labels = sorted(set(self.case) & set(self.control))
        if shared_labels:
            yield f"labels of cases and of controls at once: {first_few(shared_labels)}"
        if not self.case or not self.control:
            yield "name at least one label of cases and one of controls"

"""Three or more classes without an order."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gendmr.config.outcomes.base import OutcomeSection
from gendmr.errors import first_few


class MulticlassOutcome(OutcomeSection):
    """Classes, by the labels of a column."""

    kind: Literal["multiclass"] = "multiclass"
    """Chooses the task."""
    column: str
    """Column of participants.tsv."""
    classes: tuple[str, ...] = Field(min_length=3, max_length=20)
    """The classes, in the order in which tables and figures show them. Letter case counts. People
    with any other label are listed and left out."""
    pooled: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Further labels that count as one of the classes, e.g. `{MCI: [EMCI, LMCI]}`."""

    @model_validator(mode="after")
    def _labels(self) -> Self:
        unknown = sorted(set(self.pooled) - set(self.classes))
        if unknown:
            raise ValueError(f"pooled names no class: {first_few(unknown)}")
        labels = [*self.classes, *(one for labels in self.pooled.values() for one in labels)]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"labels of two classes at once: {first_few(twice)}")
        return self

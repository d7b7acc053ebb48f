"""A measurement: a cognitive score, an age, a concentration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gendmr.config.outcomes.base import OutcomeSection


class QuantitativeOutcome(OutcomeSection):
    """A number per person."""

    kind: Literal["quantitative"] = "quantitative"
    """Chooses the task."""
    column: str
    """Column of participants.tsv."""
    unit: str = Field(default="", max_length=20)
    """For figures and tables."""

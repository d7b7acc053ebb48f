"""A time until an event, which some people have not had when they were last seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.outcomes.base import OutcomeSection


class SurvivalOutcome(OutcomeSection):
    """Time and event of a person."""

    kind: Literal["survival"] = "survival"
    """Chooses the task."""
    time: str
    """Column of participants.tsv with the time to the event, or to when the person was last seen
    without it: above 0, in one unit."""
    event: str
    """Column with 1 where the event was seen and 0 where the time is censored."""
    unit: str = Field(default="", max_length=20)
    """Of the time: `months`, `years`."""
    model: Literal["cox", "discrete"] = "cox"
    """`cox`: one relative risk per person, partial likelihood (Breslow ties); `discrete`: a hazard
    for each of some intervals of time (Gensheimer & Narasimhan 2019)."""
    intervals: int = Field(default=4, ge=2, le=20)
    """Intervals of `discrete`, cut at quantiles of the event times of training people."""
    horizons: tuple[float, ...] = ()
    """Times at which predictions are judged (time-dependent AUC, calibration); without them, the
    quartiles of the event times of training people."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if any(time <= 0 for time in self.horizons):
            yield "horizons are times above 0"
        if self.time == self.event:
            yield "time and event are two columns"

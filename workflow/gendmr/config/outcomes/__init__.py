"""Sections of outcomes, one module for each kind; found by listing this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gendmr.config.base import Section
from gendmr.config.members import sections_in, union_of
from gendmr.config.outcomes.base import OutcomeSection

KINDS: dict[str, type[OutcomeSection]] = sections_in(__name__, __path__, OutcomeSection)

if TYPE_CHECKING:
    AnyOutcome = OutcomeSection
else:
    AnyOutcome: Any = Annotated[union_of(KINDS), Field(discriminator="kind")]


class OneOutcome(Section):
    """An outcome alone: what a job is given."""

    outcome: AnyOutcome


def parse_outcome(text: str, *, where: str) -> OutcomeSection:
    """Return the section of an outcome from its JSON.

    Raises
    ------
    ConfigurationError
        See `Section.parse`.
    """
    return OneOutcome.parse(f'{{"outcome": {text}}}', where=where).outcome

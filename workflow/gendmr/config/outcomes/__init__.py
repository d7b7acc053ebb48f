"""Sections of outcomes, one module for each kind; found by listing this folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


class SeveralOutcomes(Section):
    """The outcomes of a study: what the report is given."""

    outcomes: dict[str, AnyOutcome]


def parse_outcomes(text: str, *, where: str) -> dict[str, OutcomeSection]:
    """Return the sections of all outcomes of a study, by name in their order.

    Parameters
    ----------
    text : str
        JSON of `cohort.outcomes`, or the path of a YAML file with the key `outcomes`.
    where : str
        For errors.

    Raises
    ------
    ConfigurationError
        See `Section.parse`.
    """
    if text.lstrip().startswith("{"):
        text = f'{{"outcomes": {text}}}'
    return SeveralOutcomes.parse(text, where=where).outcomes


def dump_outcomes(outcomes: Mapping[str, OutcomeSection]) -> str:
    """Return the JSON of outcomes in their order, which says which one is the first."""
    return json.dumps({name: json.loads(section.dump()) for name, section in outcomes.items()})

"""Sections of outcomes, one module for each kind; found by listing this folder."""

from __future__ import annotations

from gendmr.config.members import sections_in
from gendmr.config.outcomes.base import OutcomeSection

KINDS: dict[str, type[OutcomeSection]] = sections_in(__name__, __path__, OutcomeSection)

"""The section `cohort` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class CohortSection(Section):
    """Settings of the stage `cohort`."""

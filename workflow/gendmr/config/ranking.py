"""The section `ranking` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class RankingSection(Section):
    """Settings of the stage `ranking`."""

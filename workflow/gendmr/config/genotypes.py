"""The section `genotypes` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class GenotypesSection(Section):
    """Settings of the stage `genotypes`."""

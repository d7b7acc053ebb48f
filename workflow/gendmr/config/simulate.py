"""The section `simulate` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class SimulateSection(Section):
    """Settings of the stage `simulate`."""

"""The section `report` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class ReportSection(Section):
    """Settings of the stage `report`."""

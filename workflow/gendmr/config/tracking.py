"""The section `tracking` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class TrackingSection(Section):
    """Settings of the stage `tracking`."""

"""The section `imaging` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class ImagingSection(Section):
    """Settings of the stage `imaging`."""

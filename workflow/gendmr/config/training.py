"""The section `training` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class TrainingSection(Section):
    """Settings of the stage `training`."""

"""The section `annotation` of the configuration."""

from __future__ import annotations

from gendmr.config.base import Section


class AnnotationSection(Section):
    """Settings of the stage `annotation`."""

"""What every outcome has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gendmr.config.base import Section


class OutcomeSection(Section):
    """An outcome of a study: an entry of `cohort.outcomes`."""

    kind: str
    """Chooses the task."""
    label: str | None = Field(default=None, min_length=1, max_length=60)
    """What texts and figures call it, such as `time to conversion`; without it, its name."""

    modality: ClassVar[str | None] = None
    """Modality whose file holds the outcome; None: it stands in the user's participants.tsv."""

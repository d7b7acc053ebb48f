"""What every outcome has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from gendmr.config.base import Section
from gendmr.errors import ConfigurationError


class OutcomeSection(Section):
    """An outcome of a study: an entry of `cohort.outcomes`."""

    kind: str
    """Chooses the task."""
    label: str | None = Field(default=None, min_length=1, max_length=60)
    """What texts and figures call it, such as `time to conversion`; without it, its name."""

    modality: ClassVar[str | None] = None
    """Modality whose file holds the outcome; None: it stands in the user's participants.tsv."""
    left_files: ClassVar[tuple[str, ...]] = ()
    """Files that its task leaves of held-out people beside predictions.tsv of each fold."""
    exchangeable: ClassVar[bool] = True
    """Whether the outcome of one person could be another's: without it, methods have no null."""


def unmeasured(
    outcomes: Mapping[str, OutcomeSection], modalities: Iterable[str]
) -> Iterator[ConfigurationError]:
    """Yield an error for each outcome whose modality the study does not have."""
    modalities = list(modalities)
    for name, section in outcomes.items():
        if section.modality is not None and section.modality not in modalities:
            yield ConfigurationError(
                f"cohort.outcomes.{name}: a {section.kind} stands in the modality"
                f" {section.modality}, which the study does not have",
                cause="an entry of modalities, or the section of the stage that measures it, was"
                " left out",
                next_step=f"add `modalities: {section.modality}: {{}}`, and the section of its"
                " stage",
            )

"""The section `tracking` of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from gendmr.config.base import Section


class TrackingSection(Section):
    """Settings of the stage `tracking`."""

    enabled: bool = True
    """Replay finished folds into MLflow; off: only the listing of folds is written."""
    experiment: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of the MLflow experiment; absent: the name of the study."""
    uri: str | None = Field(default=None, pattern=r"^https?://")
    """Optional MLflow server that gets a copy, such as `http://tracking.example.org:5000`. When it
    does not answer, the study goes on and the report says so."""
    live: bool = False
    """Send curves to that server while folds train, and each fold as soon as it is finished."""
    timeout: float = Field(default=5.0, gt=0, le=120)
    """Seconds to wait for one answer of that server."""
    patience: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that the copy may cost at the end of a study; what is left is sent by a later
    `gendmr tracking sync`."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.live and not (self.uri and self.enabled):
            yield "`live: true` needs a server, `uri: http://…`, and `enabled: true`"

"""The section `slice` of `modalities`: slices of volumes with masks of lesions."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, field_validator

from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import ConfigurationError, did_you_mean, first_few

BATCH = 64  # slices that stand in memory at a time, with what a network computes from them
MAPS = 64  # maps of the size of a slice that a network computes from one


class SliceSection(ModalitySection):
    """Slices of the volumes of the stage `lesions`: a study that has an entry has the modality."""

    side: int = Field(default=128, ge=16, le=512)
    """Rows and columns to which slices are resized, each axis on its own: averages over areas.
    Masks keep their own size, in which predictions are judged."""
    channels: tuple[str, ...] = ()
    """Channels that methods read, of those of `lesions: channels:`; without it, all."""

    place: ClassVar[int] = 5
    shared: ClassVar[bool] = False
    stage: ClassVar[str | None] = "lesions"

    @classmethod
    def measured_by(cls, stage: Any, named: bool) -> bool:
        """Return whether the study names it: volumes are large, and most methods read none."""
        return named

    def of_cohort(self) -> Self:
        """Return the section with what decides the file: the size of slices."""
        return type(self)(side=self.side)

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "volumes": f"{results}/lesions/volumes.h5",
            "quality": f"{results}/lesions/quality.tsv",
        }

    def check_stage(self, where: str, stage: Any) -> None:
        """Refuse a channel that images do not have.

        Raises
        ------
        ConfigurationError
        """
        available = getattr(stage, "channels", ())
        absent = [name for name in self.channels if name not in available]
        if absent:
            raise ConfigurationError(
                f"{where}.channels: {first_few(absent)}: no such channel; `lesions: channels:` has"
                f" {first_few(available, 20)}{did_you_mean(absent, available)}",
                cause="a misspelt name, or a channel that the section lesions does not name",
                next_step="name some of these, or leave channels out for all",
            )

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory of a fold: a batch of slices; masks and outputs of the validation."""
        return 4.0 * self.side**2 * (BATCH * MAPS + 2 * people * instances / 5)

    @field_validator("channels")
    @classmethod
    def _once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({channel for channel in values if values.count(channel) > 1})
        if twice:
            raise ValueError(f"channels named twice: {first_few(twice)}")
        return values

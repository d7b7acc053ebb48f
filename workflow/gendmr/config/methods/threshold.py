"""The section of the method `threshold`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from gendmr.config.base import Section
from gendmr.config.methods.base import M, MethodSection, Rates
from gendmr.config.modalities.slice import SliceSection
from gendmr.errors import ConfigurationError, did_you_mean, first_few


class ThresholdMethod(MethodSection):
    """One threshold of one channel, the best of training people: what brightness alone tells."""

    kind: Literal["threshold"] = "threshold"
    """Chooses the method."""
    channel: str | None = None
    """Channel of `lesions: channels:`; without it, the first that is read."""

    tasks: ClassVar[tuple[str, ...]] = ("segmentation",)
    readable: ClassVar[tuple[str, ...] | None] = ("slice",)
    adjusted: ClassVar[bool] = False
    attributes: ClassVar[bool] = False
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 3.0, "people_instances": 25.0},
            "memory": {"start": 560},
            "disk": {"start": 1.5},
        }
    }

    def check_stages(
        self, where: str, reads: tuple[str, ...], stages: Mapping[str, Section]
    ) -> None:
        """Refuse a channel that images do not have.

        Raises
        ------
        ConfigurationError
        """
        available = getattr(stages.get("lesions"), "channels", ())
        if self.channel is not None and self.channel not in available:
            raise ConfigurationError(
                f"{where}.channel = {self.channel!r}: no such channel; `lesions: channels:` has"
                f" {first_few(available, 20)}{did_you_mean([self.channel], available)}",
                cause="a misspelt name, or a channel that the section lesions does not name",
                next_step="name one of these, or leave channel out for the first",
            )

    def adapt(self, name: str, section: M) -> M:
        """Return the section; refuse a channel that it leaves out.

        Raises
        ------
        ConfigurationError
        """
        section = super().adapt(name, section)
        read = section.channels if isinstance(section, SliceSection) else ()
        if self.channel is not None and read and self.channel not in read:
            raise ConfigurationError(
                f"threshold: channel = {self.channel!r}: not read; modalities.slice.channels has"
                f" {first_few(read, 20)}",
                cause="a channel left out in modalities.slice.channels, or in modality_options",
                next_step="name one that is read, or read this one too",
            )
        return section

"""The section of the method `threshold`."""

from __future__ import annotations

from typing import ClassVar, Literal

from gendmr.config.methods.base import MethodSection, Rates


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

"""Masks of lesions, as the stage `lesions` reads them."""

from __future__ import annotations

from typing import ClassVar, Literal

from gendmr.config.outcomes.base import OutcomeSection

MASKS = "masks.h5"


class SegmentationOutcome(OutcomeSection):
    """Which voxels of a volume are lesion; nothing of it stands in participants.tsv."""

    kind: Literal["segmentation"] = "segmentation"
    """Chooses the task."""

    modality: ClassVar[str | None] = "slice"
    left_files: ClassVar[tuple[str, ...]] = (MASKS,)
    exchangeable: ClassVar[bool] = False

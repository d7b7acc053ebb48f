"""The section of the method `mil`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, Resources
from gendmr.config.optimisation import OptimisationSection


class MilMethod(NetworkSection):
    """Multiple-instance learning, three baselines by what it reads.

    Slides alone: gated attention (Ilse et al. 2018). Expression alone: a self-normalising network
    (Klambauer et al. 2017). Both: a query from each family of genes attends to the patches, as in
    MCAT (Chen et al. 2021), without its transformer layers.
    """

    kind: Literal["mil"] = "mil"
    """Chooses the method."""
    width: int = Field(default=64, ge=4, le=512)
    """Length of a token."""
    attention: int = Field(default=64, ge=4, le=512)
    """Hidden units of the attention."""
    dropout: float = Field(default=0.25, ge=0, lt=1)
    """Of tokens, and of the encoders of genes."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("expression", "patch")
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=1500)
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        batch_size=16, learning_rate=1e-3, weight_decay=0.01, epochs=40
    )

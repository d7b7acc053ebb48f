"""The section of the method `unet`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, Rates, Resources
from gendmr.config.optimisation import OptimisationSection


class UnetMethod(NetworkSection):
    """Images alone, by MONAI: U-Net (Ronneberger et al. 2015) or UNETR (Hatamizadeh et al. 2022).

    It reads the channels and, for each, whether it is known.
    """

    kind: Literal["unet"] = "unet"
    """Chooses the method."""
    architecture: Literal["unet", "unetr"] = "unet"
    """`unet`: convolutions with residual units; `unetr`: a vision transformer as encoder."""
    width: int = Field(default=12, ge=4, le=128)
    """Maps of the first level of `unet`, doubled at each further one; of `unetr` the size of
    features, and an eighth of the length of a token."""
    levels: int = Field(default=5, ge=2, le=6)
    """Of `unet`; layers of `unetr` are 12 whatever it is."""
    augmentation: bool = True
    """Flips, transpositions, and intensities of each channel scaled and moved by 10 % of an SD."""
    channel_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Probability that a channel is hidden from a training slice, so that people who lack it are
    segmented too; one that is known is always left."""
    empty: float = Field(default=1.0, ge=0, le=10)
    """Slices without a lesion for each slice with one, in an epoch; others in each."""

    tasks: ClassVar[tuple[str, ...]] = ("segmentation",)
    readable: ClassVar[tuple[str, ...] | None] = ("slice",)
    adjusted: ClassVar[bool] = False
    attributes: ClassVar[bool] = False
    resources: ClassVar[Resources] = Resources(gpus=1, memory_mb=1500)
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 6.0, "epochs_people_instances": 10.0},
            "memory": {"start": 800},
            "disk": {"start": 1.5},
        }
    }
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        batch_size=16, learning_rate=2e-3, weight_decay=0.01, epochs=40, stopping="last"
    )

"""The section `histology` of the configuration: patch features of slides, and bags of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.base import Section

Triple = tuple[float, float, float]


class TilesSection(Section):
    """Tiles of images of slides, and the network whose features they get.

    Without it slides are files of features that another program made.
    """

    weights: str
    """Weights of the backbone, `.safetensors`, with torchvision's names of parameters."""
    backbone: str = "resnet50"
    """A network for classification of torchvision, by its name there."""
    layer: str | None = None
    """Node of the network whose output, averaged over the tile, are the features: `layer3` of
    `resnet50` is CLAM's, 1,024 numbers. Absent: what the network's last layer reads."""
    size: int = Field(default=256, ge=32, le=2048)
    """Side of a tile in pixels, as the network reads it."""
    mpp: float = Field(default=0.5, gt=0.05, le=16)
    """Microns per pixel of tiles: 0.25, 0.5 and 1.0 are about 40, 20 and 10 times."""
    unknown_mpp: float | None = Field(default=None, gt=0.05, le=16)
    """Microns per pixel of the slides whose files do not tell it; absent: these are refused."""
    tissue: float = Field(default=0.5, gt=0, le=1)
    """Share of a tile that must be tissue."""
    pen: float = Field(default=0.1, ge=0, le=1)
    """Tiles of which a larger share is covered by marks of a pen are left out."""
    mean: Triple = (0.485, 0.456, 0.406)
    """Taken off red, green and blue (0 to 1) before the network reads them: ImageNet's."""
    sd: Triple = (0.229, 0.224, 0.225)
    """By which they are then divided."""
    batch: int = Field(default=16, ge=1, le=1024)
    """Tiles that stand in memory at a time."""
    gpu: bool = False
    """Compute features on a GPU; their last digits then depend on it."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries cannot be used."""
        if not self.weights.endswith(".safetensors"):
            yield (
                f"weights: {self.weights!r} is no .safetensors file. Files of torch (.pth, .pt) can"
                " run code when they are read: convert them once, where you trust them, with"
                " safetensors.torch.save_file(torch.load(path, weights_only=True), target)"
            )
        if min(self.sd) <= 0:
            yield "sd: numbers above 0"


class HistologySection(Section):
    """Settings of the stage `histology`: features of patches, made into one bag for each person."""

    slides: str
    """Tab-separated table with the columns `participant_id` and `slide_id`, and perhaps `file`: the
    HDF5 file of the slide's features, or with `tiles` the image of the slide; relative to the
    table."""
    tiles: TilesSection | None = None
    """Slides are images: tiles and their features are made here."""
    folder: str | None = None
    """Where files lie that the table does not name: `<folder>/<slide_id>.h5`."""
    features: str = "features"
    """Array of the files: patches x features, perhaps with a leading axis of 1."""
    coordinates: str = "coords"
    """Array of the places of the patches, x and y in pixels; files may lack it where `order` is
    `raster`, and their patches then stay in the order of the file."""
    side: int = Field(default=50, ge=4, le=100)
    """A bag has side x side patches."""
    bag: Literal["tile", "sample", "pad"] = "tile"
    """What makes a bag of another number of patches. Too many: evenly spaced ones (`tile`, `pad`),
    or random ones (`sample`). Too few: the list again from its start until the bag is full (`tile`,
    as published), or empty places that count for nothing (`sample`, `pad`)."""
    order: Literal["raster", "grid"] = "raster"
    """`raster`: patches by row and column, one after the other. `grid`: each in its cell of the
    slide, drawn together where the slide is larger than the bag; needs `bag: pad` and
    `several: largest`."""
    several: Literal["pool", "largest"] = "pool"
    """Several slides of a person: all patches in one bag, or the slide with most patches alone."""
    exclude: tuple[str, ...] = ()
    """Slides to leave out, by `slide_id`."""

    @property
    def size(self) -> int:
        """Patches of a bag."""
        return self.side**2

    def files(self) -> list[str]:
        """Return the single files that the section names."""
        return [self.slides, *([self.tiles.weights] if self.tiles else [])]

    @property
    def changed(self) -> set[str]:
        """Options that are not at their default."""
        fields = type(self).model_fields
        return {name for name in fields if getattr(self, name) != fields[name].default}

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        changed_keys = [
            name for name in ("folder", "features", "coordinates") if name in self.changed
        ]
        if self.tiles is not None and changed_keys:
            yield (
                f"{', '.join(changed_keys)}: only without `tiles`; the column `file` of"
                f" {self.slides} names the image of each slide"
            )
        if self.order == "grid" and (self.bag != "pad" or self.several != "largest"):
            yield (
                "order: grid needs `bag: pad` and `several: largest`: a grid has empty cells, and"
                " two slides have no common one"
            )

"""The section `histology` of the configuration: patch features of slides, and bags of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.base import Section


class HistologySection(Section):
    """Settings of the stage `histology`: features of patches, made into one bag for each person."""

    slides: str
    """Tab-separated table with the columns `participant_id` and `slide_id`, and perhaps `file`: the
    HDF5 file of the slide's features, relative to the table."""
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
        return [self.slides]

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.order == "grid" and (self.bag != "pad" or self.several != "largest"):
            yield (
                "order: grid needs `bag: pad` and `several: largest`: a grid has empty cells, and"
                " two slides have no common one"
            )

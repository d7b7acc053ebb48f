"""Images of slides: opened by OpenSlide, their scale, an overview, tiles of one scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gendmr.errors import ImageError, InputFileError

LONGEST = 2000  # pixels of an overview
AT_ONCE = 16_000_000  # pixels of a slide that are read at a time
FINER = 0.9  # tiles may be so much finer than the scan, by rounding of scales
OBLONG = 0.05  # by which pixels may differ from squares
OBJECTIVE = 10.0  # microns per pixel times magnification, about


@dataclass(frozen=True)
class SlideImage:
    """An open slide.

    Parameters
    ----------
    slide : OpenSlide or ImageSlide
    path : str
    mpp : float
        Microns per pixel of the scan.
    declared : bool
        The scale is that of the configuration, since the file has none.
    """

    slide: Any
    path: str
    mpp: float
    declared: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the scan."""
        width, height = self.slide.dimensions
        return int(width), int(height)

    @property
    def vendor(self) -> str:
        """Form of the file, as OpenSlide names it; `image` is no slide but a picture."""
        return str(self.slide.properties.get("openslide.vendor", "image"))

    def overview(self) -> np.ndarray:
        """Return the whole slide, its longer side of at most `LONGEST` pixels: uint8 (y, x, 3)."""
        width, height = self.size
        wanted = max(max(width, height) / LONGEST, 1.0)
        level = self.slide.get_best_level_for_downsample(wanted)
        across, down = self.slide.level_dimensions[level]
        columns, rows = max(round(width / wanted), 1), max(round(height / wanted), 1)
        step = down / rows  # rows of the level for one of the overview
        rows_at_once = max(int(AT_ONCE / (across * step)), 1)
        result = np.empty((rows, columns, 3), np.uint8)
        for first in range(0, rows, rows_at_once):
            last = min(first + rows_at_once, rows)
            top, bottom = first * step, min(last * step, down)
            start = math.floor(top)
            # OpenSlide places regions in pixels of the scan, by the one ratio that a level has.
            above = round(start * self.slide.level_downsamples[level])
            region = self._read(0, above, level, across, math.ceil(bottom) - start)
            box = (0, top - start, across, bottom - start)
            small = region.resize((columns, last - first), Image.Resampling.BOX, box=box)
            result[first:last] = np.asarray(small)
        return result

    def tile(self, x: int, y: int, side: int, pixels: int) -> np.ndarray:
        """Return a square of the slide at `pixels` x `pixels`, uint8 (y, x, 3).

        Parameters
        ----------
        x, y : int
            Upper left corner, pixels of the scan.
        side : int
            Pixels of the scan.
        pixels : int
        """
        # A level at most as coarse as the tile; a hair more is the rounding of scales.
        level = self.slide.get_best_level_for_downsample(side / pixels * 1.01)
        inside = side / self.slide.level_downsamples[level]
        read = max(math.ceil(inside - 0.01), 1)
        region = self._read(x, y, level, read, read)
        if read == pixels:
            return np.asarray(region)
        edge = min(inside, read)
        small = region.resize((pixels, pixels), Image.Resampling.BILINEAR, box=(0, 0, edge, edge))
        return np.asarray(small)

    def _read(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """Return a region in colours, on white where nothing was scanned."""
        import openslide

        try:
            region: Image.Image = self.slide.read_region((x, y), level, (width, height))
        except (openslide.OpenSlideError, OSError) as error:
            raise ImageError(
                f"{self.path}: not readable at {x}, {y} ({error})",
                cause="a damaged or cut file",
                next_step="copy the slide again, or name it in `histology: exclude:`",
            ) from error
        if region.mode == "RGBA":
            white = Image.new("RGBA", region.size, (255, 255, 255, 255))
            region = Image.alpha_composite(white, region)
        return region.convert("RGB")


@contextmanager
def opened_slide(path: str, unknown_mpp: float | None) -> Iterator[SlideImage]:
    """Open a slide, or a picture of a region.

    Parameters
    ----------
    path : str
    unknown_mpp : float, optional
        Microns per pixel where the file does not tell.

    Raises
    ------
    InputFileError
        The file is missing, damaged, or no image.
    ImageError
        Nobody says at which scale it was scanned, or its pixels are no squares.
    """
    import openslide

    if not Path(path).is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="a slide that was not fetched, or another folder",
            next_step=f"check the path: ls -l {path}",
        )
    try:
        slide = openslide.open_slide(path)
    except (openslide.OpenSlideError, OSError, Image.DecompressionBombError) as error:
        raise InputFileError(
            f"{path}: no slide that OpenSlide reads, and no picture ({error})",
            cause="a damaged or cut file, features in the place of an image, or a form of image"
            " that OpenSlide does not know",
            next_step="copy the slide again, convert it to a pyramidal TIFF, or name it in"
            " `histology: exclude:`",
        ) from error
    try:
        yield SlideImage(slide, path, *_scale(slide, path, unknown_mpp))
    finally:
        slide.close()


def _scale(slide: Any, path: str, unknown_mpp: float | None) -> tuple[float, bool]:
    """Return microns per pixel, and whether the configuration says so."""
    named = (slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy")
    x, y = (float(text) if text else 0.0 for text in named)
    if not (x > 0 and y > 0):
        if unknown_mpp is not None:
            return unknown_mpp, True
        power = slide.properties.get("openslide.objective-power")
        guess = ""
        if power:
            guess = f"; an objective of {power} times has about {OBJECTIVE / float(power):.2g}"
        raise ImageError(
            f"{path}: the file does not say how many microns a pixel has{guess}",
            cause="a picture or a converted slide, whose scale was lost",
            next_step="find it out, and set `histology: tiles: unknown_mpp:`",
        )
    if abs(x / y - 1) > OBLONG:
        raise ImageError(
            f"{path}: a pixel is {x:g} x {y:g} microns",
            cause="a stretched image, or wrong metadata",
            next_step="convert the slide to square pixels, or name it in `histology: exclude:`",
        )
    return math.sqrt(x * y), False


def side_of(image: SlideImage, mpp: float, pixels: int) -> int:
    """Return the side of a tile in pixels of the scan.

    Raises
    ------
    ImageError
        Tiles would be finer than the scan, or no tile fits on the slide.
    """
    if mpp < FINER * image.mpp:
        raise ImageError(
            f"{image.path}: scanned at {image.mpp:.3g} microns a pixel, and tiles are wanted at"
            f" {mpp:g}",
            cause="a scan of a lower magnification than the others",
            next_step=f"set `histology: tiles: mpp: {image.mpp:.3g}` or more, or name the slide in"
            " `histology: exclude:`",
        )
    side = max(round(pixels * mpp / image.mpp), 1)
    if side > min(image.size):
        raise ImageError(
            f"{image.path}: {image.size[0]} x {image.size[1]} pixels, smaller than a tile of"
            f" {side} x {side}",
            cause="a thumbnail or a label in the place of a slide, or a small region",
            next_step="check the image, take a smaller `histology: tiles: size:`, or name it in"
            " `histology: exclude:`",
        )
    return side

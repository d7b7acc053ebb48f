"""One image of a slide: tissue, tiles, their features, and a picture of what was done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from PIL import Image

from gendmr.config.histology import TilesSection
from gendmr.errors import ConfigurationError, ImageError, InputFileError, ModelError
from gendmr.files.atomic import atomic_path, sha256, write_json
from gendmr.histology.backbone import describe, read_network
from gendmr.histology.image import SlideImage, opened_slide, side_of
from gendmr.histology.slides import DESCRIPTION, FEATURES, PICTURE
from gendmr.histology.tiles import covered, grid
from gendmr.histology.tissue import TissueMask, find_tissue
from gendmr.histology.tissue_figure import draw_tissue

if TYPE_CHECKING:
    import torch

MASK_MPP = 8.0  # microns per pixel at which tissue is told from glass


def extract_features(slide: str, path: str, section: TilesSection, output: Path) -> dict[str, Any]:
    """Write features.h5, tiles.json and tissue.png of one slide; return what tiles.json holds.

    features.h5 is what CLAM and TRIDENT write: `features` float32 (tile, feature) and `coords`
    int64 (tile, 2), x and y of the upper left corner in pixels of the scan. A slide that cannot be
    used leaves no tile and the reason in tiles.json: it is one slide's trouble.

    Parameters
    ----------
    slide : str
        Its name.
    path : str
        The image.
    section : TilesSection
    output : Path
        Folder of this slide.

    Raises
    ------
    ConfigurationError, InputFileError, ModelError
        Backbone or weights cannot be used, which is every slide's trouble; see `read_network`.
    """
    network, unused = _network(section)
    width = _features_of(network, section)
    description: dict[str, Any] = {
        "slide": slide,
        "backbone": section.backbone,
        "layer": section.layer,
        "weights_sha256": sha256(Path(section.weights)),
        "unused_weights": unused,
        "features": width,
        "tiles": 0,
    }
    features, corners = np.zeros((0, width), np.float32), np.zeros((0, 2))
    attributes: dict[str, Any] = {}
    try:
        with opened_slide(path, section.unknown_mpp) as image:
            features, corners, attributes = _described(image, network, section, description, output)
    except (InputFileError, ImageError) as error:
        description["refused"] = {"what": error.what, "cause": error.cause, "next": error.next_step}
        draw_tissue(output / PICTURE, slide, None, error.what)
    _write(output / FEATURES, features, corners, attributes)
    write_json(output / DESCRIPTION, description)
    return description


def _network(section: TilesSection) -> tuple[torch.nn.Module, int]:
    import torch

    # Sums of a convolution depend on the number of threads; slides run side by side instead.
    torch.set_num_threads(1)
    network, unused = read_network(section)
    if section.gpu:
        if not torch.cuda.is_available():
            raise ConfigurationError(
                "histology.tiles.gpu: there is no CUDA device here",
                next_step="set `histology: tiles: gpu: false`, or run on a machine with one",
            )
        network = network.cuda()
    return network, unused


def _features_of(network: torch.nn.Module, section: TilesSection) -> int:
    """Return the number of features of a tile."""
    grey = np.zeros((1, section.size, section.size, 3), np.uint8)
    return int(describe(network, grey, section).shape[1])


def _described(
    image: SlideImage,
    network: torch.nn.Module,
    section: TilesSection,
    description: dict[str, Any],
    output: Path,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return features and corners of the tiles of tissue; add to the description of the slide."""
    side = side_of(image, section.mpp, section.size)
    overview = image.overview()
    mask = _tissue(overview, image)
    corners = grid(*image.size, side)
    tissue = covered(mask.tissue, corners, side, image.size)
    pen = covered(mask.pen, corners, side, image.size)
    selected = (tissue >= section.tissue) & (pen <= section.pen)
    marked = int(((tissue + pen >= section.tissue) & (pen > section.pen)).sum())
    area = image.size[0] * image.size[1] * (image.mpp / 1000) ** 2
    description |= {
        "vendor": image.vendor,
        "width": image.size[0],
        "height": image.size[1],
        "mpp": round(image.mpp, 5),
        "mpp_declared": image.declared,
        "tile_side": side,
        "grid": len(corners),
        "tiles": int(selected.sum()),
        "tiles_marked": marked,
        "tissue_mm2": round(area * float(mask.tissue.mean()), 4),
        "pen_share": round(float(mask.pen.mean()), 5),
        "saturation": mask.threshold,
    }
    corners = corners[selected]
    draw_tissue(
        output / PICTURE, str(description["slide"]), (overview, mask, corners, side, image), ""
    )
    features = np.zeros((len(corners), int(description["features"])), np.float32)
    for first, tiles in _batches(image, corners, side, section):
        features[first : first + len(tiles)] = describe(network, tiles, section)
    if len(features) > 1 and not np.ptp(features, axis=0).any():
        raise ModelError(
            f"{section.weights}: all {len(features)} tiles of {image.path} have the same features",
            cause="weights that are all 0, or of another network",
            next_step="take other weights",
        )
    attributes = {
        "patch_size": section.size,
        "patch_size_level0": side,
        "overlap": 0,
        "level0_width": image.size[0],
        "level0_height": image.size[1],
        "mpp": image.mpp,
        "name": str(description["slide"]),
    }
    return features, corners, attributes


def _tissue(overview: np.ndarray, image: SlideImage) -> TissueMask:
    """Return masks of tissue and pen, at about `MASK_MPP`, or coarser where the overview is."""
    coarser = MASK_MPP / (image.mpp * image.size[0] / overview.shape[1])
    size = [max(round(length / max(coarser, 1.0)), 1) for length in overview.shape[1::-1]]
    small = Image.fromarray(overview).resize((size[0], size[1]), Image.Resampling.BOX)
    return find_tissue(np.asarray(small), image.mpp * image.size[0] / size[0])


def _batches(
    image: SlideImage, corners: np.ndarray, side: int, section: TilesSection
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of the first tile and tiles, uint8 (tile, y, x, 3)."""
    for first in range(0, len(corners), section.batch):
        some = corners[first : first + section.batch]
        yield first, np.stack([image.tile(int(x), int(y), side, section.size) for x, y in some])


def _write(
    path: Path, features: np.ndarray, corners: np.ndarray, attributes: dict[str, Any]
) -> None:
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path))
        stored = stack.enter_context(h5py.File(temporary, "w"))
        stored.create_dataset("features", data=features, track_times=False)
        places = stored.create_dataset("coords", data=corners.astype(np.int64), track_times=False)
        places.attrs.update(attributes)

"""What can be said of atlas, masks and measurements before an image is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gendmr.config.imaging import AtlasFiles, ImagingSection, LabelledHeads
from gendmr.errors import InputFileError, first_few
from gendmr.imaging.atlas import load_atlas
from gendmr.imaging.bids import find_images
from gendmr.imaging.heads import check_heads
from gendmr.imaging.measurements import checked_measurements


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield a check of the atlas, of the masks, and of the measurements.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `imaging` is among them.
    """
    imaging = ImagingSection.parse(dict(stages["imaging"]), where="imaging")
    if isinstance(imaging.atlas, AtlasFiles):
        yield partial(load_atlas, imaging.atlas)
    if isinstance(imaging.atlas, LabelledHeads):
        yield partial(check_heads, imaging.atlas)
    if imaging.measured_paths:
        yield partial(checked_measurements, imaging)
    if imaging.bids and imaging.mask:
        yield partial(check_masks, imaging)


def check_masks(imaging: ImagingSection) -> None:
    """Refuse a pattern of masks that names none: one person's mask is for the stage to list.

    Raises
    ------
    InputFileError
        No participant has a mask.
    """
    images = find_images(str(imaging.bids), exclude=imaging.exclude, wanted=imaging.select.wanted())
    paths = [str(imaging.mask_of(participant)) for participant in images]
    if not any(Path(path).is_file() for path in paths):
        raise InputFileError(
            f"none of {len(paths)} participants has a mask: {first_few(paths, 2)}",
            cause="another folder, or another form of names",
            next_step="write in `imaging: mask:` the path of a mask, {participant} standing for the"
            " label without sub-",
        )

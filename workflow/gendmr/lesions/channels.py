"""Channels of a volume that say something, and what normalises each; which voxels are lesion."""

from __future__ import annotations

import numpy as np

from gendmr.config.lesions import LesionsSection
from gendmr.errors import ModalityError, first_few

BINARY = {1, 255}  # two habits of writing the same mask


def known_channels(image: np.ndarray, section: LesionsSection) -> tuple[np.ndarray, list[str]]:
    """Find channels that are constant or copies of another.

    Parameters
    ----------
    image : number (channel, slice, row, column)
    section : LesionsSection

    Returns
    -------
    known : bool (channel,)
    copies : list of str
        `post=flair`, `t1=constant`, of those that are not known.

    Raises
    ------
    ModalityError
        All channels are constant.
    """
    names = section.channels
    first = names.index(section.reference) if section.reference is not None else 0
    order = sorted(range(len(names)), key=lambda place: (place != first, place))
    channel_known = np.array([bool((channel != channel.flat[0]).any()) for channel in image])
    if not channel_known.any():
        raise ModalityError(
            f"all {len(names)} channels are constant",
            cause="an empty image, or masks in the place of images",
            next_step="restore the images, or name the person in `lesions: exclude:`",
        )
    copies = dict.fromkeys(np.flatnonzero(~channel_known).tolist(), "constant")
    originals: list[int] = []
    for place in order:
        if channel_known[place]:
            matches = [
                original for original in originals if np.array_equal(image[original], image[place])
            ]
            if matches:
                channel_known[place], copies[place] = False, names[matches[0]]
            else:
                originals.append(place)
    return channel_known, [f"{names[place]}={copies[place]}" for place in sorted(copies)]


def normalisation_of(image: np.ndarray, known: np.ndarray, section: LesionsSection) -> np.ndarray:
    """Return limits, mean and SD after clipping to them, float64 (channel, 4).

    Of channels that are not known: 0, 0, 0, 1.

    Raises
    ------
    ModalityError
        The two percentiles of a channel are equal.
    """
    statistics = np.tile([0.0, 0.0, 0.0, 1.0], (len(image), 1))
    for place in np.flatnonzero(known):
        low, high = np.percentile(image[place], section.percentiles)
        if not low < high:
            raise ModalityError(
                f"channel {section.channels[place]}: the percentiles {section.percentiles[0]:g} and"
                f" {section.percentiles[1]:g} are both {low:g}",
                cause="an image that is nearly everywhere background",
                next_step="widen `lesions: percentiles:`, for example to [0.0, 100.0]",
            )
        clipped = np.clip(image[place], low, high).astype(np.float64)
        statistics[place] = low, high, clipped.mean(), clipped.std()
    return statistics


def lesion_of(labels: np.ndarray, section: LesionsSection) -> tuple[np.ndarray, str]:
    """Return which voxels are lesion, uint8, and the values of the mask: `0/255`.

    Parameters
    ----------
    labels : int (slice, row, column)
    section : LesionsSection

    Raises
    ------
    ModalityError
        A value is not declared, or nothing says which of several values are lesion.
    """
    values = [int(value) for value in np.unique(labels)]
    written = "/".join(map(str, values))
    foreground = sorted(set(values) - set(section.background))
    if section.lesion:
        undeclared = sorted(set(foreground) - set(section.lesion))
        if undeclared:
            raise ModalityError(
                f"the mask holds {first_few(undeclared)}, named neither in `lesion` nor in"
                " `background`",
                cause="labels of another scheme, or a picture in the place of a mask",
                next_step="name these values in `lesions: lesion:` or `lesions: background:`",
            )
        return np.isin(labels, section.lesion).astype(np.uint8), written
    if len(foreground) > 1 and not _two_habits(labels, set(foreground)):
        raise ModalityError(
            f"the mask holds {first_few(foreground)}, and nothing says which of them are lesion",
            cause="several tissues in one label map (as in BraTS), or grey edges of a picture",
            next_step="name the values that are lesion in `lesions: lesion:`, the others in"
            " `lesions: background:`",
        )
    return np.isin(labels, foreground).astype(np.uint8), written


def _two_habits(labels: np.ndarray, foreground: set[int]) -> bool:
    """Return whether some slices write 1 and others 255, and no slice both."""
    return foreground == BINARY and not any(
        bool((plane == 1).any() and (plane == 255).any()) for plane in labels
    )

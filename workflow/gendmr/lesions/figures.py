"""Sizes and contrasts of the lesions of a cohort, and a picture for each person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gendmr import style
from gendmr.files.atomic import atomic_path
from gendmr.files.lesions import LesionVolume, normalised

LARGEST = 256  # pixels of a side in a picture
DARKEST, BRIGHTEST = -1.5, 3.0  # SDs of the volume
OUTLINE = (255, 120, 0)


def draw_lesions(measures: xr.Dataset, quality: pd.DataFrame, path: Path) -> Any:
    """Draw the size of everybody's lesions, and their contrast by channel; return the figure.

    Parameters
    ----------
    measures : Dataset
        See `gendmr.files.lesions.LESIONS`.
    quality : DataFrame
        `participant_id`, `outlier`.
    path : Path
        The PNG.
    """
    figure, (left, right) = style.canvas(
        1, 2, size=(style.PAGE, style.PAGE * 0.36), layout="constrained"
    )
    values = measures["value"].values
    flags = quality.set_index("participant_id")["outlier"].astype(bool)
    flagged = flags.loc[measures["participant"].values.tolist()].to_numpy()
    order = np.argsort(values[:, 0], kind="stable")
    place = np.arange(len(order))
    for selected, colour, words in (
        (~flagged[order], style.BLUE, "measured"),
        (flagged[order], style.ORANGE, "flagged"),
    ):
        if selected.any():
            left.plot(place[selected], values[order, 0][selected], ".", color=colour, label=words)
    left.set(xlabel="people, by size", ylabel=f"size, {measures['unit'].values[0]}")
    if flagged.any():
        left.legend()
    names = [str(name) for name in measures["lesion"].values]
    channels = [at for at, name in enumerate(names) if name.startswith("contrast_")]
    for row, column in enumerate(channels):
        finite = np.isfinite(values[:, column])
        # Spread by rank, so that the picture has the same bytes each time.
        height = row + 0.5 * ((np.arange(finite.sum()) * 0.618034) % 1 - 0.5)
        right.plot(values[finite, column], height, ".", color=style.BLUE)
    right.axvline(0, color=style.GREY, linewidth=0.8)
    right.set_yticks(
        range(len(channels)),
        [style.short(names[column].removeprefix("contrast_")) for column in channels],
    )
    right.set(xlabel="lesion minus the rest, SDs of the volume", ylim=(len(channels) - 0.4, -0.6))
    style.save(figure, path, crop=False)
    return figure


def draw_person(
    participant: str, volume: LesionVolume, channels: tuple[str, ...], folder: Path
) -> None:
    """Draw the slice with most lesion in each channel, the mask outlined, `<participant>.png`."""
    from PIL import Image, ImageDraw

    most = int(volume.mask.sum(axis=(1, 2)).argmax())
    if not volume.mask.any():
        most = len(volume.mask) // 2
    step = max(1, -(-max(volume.mask.shape[1:]) // LARGEST))
    lesion = volume.mask[most, ::step, ::step].astype(bool)
    image = normalised(
        volume.image[:, most, ::step, ::step], volume.normalisation, np.ones(len(channels), bool)
    )
    grey = np.clip((image - DARKEST) / (BRIGHTEST - DARKEST), 0, 1) * 255
    edge = lesion & ~_eroded(lesion)
    panels = []
    for plane in grey:
        panel = np.repeat(plane[..., None].astype(np.uint8), 3, axis=-1)
        panel[edge] = OUTLINE
        # Rows of NIfTI run from posterior to anterior; pictures show anterior on top.
        panels.append(panel[::-1] if np.isfinite(volume.affine).all() else panel)
    strip = np.concatenate(panels, axis=1)
    picture = Image.new("RGB", (max(strip.shape[1], 240), strip.shape[0] + 36), "white")
    picture.paste(Image.fromarray(strip), (0, 36))
    draw = ImageDraw.Draw(picture)
    title = f"{participant[:40]}, slice {volume.slice_number[most]}"
    draw.text((4, 3), title.encode("latin-1", "replace").decode("latin-1"), fill="black")
    for place, name in enumerate(channels):
        words = name if volume.channel_known[place] else f"{name} (not used)"
        text = words[: max(4, grey.shape[2] // 7)].encode("latin-1", "replace").decode("latin-1")
        draw.text((4 + place * grey.shape[2], 19), text, fill="black")
    with atomic_path(folder / f"{participant}.png") as temporary:
        picture.save(temporary, "PNG")


def _eroded(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    return np.asarray(binary_erosion(mask))

"""The brain mask of a whole head by the networks of deepbet (MIT).

Its package holds the weights of two networks, so that nothing is downloaded. Only these are used:
importing the package would load a library under the LGPL. They are TorchScript, an archive whose
graph is interpreted by torch and which, unlike a pickle, calls no Python.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from gendmr.errors import ImageError, ToolError

if TYPE_CHECKING:
    import torch

# What the networks were trained on: a thinned head, then the box of its brain.
HEAD_SHAPE = (128, 128, 128)
BRAIN_SHAPE = (256, 256, 256)
MARGIN = 0.1
# Planes of the thinned mask whose share of brain is below it do not count for the box.
PLANE_SHARE = 0.02
NEXT_STEP = "pip install --no-deps deepbet, or `imaging: brain: template`"


def brain_probability(head: np.ndarray) -> np.ndarray:
    """Return what the networks take for brain.

    The first network sees the whole head, thinned, and gives the box of the brain; the second sees
    this box. On a GPU where there is one.

    Parameters
    ----------
    head : (i, j, k) float32
        Intensities, axes in the order RAS+.

    Returns
    -------
    (i, j, k) float32
        0 to 1; 0 outside the box.

    Raises
    ------
    ToolError
        The weights are not installed.
    ImageError
        The first network finds no brain.
    """
    import torch
    from torch.nn.functional import interpolate

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Sums of several threads are made in changing order: one keeps the same bytes.
    torch.set_num_threads(1)
    image = torch.from_numpy(head).to(device)[None, None]
    with torch.inference_mode():
        thinned = interpolate(image, HEAD_SHAPE, mode="nearest-exact")
        low, high = thinned.quantile(0.005), thinned.quantile(0.995)
        rough = _load("bbox_model.pt", device)(_normalised(thinned, low, high))[0, 1]
        box = _box(largest_part(rough.cpu().numpy() > 0.5), head.shape)
        part = image[(slice(None), slice(None), *box)]
        detail = interpolate(part, BRAIN_SHAPE, mode="nearest-exact")
        fine = _load("model.pt", device)(_normalised(detail, low, high))[:, 1:2]
        whole = np.zeros(head.shape, np.float32)
        whole[box] = interpolate(fine, part.shape[2:], mode="nearest-exact")[0, 0].cpu().numpy()
    return whole


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part (by faces) of a mask; an empty mask stays empty."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))


def _load(name: str, device: torch.device) -> torch.jit.ScriptModule:
    import torch

    try:
        files = metadata.files("deepbet") or []
    except metadata.PackageNotFoundError:
        files = []
    paths = [Path(str(file.locate())) for file in files if file.name == name]
    if not paths or not paths[0].is_file():
        raise ToolError(
            f"deepbet, whose package holds the network {name}, is not installed",
            cause="the environment of the stage `imaging` is incomplete",
            next_step=NEXT_STEP,
        )
    try:
        module: torch.jit.ScriptModule = torch.jit.load(str(paths[0]), map_location=device)  # type: ignore[no-untyped-call]
        module.eval()
        return module
    except RuntimeError as error:
        raise ToolError(
            f"{paths[0]}: not readable as TorchScript ({str(error).splitlines()[0]})",
            cause="an installation that broke off",
            next_step=NEXT_STEP,
        ) from error


def _normalised(image: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    scaled = ((image - low) / (high - low)).clamp(min=0, max=1)
    # The constants belong to the weights: mean and spread that they were trained with.
    return 0.226 * ((scaled - scaled.mean()) / scaled.std()) + 0.449


def _box(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    box = []
    for axis, length in enumerate(shape):
        other_axes = tuple(other_axis for other_axis in range(3) if other_axis != axis)
        planes = np.flatnonzero(mask.mean(axis=other_axes) > PLANE_SHARE)
        if planes.size == 0:
            raise ImageError(
                "the network finds no brain",
                cause="not a T1w image of a head, or its contrast is inverted",
                next_step="look at the scan; give a mask: `imaging: brain: given`",
            )
        first, last = int(planes[0]), int(planes[-1]) + 1
        # Rounded in the order of the original: another box is another sampling of the head.
        scale = np.float32(length) / np.float32(mask.shape[axis])
        centre = float(np.round(scale * np.float32((last + first) / 2)))
        size = float(np.round(np.float32(1 + 2 * MARGIN) * (scale * np.float32(last - first))))
        low, high = int(centre - size / 2), int(centre + size / 2)
        box.append(slice(max(0, low), min(high, length)))
    return tuple(box)

"""The connectome of the group by network, and a picture for each person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gendmr import style
from gendmr.connectivity.components import RegionTable
from gendmr.connectivity.scan import FunctionalScan
from gendmr.statistics.connectivity import to_matrix

PICTURE = 232  # pixels
NAMED = 12  # networks that are named beside the matrix


def draw_connectome(correlation: np.ndarray, components: RegionTable, path: Path) -> Any:
    """Draw the mean over people of the correlations, regions sorted by network; return the figure.

    Parameters
    ----------
    correlation : float64 (person, pair)
    components : RegionTable
    path : Path
        The PNG.
    """
    has_value = np.isfinite(correlation)
    total = np.where(has_value, correlation, 0.0).sum(axis=0)
    count = has_value.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    matrix = to_matrix(mean, diagonal=np.nan)
    domains = components.domains
    place = np.array([domains.index(str(name)) for name in components.table["domain"]])
    order = np.argsort(place, kind="stable")
    figure, axes = style.canvas(size=(style.COLUMN, style.COLUMN * 0.9), layout="constrained")
    image = axes.imshow(matrix[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    sizes = np.bincount(place, minlength=len(domains))
    ends = np.cumsum(sizes)
    if 1 < len(domains) <= NAMED:
        for end in ends[:-1]:
            axes.axhline(end - 0.5, color="black", linewidth=0.4)
            axes.axvline(end - 0.5, color="black", linewidth=0.4)
        axes.set_yticks(ends - sizes / 2 - 0.5, [style.short(name) for name in domains])
        axes.set_xticks([])
    else:
        axes.set(xlabel="region", ylabel="region")
    axes.set_title(f"mean of {len(correlation)} people, {len(components)} regions")
    figure.colorbar(image, ax=axes, label="correlation", shrink=0.8)
    style.save(figure, path, crop=False)
    return figure


def draw_people(scans: list[FunctionalScan], folder: Path) -> None:
    """Write a picture of each person: the matrix and, where they were read, the signals."""
    import matplotlib
    from PIL import Image, ImageDraw

    from gendmr.files.atomic import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    colours, greys = matplotlib.colormaps["RdBu_r"], matplotlib.colormaps["gray"]
    for scan in scans:
        if scan.correlation is None:
            continue
        panels = [colours((to_matrix(scan.correlation) + 1) / 2)]
        if scan.signals is not None:
            panels.append(greys((scan.signals.T + 2) / 4))
        picture = Image.new("RGB", (len(panels) * (PICTURE + 8) + 8, PICTURE + 32), "white")
        for number, panel in enumerate(panels):
            tile = Image.fromarray((panel[..., :3] * 255).astype(np.uint8))
            picture.paste(tile.resize((PICTURE, PICTURE)), (8 + number * (PICTURE + 8), 24))
        caption = [
            f"{scan.participant[:24]}",
            f"{scan.volumes} volumes" if scan.volumes >= 0 else "",
        ]
        caption.append(f"{scan.motion:.2f} mm" if np.isfinite(scan.motion) else "")
        text = "   ".join(filter(None, caption)).encode("latin-1", "replace").decode("latin-1")
        ImageDraw.Draw(picture).text((8, 6), text, fill="black")
        with atomic_path(folder / f"{scan.participant}.png") as temporary:
            picture.save(temporary, "PNG")

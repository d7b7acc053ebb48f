"""The matrix of cosines between images and genes of held-out people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gendmr import style
from gendmr.methods.absent_figure import draw_absent


def draw_retrieval(path: Path, similarity: np.ndarray, hospital: np.ndarray) -> None:
    """Draw cosines, people of a hospital side by side; the own genes lie on the diagonal.

    Parameters
    ----------
    path : Path
        PNG to write.
    similarity : float (person, person)
        Of image i and genes j.
    hospital : text (person,)
    """
    if not len(hospital):
        draw_absent(path, "no cosines: nobody has images and genes")
        return
    order = np.argsort(hospital, kind="stable")
    figure, axis = style.canvas(1, 1, size=(3.6, 3.0), layout="constrained")
    image = axis.imshow(similarity[np.ix_(order, order)], cmap="viridis", interpolation="nearest")
    for place in np.flatnonzero(hospital[order][1:] != hospital[order][:-1]):
        axis.axhline(place + 0.5, color="white", linewidth=0.8)
        axis.axvline(place + 0.5, color="white", linewidth=0.8)
    axis.set_xlabel("genes of held-out people")
    axis.set_ylabel("images of the same people")
    axis.set_xticks([])
    axis.set_yticks([])
    figure.colorbar(image, ax=axis, label="cosine")
    style.save(figure, path, vector=False)

"""What stands in place of a figure of held-out people where none of them has what it shows."""

from __future__ import annotations

from pathlib import Path

from gendmr import style


def draw_absent(path: Path, text: str) -> None:
    """Write a PNG of one line: files that are outputs of a job are there whoever is held out.

    Parameters
    ----------
    path : Path
    text : str
        What is not there, and why.
    """
    figure, axis = style.canvas(1, 1, size=(3.6, 0.8), layout="constrained")
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center")
    style.save(figure, path, vector=False)

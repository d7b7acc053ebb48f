"""A figure of a study, which a notebook shows."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from gendmr.files.seal import verify

WIDTH = slice(16, 20)  # of a PNG, where its header has the width in pixels
DENSITY = 2  # pixels of a file for one of a page: 3.4 inches of a journal are 510 pixels wide


@dataclass(frozen=True)
class Figure:
    """A figure: the last line of a cell shows it, `display(figure)` any other.

    Parameters
    ----------
    name : str
        `report/roc`, `ranking/<method>/genome`.
    path : Path
        The PNG, 300 dots per inch.
    """

    name: str
    path: Path

    @property
    def svg(self) -> Path | None:
        """The same as SVG, for papers and slides; None where the figure has none."""
        path = self.path.with_suffix(".svg")
        return path if path.is_file() else None

    def __repr__(self) -> str:
        return f"<figure {self.name}>"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """Return the picture and its width for IPython."""
        verify(self.path)
        picture = self.path.read_bytes()
        width = int.from_bytes(picture[WIDTH], "big") // DENSITY
        encoded = base64.b64encode(picture).decode()
        return {"image/png": encoded, "text/plain": repr(self)}, {"image/png": {"width": width}}

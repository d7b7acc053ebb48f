"""Places of genes along the genome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gendmr.errors import InputFileError, ModalityError, first_few
from gendmr.files.tables import Kind, read_table

LETTERS = {"X": 23, "Y": 24, "XY": 25, "M": 26, "MT": 26}
UNPLACED = 10_000  # patches and contigs come last, by name


def places_of(path: str | None, genes: Sequence[str]) -> np.ndarray:
    """Return the place of each gene along the genome, int64 (gene,); -1 where unknown.

    Parameters
    ----------
    path : str, optional
        Table with the columns `gene`, `chromosome` (`7`, `chr7`, `X`) and `start`, base pairs.
    genes : sequence of str

    Raises
    ------
    InputFileError, TableError
        The table is missing, lacks a column, or names a gene twice.
    ModalityError
        None of its genes is in the study.
    """
    places = np.full(len(genes), -1, dtype=np.int64)
    if path is None:
        return places
    if not Path(path).is_file():
        raise InputFileError(f"{path}: no such file", next_step="check expression.positions")
    kinds: dict[str, Kind] = {"gene": "text", "chromosome": "text", "start": "integer"}
    table = read_table(path, kinds, extra=True, key="gene").set_index("gene")
    placed = [name for name in genes if name in table.index]
    if not placed:
        raise ModalityError(
            f"{path}: none of its {len(table)} genes is among the {len(genes)} of the study; it has"
            f" {first_few(table.index)}, the study {first_few(genes)}",
            cause="symbols in the one, Ensembl identifiers in the other, or another species",
            next_step="give expression.symbols, or names as in the matrix",
        )
    keys = {
        str(name): (*_chromosome(str(chromosome)), int(start))
        for name, chromosome, start in zip(
            table.index, table["chromosome"], table["start"], strict=True
        )
    }
    order = sorted(placed, key=lambda name: (*keys[name], name))
    place = {name: number for number, name in enumerate(order)}
    return np.array([place.get(name, -1) for name in genes], dtype=np.int64)


def _chromosome(text: str) -> tuple[int, str]:
    name = text.removeprefix("chr").upper()
    return (int(name), "") if name.isdigit() else (LETTERS.get(name, UNPLACED), name)

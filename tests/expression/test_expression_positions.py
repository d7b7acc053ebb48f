"""Places of genes along the genome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gendmr.errors import InputFileError, ModalityError
from gendmr.expression.positions import places_of


def table(folder: Path, *rows: str) -> str:
    path = folder / "positions.tsv"
    path.write_text("\n".join(["gene\tchromosome\tstart", *rows]) + "\n")
    return str(path)


def test_places_of__follow_chromosomes_then_base_pairs(tmp_path: Path) -> None:
    path = table(
        tmp_path, "b\tchr2\t5", "a\t10\t7", "c\t2\t400", "x\tX\t1", "m\tMT\t1", "n\tHG7\t2"
    )
    genes = ["m", "x", "a", "unknown", "c", "b", "n"]
    places = places_of(path, genes)
    assert places[3] == -1
    placed = np.array(genes)[np.argsort(places)][1:]
    assert placed.tolist() == ["b", "c", "a", "x", "m", "n"]
    assert places_of(None, ["a", "b"]).tolist() == [-1, -1]


def test_places_of__refuses_a_table_of_other_names(tmp_path: Path) -> None:
    path = table(tmp_path, "ENSG1\t1\t5")
    with pytest.raises(ModalityError, match="none of its 1 genes"):
        places_of(path, ["TP53"])
    with pytest.raises(InputFileError, match="no such file"):
        places_of(str(tmp_path / "absent.tsv"), ["TP53"])

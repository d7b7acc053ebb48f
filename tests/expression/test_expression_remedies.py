"""What an error of expression says to change is changed, and the matrices are joined then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.config.expression import ExpressionSection
from gendmr.errors import (
    GendmrError,
    IdentifierError,
    InputFileError,
    ModalityError,
    TableError,
)
from gendmr.expression.join import join_matrices
from remedies import both, each_part, mended, row

JOIN, MATRIX = "expression/join.py", "expression/matrix.py"
GROUPS, POSITIONS = "expression/groups.py", "expression/positions.py"


def levels(people: tuple[str, ...] = ("P1", "P2", "P3"), genes: str = "ABCD") -> pd.DataFrame:
    """Return log2 levels (gene, person), all different."""
    values = np.arange(len(genes) * len(people), dtype=float).reshape(len(genes), -1) / 4
    return pd.DataFrame(values, index=list(genes), columns=list(people))


class Inputs:
    """Matrices, files beside them, and what the section says of both; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = [levels()]
        self.matrix: dict[str, Any] = {"unit": "log2"}
        self.options: dict[str, Any] = {}

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def join(self) -> dict[str, Any]:
        entries = []
        for number, table in enumerate(self.tables):
            path = self.folder / f"matrix-{number}.tsv"
            table.to_csv(path, sep="\t", index_label="name")
            entries.append({"path": str(path), "platform": f"p{number}", **self.matrix})
        section = {"matrices": entries, **self.options}
        return join_matrices(ExpressionSection.parse(section), self.folder / "out")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    monkeypatch.setattr("gendmr.expression.figures.draw_quality", lambda *_: None)
    return Inputs(tmp_path)


Change = Callable[[Inputs], object]


def table(*tables: pd.DataFrame) -> Change:
    return lambda inputs: setattr(inputs, "tables", list(tables))


def unit(name: str, values: pd.DataFrame | None = None) -> Change:
    def change(inputs: Inputs) -> None:
        inputs.matrix["unit"] = name
        inputs.tables = inputs.tables if values is None else [values]

    return change


def drop(*columns: str) -> Change:
    return lambda inputs: inputs.matrix.update(drop=list(columns))


def option(name: str, value: Any) -> Change:
    return lambda inputs: inputs.options.update({name: value})


def named(name: str, text: str) -> Change:
    """A file of the section, with this text."""
    return lambda inputs: inputs.options.update({name: inputs.file(f"{name}.tsv", text)})


COUNTS = pd.DataFrame({"P1": [1, 3], "P2": [0, 0], "P3": [2, 9]}, index=["A", "B"])
DOUBLED = levels(genes="ABBC")
OTHER = levels(("Q1", "Q2"), "CDE")
ENSEMBL = levels(("Q1", "Q2")).set_axis([f"ENSG{n}" for n in range(4)])
SYMBOLS = "gene\tsymbol\n" + "".join(f"ENSG{n}\t{'ABCD'[n]}\n" for n in range(4))
LABELS = levels().assign(gene_type="protein")
WORD = levels().astype(str).replace("1.0", "low")
GENES = [f"G{number}" for number in range(120)]
MANY = pd.DataFrame(np.arange(240.0).reshape(120, 2) / 20, GENES, ["P1", "P2"])
CENTRED = levels() - 1.4

# The mistake, then what each part of the remedy changes.
ROWS = [
    row(GROUPS, "check expression.groups", InputFileError, option("groups", "absent.tsv"),
        named("groups", "gene\tgroup\nA\tKinases\n")),
    row(GROUPS, "write a row for each membership: gene<TAB>group", TableError,
        named("groups", "Kinases\n"), named("groups", "gene\tgroup\nA\tKinases\n")),
    row(GROUPS, "give expression.symbols, or names as in the matrix", ModalityError,
        both(table(ENSEMBL), named("groups", "gene\tgroup\nA\tKinases\n")),
        named("symbols", SYMBOLS), named("groups", "gene\tgroup\nENSG0\tKinases\n")),
    row(POSITIONS, "check expression.positions", InputFileError, option("positions", "absent.tsv"),
        named("positions", "gene\tchromosome\tstart\nA\t1\t5\n")),
    row(POSITIONS, "give expression.symbols, or names as in the matrix", ModalityError,
        both(table(ENSEMBL), named("positions", "gene\tchromosome\tstart\nA\t1\t5\n")),
        named("symbols", SYMBOLS), named("positions", "gene\tchromosome\tstart\nENSG0\t1\t5\n")),
    row(JOIN, "name them in expression.exclude, or take them out", ModalityError,
        unit("counts", COUNTS), option("exclude", ["P2"]), table(COUNTS.drop(columns="P2"))),
    row(JOIN, "look at expression.exclude and at the matrices", ModalityError,
        option("exclude", ["P1", "P2", "P3"]), option("exclude", ["P1"])),
    row(JOIN, "name every gene, or take it out", TableError, table(levels().rename({"B": ""})),
        table(levels()), table(levels().drop("B"))),
    row(JOIN, "leave one, or set expression.duplicates to highest_mean or first", TableError,
        both(table(DOUBLED), option("duplicates", "stop")), table(DOUBLED.iloc[[0, 1, 3]]),
        option("duplicates", "highest_mean"), option("duplicates", "first")),
    row(JOIN, "leave each person in one of them", ModalityError,
        table(levels(), levels(("P3", "P4"))), table(levels(), levels(("P4", "P5")))),
    row(JOIN, "give expression.symbols, or set expression.missing_genes to drop", ModalityError,
        both(table(levels(), OTHER), option("missing_genes", "stop")),
        option("missing_genes", "drop")),
    row(JOIN, "give expression.symbols: no gene is in all of them", ModalityError,
        table(levels(), ENSEMBL), named("symbols", SYMBOLS)),
    row(JOIN, "identifiers there: ", InputFileError, option("exclude", ["P9"]),
        option("exclude", ["P1"])),
    row(MATRIX, "its columns are ", TableError, drop("kind"), drop("P1")),
    row(MATRIX, "give log2(x + 1), or the numbers before the logarithm", ModalityError,
        table(levels().replace(1.0, -np.inf)), table(levels()), unit("tpm", 2.0 ** levels())),
    row(MATRIX, "leave one sample for each person", TableError, table(levels().iloc[:, [0, 0, 1]]),
        table(levels().iloc[:, [0, 1]])),
    row(MATRIX, "name such columns in drop, or write n/a where a number is unknown", TableError,
        table(LABELS), drop("gene_type")),
    row(MATRIX, "name such columns in drop, or write n/a where a number is unknown", TableError,
        table(WORD), table(WORD.replace("low", "n/a"))),
    row(MATRIX, "set unit to log2 or z, or give the numbers before the logarithm", ModalityError,
        unit("tpm", CENTRED), unit("log2"), unit("z"), table(2.0**CENTRED)),
    row(MATRIX, "set unit to log2", ModalityError, unit("tpm", MANY), unit("log2")),
    row(MATRIX, "set unit to what they are", ModalityError, unit("counts", levels() + 0.1),
        unit("tpm")),
    row(MATRIX, "set unit to what they are", ModalityError, unit("tpm", (MANY * 1e6).round()),
        unit("counts")),
    row(MATRIX, "set unit to what they are", ModalityError, unit("log2", levels() * 1000),
        unit("tpm")),
    row(MATRIX, "set unit to what they are", ModalityError, unit("z", levels() + 1), unit("log2")),
    row(MATRIX, "rename these people in the matrix", IdentifierError,
        table(levels().rename(columns={"P1": "../P1"})), table(levels())),
    row("files/spreadsheets.py", "or write the names of today:", TableError,
        table(levels().rename({"A": "1-Mar", "B": "2-Sep"})),
        table(levels().rename({"A": "MARCHF1", "B": "SEPTIN2"}))),
]  # fmt: skip


@each_part(("module", "remedy", "error", "wrong", "mending"), ROWS)
def test_join_matrices__after_each_part_of_its_remedy(
    inputs: Inputs,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    wrong(inputs)
    with mended(module, remedy, error, inputs.join):
        mending(inputs)


def test_join_matrices__a_file_and_a_form_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "matrix.tsv"
    entry = {"path": str(path), "unit": "log2"}

    def join() -> None:
        join_matrices(ExpressionSection.parse({"matrices": [entry]}), tmp_path / "out")

    words = "check expression.matrices in the configuration"
    with mended(MATRIX, words, InputFileError, join):
        entry["path"] = str(tmp_path / "other.csv")
        levels().to_csv(entry["path"])
    words = "give a table with tabs or commas, compressed by gzip or not"
    path.write_bytes(b"\xff\xfe\x00binary\n")
    entry["path"] = str(path)
    with mended(MATRIX, words, InputFileError, join):
        entry["path"] = str(tmp_path / "matrix.tsv.gz")
        levels().to_csv(entry["path"], sep="\t")

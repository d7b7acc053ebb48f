"""Matrices of expression become one order of genes, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.expression import ExpressionSection
from gendmr.errors import ConfigurationError, GendmrError, ModalityError, TableError
from gendmr.expression.join import join_matrices
from gendmr.files.datasets import read_dataset
from gendmr.files.expression import EXPRESSION
from gendmr.files.tables import read_table

GENES = ["ENSG00000141510.16", "EGFR", "PTEN", "IDH1"]
PEOPLE = ["P1", "P2", "P3"]


def levels(people: list[str] = PEOPLE, genes: list[str] = GENES) -> pd.DataFrame:
    """Return log2 levels (gene, person), all different."""
    values = np.arange(len(genes) * len(people), dtype=float).reshape(len(genes), -1) / 4
    return pd.DataFrame(values, index=genes, columns=people)


def section(folder: Path, *tables: pd.DataFrame, **more: Any) -> ExpressionSection:
    """Write matrices of genes and return a section that names them."""
    entries = []
    common = {name: more.pop(name) for name in ("unit", "rows", "drop") if name in more}
    for number, table in enumerate(tables):
        path = folder / f"matrix-{number}.tsv"
        table.to_csv(path, sep="\t", index_label="name")
        entries.append({"path": str(path), "unit": "log2", "platform": f"p{number}", **common})
    return ExpressionSection.parse({"matrices": entries, **more})


def joined(folder: Path, *tables: pd.DataFrame, **more: Any) -> xr.Dataset:
    join_matrices(section(folder, *tables, **more), folder / "out")
    return read_dataset(folder / "out" / "expression.nc", EXPRESSION)


@settings(max_examples=4, deadline=None)
@given(order=st.permutations(range(4)), people=st.permutations(range(3)))
def test_the_order_of_rows_and_columns_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], people: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    table = levels()
    first = joined(folder, table)
    again = joined(folder, table.iloc[order, people])
    xr.testing.assert_identical(first, again.sel(participant=first["participant"].values))


def test_people_in_rows_are_the_same_as_genes_in_rows(tmp_path: Path) -> None:
    first = joined(tmp_path, levels())
    again = joined(tmp_path, levels().T, rows="people")
    xr.testing.assert_identical(first, again)


def test_versions_are_stripped_and_symbols_given(tmp_path: Path) -> None:
    names = tmp_path / "symbols.tsv"
    names.write_text("gene\tsymbol\nENSG00000141510\tTP53\n")
    dataset = joined(tmp_path, levels(), symbols=str(names))
    assert dataset["expression"].values.tolist() == ["EGFR", "IDH1", "PTEN", "TP53"]
    assert dataset["level"].sel(expression="TP53", participant="P2").item() == 0.25


@pytest.mark.parametrize(
    ("rule", "expected"), [("highest_mean", 1.75), ("first", 1.0), ("stop", None)]
)
def test_further_rows_of_a_gene_follow_the_stated_rule(
    tmp_path: Path, rule: str, expected: float | None
) -> None:
    table = levels(genes=["B", "A", "A", "C"]).iloc[[0, 1, 2, 3]]
    table.iloc[1], table.iloc[2] = 1.0, 1.75
    if expected is None:
        with pytest.raises(TableError, match="several rows: A, A"):
            joined(tmp_path, table, duplicates=rule)
        return
    dataset = joined(tmp_path, table, duplicates=rule)
    assert (dataset["level"].sel(expression="A") == expected).all()
    genes = read_table(tmp_path / "out/genes.tsv", {"gene": "text"}, extra=True)
    assert genes["gene"].tolist() == ["A"]


def test_genes_that_a_platform_lacks_are_listed_and_left_out(tmp_path: Path) -> None:
    second_platform = levels(["Q1", "Q2"], ["PTEN", "EGFR", "NEW"])
    dataset = joined(tmp_path, levels(), second_platform)
    assert dataset["expression"].values.tolist() == ["EGFR", "PTEN"]
    assert dataset["platform"].values.tolist() == ["p0"] * 3 + ["p1"] * 2
    genes = read_table(tmp_path / "out/genes.tsv", {"gene": "text"}, extra=True)
    assert genes["gene"].tolist() == ["ENSG00000141510", "IDH1", "NEW"]
    with pytest.raises(ModalityError, match="3 of 5 genes are not in all 2 matrices"):
        joined(tmp_path, levels(), second_platform, missing_genes="stop")


def test_counts_become_counts_per_million_of_all_genes(tmp_path: Path) -> None:
    table = pd.DataFrame({"P1": [1.0, 3.0], "P2": [10.0, 0.0]}, index=["A", "B"])
    dataset = joined(tmp_path, table, unit="counts")
    np.testing.assert_allclose(dataset["level"].values, [[250_000, 750_000], [1e6, 0]])
    assert not dataset["logarithmic"].values.any()


def test_families_are_read_in_both_forms(tmp_path: Path) -> None:
    long, wide = tmp_path / "long.tsv", tmp_path / "wide.csv"
    long.write_text("gene\tgroup\nEGFR\tOncogenes\nEGFR\tKinases\nPTEN\tSuppressors\n")
    wide.write_text("Oncogenes,Suppressors\nEGFR,PTEN\nMYC,\n")
    first = joined(tmp_path, levels(), groups=str(long))
    assert first["groups"].sel(expression="EGFR").item() == "Oncogenes;Kinases"
    second = joined(tmp_path, levels(), groups=str(wide))
    assert second["groups"].values.tolist() == ["Oncogenes", "", "", "Suppressors"]


BIG = levels(genes=[f"G{number}" for number in range(120)])


@pytest.mark.parametrize(
    ("unit", "table", "words"),
    [
        ("counts", levels() - 1, "below 0, and the unit is counts"),
        ("tpm", levels() - 1, "below 0, and the unit is tpm"),
        ("fpkm", levels() - 1, "below 0, and the unit is fpkm"),
        ("counts", levels() + 0.1, "no whole numbers"),
        ("tpm", BIG / 10, "no value is above"),
        ("tpm", BIG * 1e6, "more than a million transcripts in a million"),
        ("log2", levels() * 1000, "and the unit is log2"),
        ("z", levels() + 1, "0 % of the values are below 0, and the unit is z"),
    ],
)
def test_values_that_are_not_of_the_declared_unit_are_refused(
    tmp_path: Path, unit: str, table: pd.DataFrame, words: str
) -> None:
    with pytest.raises(ModalityError, match=words):
        joined(tmp_path, table, unit=unit)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.assign(gene_type="protein"), "1 columns hold text: .gene_type"),
        (lambda table: table.replace(1.0, np.inf), "1 values are infinite"),
        (lambda table: table.iloc[:, [0, 0, 1]], "1 people stand twice: .P1"),
        (lambda table: table.iloc[:0], "not readable as a matrix"),
        (lambda table: table.rename(columns={"P1": "../P1"}), "P1"),
    ],
)
def test_a_damaged_matrix_is_refused_by_name(tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(GendmrError, match=words) as raised:
        joined(tmp_path, change(levels()))
    assert "matrix-0.tsv" in str(raised.value)


def test_columns_that_are_no_measurements_can_be_dropped(tmp_path: Path) -> None:
    table = levels().assign(gene_type="protein")
    xr.testing.assert_identical(
        joined(tmp_path, table, drop=["gene_type"]), joined(tmp_path, levels())
    )


def test_a_person_in_two_matrices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModalityError, match="1 people are in two matrices"):
        joined(tmp_path, levels(), levels(["P3", "P4"]))


def test_families_that_match_no_gene_are_refused(tmp_path: Path) -> None:
    families = tmp_path / "families.tsv"
    families.write_text("gene\tgroup\nENSMUSG00000000001\tOncogenes\n")
    with pytest.raises(ModalityError, match="none of its 1 genes is among the 4 of the study"):
        joined(tmp_path, levels(), groups=str(families))


def test_who_has_no_value_is_listed(tmp_path: Path) -> None:
    table = levels()
    table["P2"] = np.nan
    dataset = joined(tmp_path, table, exclude=["P3"])
    assert dataset["participant"].values.tolist() == ["P1"]
    attrition = read_table(tmp_path / "out/attrition.tsv", {"id": "text"}, extra=True)
    assert attrition["id"].tolist() == ["P2", "P3"]


def test_units_that_cannot_be_joined_are_refused_when_the_configuration_is_read() -> None:
    matrices = [
        {"path": "a", "unit": "z", "platform": "a"},
        {"path": "b", "unit": "log2", "platform": "b"},
    ]
    with pytest.raises(ConfigurationError, match="z-scores beside another unit"):
        ExpressionSection.parse({"matrices": matrices})

"""The tables of genes and regions."""

from __future__ import annotations

from pathlib import Path

import pytest

from gendmr.errors import ConfigurationError, TableError
from gendmr.simulate.reference import (
    check_region_names,
    read_genes,
    read_regions,
    side_by_side,
)

GENES = (
    "symbol\tentrez\tchromosome\tstart\tend\tstrand\tcandidate\n"
    "A\t1\t1\t100\t200\t+\tTrue\nB\t2\t22\t100\t200\t-\tFalse\n"
)
REGIONS = "region\themisphere\tx\ty\tz\tradius\nr_L\tL\t-20\t0\t0\t10\n"


def test_the_demo_genes_are_apart_and_complete(tables: tuple[Path, Path]) -> None:
    genes = read_genes(tables[0], 300, 12)
    assert len(genes) == genes["entrez"].nunique() == 300
    assert genes["candidate"].tolist() == [True] * 12 + [False] * 288
    assert genes["symbol"][0] == "APOE"
    assert set(genes["chromosome"]) == {str(number) for number in range(1, 23)}
    for _, group in genes.groupby("chromosome"):
        ordered = group.sort_values("start")
        gaps = ordered["start"].to_numpy()[1:] - ordered["end"].to_numpy()[:-1]
        assert (gaps > 100_000).all()


def test_fewer_genes_keep_the_candidates_and_spread(tables: tuple[Path, Path]) -> None:
    genes = read_genes(tables[0], 40, 12)
    assert len(genes) == genes["symbol"].nunique() == 40
    assert genes["candidate"].sum() == 12
    assert genes["chromosome"].nunique() > 15


def test_genes_moved_together_keep_order_length_and_strand(tables: tuple[Path, Path]) -> None:
    genes = read_genes(tables[0], 300, 12)
    moved = side_by_side(genes, 30_000)
    others = genes.columns.difference(["start", "end"])
    assert moved[others].equals(genes[others])
    assert (moved["end"] - moved["start"]).equals(genes["end"] - genes["start"])
    for chromosome, group in moved.groupby("chromosome"):
        ordered = group.sort_values("start")
        gaps = ordered["start"].to_numpy()[1:] - ordered["end"].to_numpy()[:-1]
        assert (gaps == 30_000).all()
        before = genes[genes["chromosome"] == chromosome].sort_values("start")
        assert ordered["symbol"].tolist() == before["symbol"].tolist()
        assert ordered["start"].iloc[0] == before["start"].iloc[0]


def test_the_demo_regions_mirror_each_other(tables: tuple[Path, Path]) -> None:
    regions = read_regions(tables[1]).set_index("region")
    assert len(regions) == 40
    for name, row in regions[regions["hemisphere"] == "L"].iterrows():
        twin = regions.loc[str(name).removesuffix("_L") + "_R"]
        assert row["x"] == -twin["x"] < 0
        assert row[["y", "z", "radius"]].tolist() == twin[["y", "z", "radius"]].tolist()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t100\t200\t+", "\t200\t100\t+", "impossible"),
        ("\t100\t200\t+", "\t0\t100\t+", "impossible"),
        ("\t100\t200\t+", "\t100\t250000000\t+", "impossible"),
        ("\t-\t", "\t?\t", "impossible"),
        ("\t22\t", "\tX\t", "not on 1 to 22"),
        ("B\t2", "A\t2", "more than once"),
        ("True", "False", "0 candidates"),
        ("symbol", "gene", "symbol"),
        ("100\t200\t+", "1e2x\t200\t+", "number"),
    ],
)
def test_a_malformed_table_of_genes_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "genes.tsv"
    path.write_text(GENES.replace(old, new))
    with pytest.raises(TableError, match=message):
        read_genes(path, 2, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("\tL\t", "\tleft\t", "hemisphere"), ("\t10\n", "\t-1\n", "radius"), ("-20", "n/a", "r_L")],
)
def test_a_malformed_table_of_regions_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "regions.tsv"
    path.write_text(REGIONS.replace(old, new))
    with pytest.raises(TableError, match=message):
        read_regions(path)


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"hipocampus_L.*known: 'hippocampus_L'"):
        check_region_names(("hipocampus_L",), ["hippocampus_L"], "regions.tsv")

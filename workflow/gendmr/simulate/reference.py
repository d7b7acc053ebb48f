"""The two small tables the cohort is built on: genes with coordinates, regions with centroids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import ConfigurationError, TableError, first_few
from gendmr.files.tables import read_table

# Lengths of the GRCh37 primary assembly, bp (Genome Reference Consortium).
CHROMOSOME_LENGTHS = dict(
    zip(
        [*map(str, range(1, 23)), "X"],
        (
            *(249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067),
            *(159_138_663, 146_364_022, 141_213_431, 135_534_747, 135_006_516, 133_851_895),
            *(115_169_878, 107_349_540, 102_531_392, 90_354_753, 81_195_210, 78_077_248),
            *(59_128_983, 63_025_520, 48_129_895, 51_304_566, 155_270_560),
        ),
        strict=True,
    )
)


def read_genes(path: Path | str, count: int, planted: int) -> pd.DataFrame:
    """Read the table of genes and keep the candidates and `count` genes in all.

    Parameters
    ----------
    path : Path or str
        Table with `symbol`, `entrez`, `chromosome`, `start`, `end` (1-based closed, GRCh37),
        `strand` and `candidate` (flag: may be planted, in the order of the table).
    count : int
        Genes to keep: all candidates, and others evenly spread over the table.
    planted : int
        Candidates that are needed.

    Raises
    ------
    TableError
        Coordinates are impossible, or there are too few genes or candidates.
    """
    genes = read_table(
        path,
        {
            "symbol": "text",
            "entrez": "text",
            "chromosome": "text",
            "start": "integer",
            "end": "integer",
            "strand": "text",
            "candidate": "flag",
        },
        key="symbol",
    )
    unknown = genes.loc[~genes["chromosome"].isin(list(CHROMOSOME_LENGTHS)[:22]), "symbol"]
    if len(unknown):
        raise TableError(f"{path}: {len(unknown)} genes are not on 1 to 22: {first_few(unknown)}")
    lengths = genes["chromosome"].map(CHROMOSOME_LENGTHS)
    wrong = genes.loc[
        (genes["start"] < 1)
        | (genes["end"] < genes["start"])
        | (genes["end"] > lengths)
        | ~genes["strand"].isin(["+", "-"]),
        "symbol",
    ]
    if len(wrong):
        raise TableError(
            f"{path}: {len(wrong)} genes have an impossible start, end or strand:"
            f" {first_few(wrong)}",
            next_step="give 1-based closed GRCh37 coordinates and strand + or -",
        )
    candidates = genes[genes["candidate"]]
    noncandidates = genes[~genes["candidate"]]
    if len(candidates) < planted or len(genes) < count or count < len(candidates):
        raise TableError(
            f"{path}: {len(genes)} genes, {len(candidates)} candidates; the configuration asks for"
            f" {count} genes, {planted} of them planted",
            next_step="lower simulate.genes or simulate.planted, or extend the table",
        )
    spread = np.linspace(0, len(noncandidates) - 1, count - len(candidates)).round().astype(int)
    return pd.concat([candidates, noncandidates.iloc[spread]], ignore_index=True)


def side_by_side(genes: pd.DataFrame, gap: int) -> pd.DataFrame:
    """Return the genes with those of a chromosome moved together.

    The first gene of a chromosome stays where it is; the others follow in their order, as long as
    they are, on their strand.

    Parameters
    ----------
    genes : pandas.DataFrame
        As `read_genes` returns.
    gap : int
        bp from the end of a gene to the start of the next.
    """
    moved = genes.copy()
    for _, of_chromosome in genes.groupby("chromosome", sort=False):
        in_order = of_chromosome.sort_values(["start", "end"], kind="stable")
        length = in_order["end"] - in_order["start"]
        start = in_order["start"].iloc[0] + (length + gap).cumsum().shift(fill_value=0)
        moved.loc[in_order.index, "start"] = start
        moved.loc[in_order.index, "end"] = start + length
    return moved


def read_regions(path: Path | str) -> pd.DataFrame:
    """Read the table of regions.

    Parameters
    ----------
    path : Path or str
        Table with `region` (unique), `hemisphere` (L, R, B), `x`, `y`, `z` (centroid, mm, MNI152,
        R+ A+ S+) and `radius` (mm).

    Raises
    ------
    TableError
        A hemisphere or radius is impossible.
    """
    regions = read_table(
        path,
        {
            "region": "text",
            "hemisphere": "text",
            "x": "number",
            "y": "number",
            "z": "number",
            "radius": "number",
        },
        key="region",
    )
    numbers = regions[["x", "y", "z", "radius"]]
    wrong = regions.loc[
        ~regions["hemisphere"].isin(["L", "R", "B"])
        | numbers.isna().any(axis=1)
        | (regions["radius"] <= 0),
        "region",
    ]
    if len(wrong):
        raise TableError(
            f"{path}: {len(wrong)} regions have no centroid, no positive radius, or a hemisphere"
            f" other than L, R, B: {first_few(wrong)}"
        )
    return regions


def check_region_names(names: tuple[str, ...], available: list[str], where: Path | str) -> None:
    """Refuse names of regions that the table does not have."""
    unknown = [name for name in names if name not in available]
    if unknown:
        raise ConfigurationError(
            f"simulate.regions: {first_few(unknown)} not in {where}; known:"
            f" {first_few(available, 60)}",
            cause="a misspelt name",
            next_step="use names of that table",
        )

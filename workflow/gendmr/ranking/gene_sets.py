"""Gene sets (GMT) and tables of known loci, told in the genes of a ranking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from gendmr.errors import AnnotationError, TableError, first_few
from gendmr.files.chromosomes import chromosome_name
from gendmr.files.spreadsheets import refuse_dates
from gendmr.files.tables import read_table
from gendmr.files.text import numbered_lines

CHROMOSOMES = {*(str(number) for number in range(1, 23)), "X", "Y", "XY", "MT"}
# Builds move most genes; a list of another build misses the genes that its loci are named after.
ENOUGH_NAMED = 3


@dataclass(frozen=True)
class GeneSet:
    """One set, or the genes that one table of loci touches.

    Attributes
    ----------
    collection : str
        Name of the file, without its ending.
    name : str
        Of the set; of a table of loci the same as `collection`.
    kind : str
        `genes`, `loci`, or `family`: of `expression.groups`.
    genes : tuple of str
        Those in the ranking, by name.
    listed : int
        Genes of the set, or loci of the table.
    absent : int
        Genes of the set that the ranking does not have, or loci that touch no gene of it.
    """

    collection: str
    name: str
    kind: Literal["genes", "loci", "family"]
    genes: tuple[str, ...]
    listed: int
    absent: int


def read_gmt(path: Path | str, ranked: Sequence[str]) -> list[GeneSet]:
    """Read the sets of a GMT file.

    Parameters
    ----------
    path : Path or str
        A line for each set: name, description, genes; separated by tabs.
    ranked : sequence of str
        Genes of the ranking.

    Raises
    ------
    InputFileError
        The file is missing, empty or not text.
    TableError
        A line is malformed, or a set is named twice.
    AnnotationError
        No gene of any set is in the ranking.
    """
    path = Path(path)
    ranked_genes = frozenset(ranked)
    sets: list[GeneSet] = []
    line_of_set: dict[str, int] = {}
    all_genes: set[str] = set()
    for number, line in numbered_lines(path, setting="ranking.enrichment.sets"):
        name, genes = _gmt_line(path, number, line)
        if name in line_of_set:
            raise TableError(
                f"{path}: the set {name!r} is in line {line_of_set[name]} and in line {number}",
                cause="two collections in one file",
                next_step="rename one of them, or give the collections as two files",
            )
        line_of_set[name] = number
        all_genes |= genes
        members = tuple(sorted(genes & ranked_genes))
        sets.append(
            GeneSet(path.stem, name, "genes", members, len(genes), len(genes) - len(members))
        )
    refuse_dates(sorted(all_genes), path)
    if not all_genes & ranked_genes:
        raise AnnotationError(
            f"{path}: none of the {len(all_genes)} genes of its {len(sets)} sets is among the"
            f" {len(ranked_genes)} genes of the ranking; sets have"
            f" {first_few(sorted(all_genes), 3)}, the ranking has"
            f" {first_few(sorted(ranked_genes), 3)}",
            cause=_other_naming(all_genes, ranked_genes),
            next_step="give sets with the names of annotation/genes.tsv; MSigDB has each"
            " collection with symbols and with Entrez identifiers",
        )
    return sets


def read_loci(
    path: Path | str, places: pd.DataFrame, *, window_bp: int, build: str | None = None
) -> GeneSet:
    """Read a table of known loci: the genes that any of them touches are one set.

    Parameters
    ----------
    path : Path or str
        Table with `chromosome` and either `start` and `end` or `position` (base pairs, 1-based,
        closed); `name` and `build` where there are any; other columns are not read.
    places : DataFrame
        `gene`, `chromosome`, `start`, `end` of the ranking; genes without a place are touched by
        nothing.
    window_bp : int
        A position touches genes within this many base pairs.
    build : str, optional
        Genome build of the ranking, compared with the column `build`.

    Raises
    ------
    InputFileError, TableError
        The file is missing or malformed, or a place is impossible.
    AnnotationError
        Names of chromosomes are unknown, the build is another, no locus touches a gene, or none
        touches the gene it is named after.
    """
    path = Path(path)
    loci = _read_places(path, window_bp)
    _check_build(path, loci, build)
    placed = places.dropna(subset=["start", "end"])
    touched = _touched(loci, placed)
    if not touched.any():
        raise AnnotationError(
            f"{path}: none of {len(loci)} loci touches one of the {len(placed)} genes of the"
            f" ranking; loci are at {first_few(_places(loci), 3)}, genes at"
            f" {first_few(_places(placed), 3)}",
            cause="another genome build, positions that are not base pairs, or loci beside all"
            " genes",
            next_step=f"compare head {path} with head annotation/genes.tsv, or raise"
            " ranking.enrichment.window_kb",
        )
    _check_names(path, loci, placed, touched)
    return GeneSet(
        collection=path.stem,
        name=path.stem,
        kind="loci",
        genes=tuple(sorted(placed["gene"].to_numpy()[touched.any(axis=0)])),
        listed=len(loci),
        absent=int((~touched.any(axis=1)).sum()),
    )


def _gmt_line(path: Path, number: int, line: str) -> tuple[str, set[str]]:
    name, *fields = (part.strip() for part in line.split("\t"))
    genes = {gene for gene in fields[1:] if gene}
    if not name or not genes:
        raise TableError(
            f"{path}: line {number}: {line[:60]!r} is not name, description and genes, separated by"
            " tabs",
            cause="separated by spaces or commas, a set without genes, or a list of genes in place"
            " of a GMT file",
            next_step=f"sed -n {number}p {path} | cat -A | head -c 300",
        )
    return name, genes


def _other_naming(set_genes: set[str], ranked_genes: frozenset[str]) -> str:
    def mostly(pattern: str, names: set[str] | frozenset[str]) -> bool:
        n_matching = sum(re.fullmatch(pattern, name) is not None for name in names)
        return 2 * n_matching > len(names)

    for naming, pattern in (
        ("Ensembl identifiers", r"ENS[A-Z]*G\d+(\.\d+)?"),
        ("Entrez identifiers", r"\d+"),
    ):
        if mostly(pattern, set_genes) and not mostly(pattern, ranked_genes):
            return f"the sets have {naming}, the ranking other names"
        if mostly(pattern, ranked_genes) and not mostly(pattern, set_genes):
            return f"the ranking has {naming}, the sets other names"
        if mostly(pattern, ranked_genes):
            return f"{naming} of other genes, or with and without versions"
    if {gene.upper() for gene in set_genes} & {gene.upper() for gene in ranked_genes}:
        return "small letters: symbols of another species"
    return "another naming of genes, or sets of other genes"


def _read_places(path: Path, window_bp: int) -> pd.DataFrame:
    """Return `chromosome`, `start`, `end`, and `name` and `build` where there are any."""
    table = read_table(
        path,
        {"chromosome": "text"},
        optional={
            "start": "integer",
            "end": "integer",
            "position": "integer",
            "name": "text",
            "build": "text",
        },
        extra=True,
    )
    columns = ["start", "end"] if {"start", "end"} <= set(table) else ["position"]
    if not set(columns) <= set(table):
        raise TableError(
            f"{path}: has neither `start` and `end` nor `position`; found"
            f" {first_few(table.columns, 12)}",
            next_step="rename the columns",
        )
    if table.empty:
        raise TableError(f"{path}: no locus in it", next_step="restore it, or leave it out")
    low, high = table[columns[0]], table[columns[-1]]
    wrong = (low.isna() | high.isna() | (low < 1) | (high < low)).fillna(True).to_numpy(bool)
    if wrong.any():
        raise TableError(
            f"{path}: {int(wrong.sum())} of {len(table)} loci have no place, one below 1, or end"
            f" before they start (first in line {int(np.flatnonzero(wrong)[0]) + 2})",
            next_step="positions are base pairs, counted from 1",
        )
    names = {code: chromosome_name(code) for code in table["chromosome"].unique()}
    unknown = sorted(code for code, name in names.items() if name not in CHROMOSOMES)
    if unknown:
        raise AnnotationError(
            f"{path}: {len(unknown)} unknown names of chromosomes: {first_few(unknown)}",
            cause="accession numbers, or another column",
            next_step="write 1 to 22, X, Y, XY or MT, with or without chr",
        )
    flank = window_bp if columns == ["position"] else 0
    loci = pd.DataFrame({"chromosome": table["chromosome"].map(names)})
    loci["start"] = low.astype("int64") - flank
    loci["end"] = high.astype("int64") + flank
    return loci.join(table[[name for name in ("name", "build") if name in table]])


def _check_build(path: Path, loci: pd.DataFrame, build: str | None) -> None:
    if build is None or "build" not in loci:
        return
    other_builds = sorted(set(loci["build"]) - {build})
    if other_builds:
        raise AnnotationError(
            f"{path}: loci of build {first_few(other_builds)}; the study is {build}",
            cause="a list of another genome build",
            next_step=f"lift the loci over to {build}",
        )


def _touched(loci: pd.DataFrame, placed: pd.DataFrame) -> np.ndarray:
    """Return whether each locus touches each gene, (locus, gene)."""
    locus_columns = {
        name: loci[name].to_numpy()[:, None] for name in ("chromosome", "start", "end")
    }
    same_chromosome = placed["chromosome"].to_numpy() == locus_columns["chromosome"]
    start, end = placed["start"].to_numpy("int64"), placed["end"].to_numpy("int64")
    return np.asarray(
        same_chromosome & (start <= locus_columns["end"]) & (end >= locus_columns["start"])
    )


def _check_names(path: Path, loci: pd.DataFrame, placed: pd.DataFrame, touched: np.ndarray) -> None:
    """Refuse a list whose loci all miss the genes they are named after."""
    if "name" not in loci:
        return
    column = pd.Index(placed["gene"]).get_indexer(pd.Index(loci["name"]))
    named = np.flatnonzero(column >= 0)
    if len(named) < ENOUGH_NAMED or touched[named, column[named]].any():
        return
    row = named[0]
    raise AnnotationError(
        f"{path}: {len(named)} loci are named after genes of the ranking and none touches its gene;"
        f" {loci['name'].iloc[row]} is at {_places(loci.iloc[[row]])[0]} there and at"
        f" {_places(placed.iloc[[column[row]]])[0]} in the ranking",
        cause="another genome build",
        next_step="lift the loci over to the build of the study",
    )


def _places(table: pd.DataFrame) -> list[str]:
    columns = (table["chromosome"], table["start"], table["end"])
    return [f"{name}:{start}-{end}" for name, start, end in zip(*columns, strict=True)]

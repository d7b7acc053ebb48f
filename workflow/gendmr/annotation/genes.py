"""Gene tables: three formats, one convention (1-based, closed), builds checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import AnnotationError, first_few
from gendmr.files.chromosomes import chromosome_name
from gendmr.files.spreadsheets import refuse_dates
from gendmr.files.text import numbered_lines

COLUMNS = ["gene", "chromosome", "start", "end", "strand"]
KNOWN = {*(str(number) for number in range(1, 23)), "X", "Y", "XY", "MT"}
FORWARD, REVERSE, UNKNOWN = "+", "-", "n/a"

# Start of transcription units in base pairs, 1-based, from NCBI's gene tables of each build
# (37.3 and 38, as MAGMA distributes them): genes that moved by more than 50 kb between the two.
ANCHORS: dict[str, dict[str, int]] = {
    "GRCh37": {
        "CR1": 207669473,
        "PTEN": 89623195,
        "PICALM": 85668214,
        "SORL1": 121322912,
        "KRAS": 25358180,
        "BRCA2": 32889617,
        "ADAM10": 58887403,
        "TP53": 7571720,
        "APOE": 45409039,
        "BIN1": 127805599,
        "SOX10": 38368319,
        "SNCA": 90645250,
        "CFTR": 117120017,
        "EPHA1": 143088205,
        "CLU": 27454434,
    },
    "GRCh38": {
        "CR1": 207496128,
        "PTEN": 87863438,
        "PICALM": 85957171,
        "SORL1": 121452203,
        "KRAS": 25204789,
        "BRCA2": 32314862,
        "ADAM10": 58595204,
        "TP53": 7668402,
        "APOE": 44905749,
        "BIN1": 127048023,
        "SOX10": 37972312,
        "SNCA": 89724099,
        "CFTR": 117478340,
        "EPHA1": 143390782,
        "CLU": 27596917,
    },
}
# Starts differ between annotations by less; builds differ by more.
TOLERANCE = 5000
ENOUGH_ANCHORS = 2
LONGEST = 19  # digits from which a position no longer fits 64 bits


def read_genes(
    path: str | Path, form: str, gene_types: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Read a gene table into one convention.

    Parameters
    ----------
    path : str or Path
        `gene.loc`: id, chromosome, start, end, strand and symbol, separated by tabs or spaces,
        1-based closed (strand and symbol may be absent). `glist`: chromosome, start, end and name,
        0-based half-open. `gtf`: GENCODE or Ensembl, plain or gzipped, 1-based closed; where it has
        no rows of genes, as from UCSC, what the transcripts of one name cover.
    form : {"gene.loc", "glist", "gtf"}
        Which of the three.
    gene_types : tuple of str
        GTF only: gene types to keep; empty keeps all.

    Returns
    -------
    genes : DataFrame
        `gene` (unique), `chromosome`, `start`, `end` (int64, base pairs, 1-based closed) and
        `strand` (`+`, `-`, `n/a`), sorted by place. Overlapping rows of one name are one gene;
        separate copies become `NAME@chromosome:start`.
    notes : list of str
        What was done to the table.

    Raises
    ------
    InputFileError
        The file is missing, empty or not text.
    AnnotationError
        A row is malformed, or the file is of another format.
    """
    path = Path(path)
    notes: list[str] = []
    if form == "gtf":
        rows = _gtf(path, gene_types, notes)
    else:
        rows = _gene_loc(path) if form == "gene.loc" else _glist(path)
    table = pd.DataFrame(rows, columns=COLUMNS)
    if table.empty:
        raise AnnotationError(
            f"{path}: no gene in {form} format",
            cause="another format, or gene_types that do not occur",
            next_step=f"head {path}, then set annotation.format",
        )
    refuse_dates(table["gene"], path)
    joined = table[table["gene"].str.contains(";", regex=False)]
    if len(joined):
        raise AnnotationError(
            f"{path}: {len(joined)} names of genes hold a semicolon, which separates genes in"
            f" every result: {first_few(joined['gene'])}",
            cause="several names in one column",
            next_step="keep one name for each gene",
        )
    reverse = table[table["end"] < table["start"]]
    if len(reverse):
        raise AnnotationError(
            f"{path}: {len(reverse)} genes end before they start: {first_few(reverse['gene'])}",
            cause="columns in another order, or a glist read as gene.loc",
            next_step=f"head {path}, then set annotation.format",
        )
    names = {code: chromosome_name(code) for code in table["chromosome"].unique()}
    table["chromosome"] = table["chromosome"].map(names)
    elsewhere = ~table["chromosome"].isin(KNOWN)
    if elsewhere.all():
        raise AnnotationError(
            f"{path}: no gene on a human chromosome; found"
            f" {first_few(sorted(set(table['chromosome'])))}",
            cause="columns in another order, or another format",
            next_step=f"head {path}, then set annotation.format",
        )
    if elsewhere.any():
        notes.append(f"{int(elsewhere.sum())} genes on unplaced sequences were left out")
    table = _one_row_each(table[~elsewhere], notes)
    strandless = int((table["strand"] == UNKNOWN).sum())
    if strandless:
        notes.append(
            f"{strandless} of {len(table)} genes have no strand: their windows are those of the"
            " forward strand"
        )
    return table, notes


def check_build(genes: pd.DataFrame, declared: str, path: str | Path) -> str:
    """Compare the table with genes whose coordinates are known in GRCh37 and GRCh38.

    Returns
    -------
    str
        How many of the known genes lie where each build has them.

    Raises
    ------
    AnnotationError
        Another build fits, and the declared one fits worse.
    """
    start = genes.drop_duplicates("gene").set_index("gene")["start"]
    fits = {}
    for build, anchors in ANCHORS.items():
        in_table = start.reindex(list(anchors)).dropna()
        places = np.array([anchors[name] for name in in_table.index])
        fits[build] = int((np.abs(in_table.to_numpy() - places) <= TOLERANCE).sum())
        n_anchors = len(in_table)
    counts = ", ".join(f"{build} {fits[build]}" for build in sorted(fits))
    summary = f"of {n_anchors} known genes in the table, in place for: {counts}"
    best_fit = max(fits, key=lambda build: fits[build])
    if (
        best_fit != declared
        and fits[best_fit] >= ENOUGH_ANCHORS
        and fits[best_fit] > fits.get(declared, 0)
    ):
        raise AnnotationError(
            f"{path}: declared as {declared}, but {summary}",
            cause="a gene table of another genome build",
            next_step=f"give a gene table of the genotypes' build, or set annotation.build to"
            f" {best_fit} if the genotypes are {best_fit} too",
        )
    return summary


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines that are no comments."""
    for number, line in numbered_lines(path, setting="annotation.genes"):
        if not line.startswith("#"):
            yield number, line


def _place(path: Path, number: int, start: str, end: str, form: str) -> tuple[int, int]:
    if all(text.isascii() and text.isdigit() and len(text) < LONGEST for text in (start, end)):
        return int(start), int(end)
    raise AnnotationError(
        f"{path}: line {number}: start {start!r} and end {end!r} are not whole numbers",
        cause=f"the file is not in {form} format, or has a header",
        next_step=f"sed -n {number}p {path}, then set annotation.format",
    )


def _malformed(path: Path, number: int, line: str, form: str, expected: str) -> AnnotationError:
    return AnnotationError(
        f"{path}: line {number} has {len(line.split())} columns: {line[:60]!r}; {form} has"
        f" {expected}",
        cause="another format",
        next_step="set annotation.format to gene.loc, glist or gtf",
    )


Row = tuple[str, str, int, int, str]


def _gene_loc(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        fields = line.split()
        if not 4 <= len(fields) <= 6:
            raise _malformed(
                path, number, line, "gene.loc", "id chromosome start end strand symbol"
            )
        start, end = _place(path, number, fields[2], fields[3], "gene.loc")
        strand = fields[4] if len(fields) > 4 else UNKNOWN
        if strand not in (FORWARD, REVERSE, UNKNOWN):
            raise AnnotationError(
                f"{path}: line {number}: strand {strand!r} is neither + nor -",
                cause="columns in another order",
                next_step="columns are: id, chromosome, start, end, strand, symbol",
            )
        yield fields[-1] if len(fields) == 6 else fields[0], fields[1], start, end, strand


def _glist(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        fields = line.split()
        if len(fields) != 4:
            raise _malformed(path, number, line, "glist", "chromosome start end name")
        start, end = _place(path, number, fields[1], fields[2], "glist")
        yield fields[3], fields[0], start + 1, end, UNKNOWN


def _gtf(path: Path, gene_types: tuple[str, ...], notes: list[str]) -> Iterator[Row]:
    """Yield the genes of a GTF; where it has no rows of genes, as UCSC writes it, transcripts."""
    name = re.compile(r'\bgene_name "([^"]+)"')
    identifier = re.compile(r'\bgene_id "([^"]+)"')
    kind = re.compile(r'\bgene_(?:bio)?type "([^"]+)"')
    features: dict[str, int] = {}
    transcripts: list[Row] = []
    for number, line in _lines(path):
        fields = line.split("\t")
        if len(fields) != 9:
            raise _malformed(path, number, line, "gtf", "nine columns separated by tabs")
        features[fields[2]] = features.get(fields[2], 0) + 1
        if fields[2] != "gene" and (fields[2] != "transcript" or "gene" in features):
            continue
        match = name.search(fields[8]) or identifier.search(fields[8])
        if match is None:
            raise AnnotationError(
                f"{path}: line {number}: neither gene_name nor gene_id in {fields[8][:60]!r}",
                cause="a GFF3 file",
                next_step="fetch the GTF of the same release",
            )
        kinds = kind.search(fields[8])
        if gene_types and (kinds is None or kinds.group(1) not in gene_types):
            continue
        start, end = _place(path, number, fields[3], fields[4], "gtf")
        strand = fields[6] if fields[6] in (FORWARD, REVERSE) else UNKNOWN
        row = (match.group(1), fields[0], start, end, strand)
        if fields[2] == "gene":
            yield row
        else:
            transcripts.append(row)
    if "gene" in features:
        return
    if transcripts:
        notes.append(
            f"the GTF has no rows of genes: a gene is what its transcripts cover"
            f" ({len(transcripts)} transcripts)"
        )
        yield from transcripts
        return
    _refuse_features(path, features, gene_types)


def _refuse_features(path: Path, features: dict[str, int], gene_types: tuple[str, ...]) -> None:
    """Say why a GTF gives no gene: it has other rows, or its transcripts are of other types."""
    counts = ", ".join(f"{count} {feature}" for feature, count in sorted(features.items()))
    if "transcript" in features:
        raise AnnotationError(
            f"{path}: none of {features['transcript']} transcripts is of the gene_types"
            f" {first_few(gene_types)}",
            cause="a GTF without gene_type, or one that names types otherwise",
            next_step="leave out annotation.gene_types",
        )
    raise AnnotationError(
        f"{path}: a GTF without rows of genes or transcripts: {counts or 'nothing'}",
        cause="a GTF of exons only, as old exports of genome browsers are",
        next_step="fetch the GTF of GENCODE or Ensembl, or write gene.loc: id, chromosome, start,"
        " end, strand, symbol",
    )


def _one_row_each(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Unite overlapping rows of one name; give separate copies names of their own."""
    repeated = table["gene"].duplicated(keep=False)
    rows = []
    united = copies = 0
    for gene, group in table[repeated].sort_values(["chromosome", "start", "end"]).groupby("gene"):
        places: list[list[Any]] = []
        for row in group.itertuples(index=False):
            last = places[-1] if places else None
            if (
                last
                and last[1] == row.chromosome
                and last[4] == row.strand
                and row.start <= last[3]
            ):
                last[3] = max(last[3], row.end)
                united += 1
            else:
                places.append([gene, row.chromosome, row.start, row.end, row.strand])
        if len(places) > 1:
            copies += 1
            for place in places:
                place[0] = f"{gene}@{place[1]}:{place[2]}{'' if place[4] != REVERSE else '-'}"
        rows += places
    if united:
        notes.append(f"{united} overlapping rows were united with others of the same name")
    if copies:
        notes.append(f"{copies} names stand for several places; each is listed as NAME@place")
    genes = pd.concat([table[~repeated], pd.DataFrame(rows, columns=COLUMNS)])
    genes = genes.astype({"start": "int64", "end": "int64"})
    order = {name: number for number, name in enumerate([*map(str, range(1, 23)), "X", "Y"])}
    rank = genes["chromosome"].map(lambda name: order.get(name, len(order)))
    genes = genes.assign(rank=rank).sort_values(["rank", "start", "end", "gene"], kind="stable")
    return genes[COLUMNS].reset_index(drop=True)

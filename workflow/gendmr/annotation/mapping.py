"""SNPs to genes: an interval join by strand-aware windows, and the nearest gene as an option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.annotation.genes import REVERSE, check_build, read_genes
from gendmr.config.annotation import AnnotationSection
from gendmr.errors import AnnotationError, InputFileError
from gendmr.files.atomic import write_json
from gendmr.files.chromosomes import chromosome_name
from gendmr.files.seal import verify
from gendmr.files.tables import write_table

COLUMNS = ["snp", "chromosome", "position", "gene", "distance", "relation"]


def refuse_other_build(section: AnnotationSection, build: str) -> None:
    """Refuse a gene table that is declared to be of another build than the genotypes.

    Parameters
    ----------
    section : AnnotationSection
    build : str
        Genome build of the genotypes.

    Raises
    ------
    AnnotationError
        Unless `accept_other_build` is set.
    """
    if section.build != build and not section.accept_other_build:
        raise AnnotationError(
            f"genotypes are {build}, the gene table {section.genes} is {section.build}",
            cause="files of different genome builds",
            next_step=f"give a gene table of {build}, lift the genotypes over, or correct"
            " genotypes.build or annotation.build; accept_other_build: true goes on all"
            " the same, and genes will be wrong",
        )


def map_snps(
    section: AnnotationSection, variants: Path | str, build: str, folder: Path | str
) -> None:
    """Assign the variants of a .bim to genes and write the tables.

    Parameters
    ----------
    section : AnnotationSection
        Gene table and windows.
    variants : Path or str
        A .bim; positions are 1-based.
    build : str
        Genome build of the genotypes.
    folder : Path or str
        Receives ``snp2gene.tsv``, ``genes.tsv`` and ``summary.json``.

    Raises
    ------
    InputFileError
        A file is missing or empty.
    AnnotationError
        Builds differ, the table is malformed, or no SNP comes near a gene.
    """
    notes: list[str] = []
    if section.build != build:
        refuse_other_build(section, build)
        notes.append(
            f"genotypes are {build} and genes {section.build}: accepted by the configuration;"
            " assignments are unreliable"
        )
    genes, gene_notes = read_genes(section.genes, section.format, section.gene_types)
    build_check = check_build(genes, section.build, section.genes)
    notes += gene_notes
    snps = _read_variants(Path(variants))
    table = assign(
        snps,
        genes,
        upstream=round(section.upstream_kb * 1000),
        downstream=round(section.downstream_kb * 1000),
        nearest=section.nearest,
    )
    if table.empty:
        raise AnnotationError(
            f"none of {len(snps)} SNPs lies within a window of {len(genes)} genes; SNPs are on"
            f" chromosomes {', '.join(snps['chromosome'].unique()[:5])}, genes on"
            f" {', '.join(genes['chromosome'].unique()[:5])}",
            cause="another genome build, positions that are not base pairs, or a table of other"
            " chromosomes",
            next_step=f"compare both tables: head {variants} {section.genes}",
        )
    folder = Path(folder)
    write_table(folder / "snp2gene.tsv", table)
    write_table(folder / "genes.tsv", genes)
    write_json(
        folder / "summary.json",
        {
            "build": section.build,
            "build_check": build_check,
            "format": section.format,
            "genes": {"read": len(genes), "with_snps": int(table["gene"].nunique())},
            "snps": {
                "read": len(snps),
                "assigned": int(table["snp"].nunique()),
                "to_several_genes": int((table["snp"].value_counts() > 1).sum()),
            },
            "relations": table["relation"].value_counts().sort_index().to_dict(),
            "windows_kb": {"upstream": section.upstream_kb, "downstream": section.downstream_kb},
            "nearest": section.nearest,
            "notes": notes,
        },
    )


def assign(
    snps: pd.DataFrame, genes: pd.DataFrame, *, upstream: int, downstream: int, nearest: bool
) -> pd.DataFrame:
    """Join SNPs to the genes whose window holds them.

    The window of a gene on the forward strand is [start - upstream, end + downstream], on the
    reverse strand [start - downstream, end + upstream] (de Leeuw et al. 2015, MAGMA).

    Parameters
    ----------
    snps : DataFrame
        `snp`, `chromosome`, `position` (1-based).
    genes : DataFrame
        As from `read_genes`.
    upstream, downstream : int
        Base pairs.
    nearest : bool
        Give SNPs outside every window the nearest gene of their chromosome; ties go to the first
        name.

    Returns
    -------
    DataFrame
        `snp`, `chromosome`, `position`, `gene`, `distance` (base pairs to the gene, 0 inside,
        negative upstream by strand) and `relation` (inside, upstream, downstream, nearest). SNPs
        are in their given order; of several genes the closest is first, then by name.
    """
    tables = []
    for chromosome, rows in snps.reset_index(drop=True).groupby("chromosome", sort=False):
        on_chromosome = genes[genes["chromosome"] == chromosome].sort_values("gene", kind="stable")
        if on_chromosome.empty:
            continue
        by_place = rows.sort_values("position", kind="stable")
        position = by_place["position"].to_numpy(np.int64)
        start, end = (
            on_chromosome["start"].to_numpy(np.int64),
            on_chromosome["end"].to_numpy(np.int64),
        )
        reverse = (on_chromosome["strand"] == REVERSE).to_numpy()
        low = np.searchsorted(position, start - np.where(reverse, downstream, upstream), "left")
        high = np.searchsorted(position, end + np.where(reverse, upstream, downstream), "right")
        counts = high - low
        gene = np.repeat(np.arange(len(on_chromosome)), counts)
        snp = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        snp += np.repeat(low, counts)
        near = np.zeros(len(snp), dtype=bool)
        if nearest:
            outside = np.setdiff1d(np.arange(len(position)), snp)
            gene = np.concatenate([gene, _nearest(position[outside], start, end)])
            snp = np.concatenate([snp, outside])
            near = np.concatenate([near, np.ones(len(outside), dtype=bool)])
        distance = signed_distance(position[snp], start[gene], end[gene], reverse[gene])
        relation = np.select(
            [near, distance == 0, distance < 0], ["nearest", "inside", "upstream"], "downstream"
        )
        tables.append(
            pd.DataFrame(
                {
                    "row": by_place.index.to_numpy()[snp],
                    "snp": by_place["snp"].to_numpy()[snp],
                    "chromosome": chromosome,
                    "position": position[snp],
                    "gene": on_chromosome["gene"].to_numpy()[gene],
                    "distance": distance,
                    "relation": relation,
                    "far": np.abs(distance),
                    "name": gene,
                }
            )
        )
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables).sort_values(["row", "far", "name"], kind="stable")
    return table[COLUMNS].reset_index(drop=True)


def signed_distance(
    position: np.ndarray, start: np.ndarray, end: np.ndarray, reverse: np.ndarray
) -> np.ndarray:
    """Return base pairs from a gene, 0 inside, negative where the SNP lies upstream by strand."""
    along = np.where(position < start, position - start, np.maximum(position - end, 0))
    return np.asarray(np.where(reverse, -along, along))


def _nearest(position: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the nearest gene of SNPs that lie in none; genes are sorted by name."""
    count = len(start)
    # To the left: the gene that ends last among those that start before the SNP.
    by_start = np.lexsort((np.arange(count), start))
    best = np.empty(count, dtype=np.int64)
    last = -1
    for place, gene in enumerate(by_start):
        if last < 0 or (end[gene], -gene) > (end[last], -last):
            last = gene
        best[place] = last
    n_starting = np.searchsorted(start[by_start], position, "right") - 1
    left_gene = best[np.maximum(n_starting, 0)]
    right_gene = by_start[np.minimum(n_starting + 1, count - 1)]
    to_left = np.where(n_starting >= 0, position - end[left_gene], np.iinfo(np.int64).max)
    to_right = np.where(
        n_starting + 1 < count, start[right_gene] - position, np.iinfo(np.int64).max
    )
    tie = np.where(left_gene < right_gene, left_gene, right_gene)
    return np.where(to_left == to_right, tie, np.where(to_left < to_right, left_gene, right_gene))


def _read_variants(path: Path) -> pd.DataFrame:
    if not path.is_file() or path.stat().st_size == 0:
        raise InputFileError(
            f"{path}: no such file, or empty",
            cause="the stage genotypes has not run",
            next_step="snakemake --cores 2 genotypes --configfile CONFIG",
        )
    verify(path)
    try:
        table = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            names=["chromosome", "snp", "cm", "position", "a1", "a2"],
            dtype=str,
            na_filter=False,
            quoting=3,
            engine="c",
        )
        table["position"] = table["position"].astype("int64")
    except ValueError as error:
        raise InputFileError(
            f"{path}: not a .bim ({error})",
            cause="rows of other than six columns, or a position that is not a whole number",
            next_step=f"head -3 {path}",
        ) from error
    codes = {code: chromosome_name(code) for code in table["chromosome"].unique()}
    table["chromosome"] = table["chromosome"].map(codes)
    return table[["snp", "chromosome", "position"]]

"""Whether sets of genes stand higher by their expression than genes of like mean and variance.

A gene that varies more, or is expressed more, gives a method more to use, and families differ in
both. Each gene is a block of its own here: there is no map, and no LD.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.ranking import EnrichmentSection
from gendmr.errors import RankingError
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.ranking.enrichment import COLUMNS, Blocks, assess, notes_of, read_permuted
from gendmr.ranking.enrichment_figure import draw_enrichment
from gendmr.ranking.gene_sets import GeneSet, read_gmt
from gendmr.ranking.matched import block_values, by_size, match, normal_scores

TABLE, KEY = "expressions.tsv", "expression"
GENES: dict[str, Kind] = {
    KEY: "text",
    "groups": "text",
    "mean": "number",
    "sd": "number",
    "score": "number",
    "z": "number",
}
FAMILIES = "families"  # collection of the sets that `expression.groups` names


def enrich_expression(
    *, method: str, ranking: Path, options: EnrichmentSection | None, seed: int
) -> list[str]:
    """Write enrichment-expression.tsv and its figure; return notes for the log.

    Sets are the families of `expression.groups` and those of the GMT files. Where a null was run,
    `p_permuted` holds what `p` cannot: genes of a set that rise and fall together.

    Parameters
    ----------
    method : str
    ranking : Path
        `ranking/<method>` with expressions.tsv and, where a null was run, null.nc.
    options : EnrichmentSection, optional
    seed : int
        The study's.

    Raises
    ------
    InputFileError, TableError, AnnotationError, RankingError
        See `gendmr.ranking.enrichment.enrich`.
    """
    section = options or EnrichmentSection.model_construct()
    genes = read_table(ranking / TABLE, GENES, extra=True, key=KEY)
    names = genes[KEY].tolist()
    sets = families_of(genes)
    sets += (
        [gene_set for path in section.sets for gene_set in read_gmt(path, names)] if names else []
    )
    if not sets:
        table = pd.DataFrame(columns=pd.Index(COLUMNS))
        notes = [f"{method}: no families of genes and no sets, or no gene is ranked."]
    else:
        blocks = read_genes(ranking, genes)
        table = assess(sets, blocks, section, seed)
        notes = notes_of(table, len(blocks.values), section.draws, "genes")
    write_table(ranking / "enrichment-expression.tsv", table)
    draw_enrichment(table, notes, ranking / "figures" / "enrichment-expression.png", "genes")
    return notes


def families_of(genes: pd.DataFrame) -> list[GeneSet]:
    """Return the families that the column `groups` names, sorted by name."""
    members: dict[str, list[str]] = {}
    for name, listed in zip(genes[KEY], genes["groups"], strict=True):
        for family in str(listed).split(";"):
            if family and family != "n/a":
                members.setdefault(family, []).append(name)
    return [
        GeneSet(FAMILIES, family, "family", tuple(sorted(family_genes)), len(family_genes), 0)
        for family, family_genes in sorted(members.items())
    ]


def read_genes(ranking: Path, genes: pd.DataFrame) -> Blocks:
    """Return the genes of a ranking, each a block: matched on mean and SD of its expression.

    Raises
    ------
    RankingError
        A gene has no mean: the table is of an older ranking.
    """
    if genes[["mean", "sd"]].isna().any(axis=None):
        raise RankingError(
            f"{ranking / TABLE}: genes without mean or SD",
            cause="genes that nobody has a value of",
            next_step="take these genes out of the matrix, and run the workflow again",
        )
    tested = genes["z"].notna().to_numpy()
    permuted = None
    if tested.any():
        genes = genes.assign(score=genes["z"])[tested]
        if (ranking / "null.nc").is_file():
            permuted = read_permuted(ranking / "null.nc", genes[KEY].tolist(), KEY)
    else:
        genes = genes.assign(score=normal_scores(genes["score"].to_numpy()))
    score = genes["score"].to_numpy("float64")
    block = np.arange(len(genes))
    values, permuted = block_values(score, block, permuted)
    size = like(genes["mean"].to_numpy(), genes["sd"].to_numpy())
    return Blocks(
        genes=pd.DataFrame(
            {"score": score, "block": block}, index=pd.Index(genes[KEY], name="gene")
        ),
        values=values,
        permuted=permuted,
        fitted=by_size(values, *size),
        matched=match(*size),
        best=genes[KEY].to_numpy(),
    )


def like(mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ones, and mean and SD (gene,) as positive numbers whose logarithms are in SDs.

    Matching of blocks takes logarithms of sizes; those of a mean of log2 expression are not meant.
    """
    scaled = []
    for values in (mean, sd):
        spread = float(values.std())
        scaled.append(np.exp((values - values.mean()) / spread if spread > 0 else 0 * values))
    return np.ones(len(mean), dtype=np.int64), scaled[0], scaled[1]

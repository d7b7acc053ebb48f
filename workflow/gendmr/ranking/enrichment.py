"""Whether gene sets and known loci stand higher in a ranking than matched LD blocks do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.ranking import EnrichmentSection
from gendmr.errors import RankingError, first_few
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.ranking.gene_sets import GeneSet, read_gmt, read_loci
from gendmr.ranking.matched import (
    CLASS,
    best_rows,
    block_values,
    by_size,
    class_means,
    draw,
    match,
    membership,
    normal_scores,
    reaches,
)
from gendmr.ranking.tables import null_ranking_schema
from gendmr.seeds import generator

GENES: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "start": "integer",
    "end": "integer",
    "block": "text",
    "score": "number",
    "z": "number",
}
BLOCKS: dict[str, Kind] = {
    "block": "text",
    "start": "integer",
    "end": "integer",
    "n_gene": "integer",
    "n_snp": "integer",
}
COLUMNS = (
    "collection",
    "set",
    "kind",
    "n_listed",
    "n_ranked",
    "n_absent",
    "n_block",
    "score",
    "expected",
    "expected_low",
    "expected_high",
    "p",
    "q",
    "p_permuted",
    "q_permuted",
    "leading",
    "leading_best",
    "reason",
)


@dataclass(frozen=True)
class Blocks:
    """The LD blocks of a ranking.

    Attributes
    ----------
    genes : DataFrame
        By `gene`: its `score`, and its `block` as a place in the arrays below.
    values : ndarray (block,)
        The best normal score of each block.
    permuted : ndarray (permutation, block) or None
        The same under permuted outcomes.
    fitted : ndarray (block,)
        The value that blocks of that size have.
    matched : ndarray (block,) of int
        Class of blocks that may stand for one another.
    best : ndarray (block,) of str
        The gene with the best score in each.
    """

    genes: pd.DataFrame
    values: np.ndarray
    permuted: np.ndarray | None
    fitted: np.ndarray
    matched: np.ndarray
    best: np.ndarray


def enrich(
    *,
    method: str,
    ranking: Path,
    options: EnrichmentSection,
    build: str,
    seed: int,
) -> list[str]:
    """Write enrichment.tsv and figures/enrichment.png and .svg of one method's ranking.

    Parameters
    ----------
    method : str
        Its name, for texts.
    ranking : Path
        `ranking/<method>` with genes.tsv, blocks.tsv and, where a null was run, null.nc.
    options : EnrichmentSection
        The section `ranking.enrichment`.
    build : str
        Genome build of the study.
    seed : int
        Seed of the study.

    Returns
    -------
    list of str
        Notes for the log.

    Raises
    ------
    InputFileError, TableError, AnnotationError
        A file of sets or loci cannot be used (see `gene_sets`).
    RankingError
        Files of the ranking do not agree.
    """
    from gendmr.ranking.enrichment_figure import draw_enrichment

    genes = read_table(ranking / "genes.tsv", GENES, extra=True, key="gene")
    if genes.empty:
        table = pd.DataFrame(columns=pd.Index(COLUMNS))
        notes = [f"{method} ranks no genes: no sets are tested."]
    else:
        sets = read_sets(options, genes, build)
        blocks = read_blocks(ranking, genes)
        table = assess(sets, blocks, options, seed)
        notes = notes_of(table, len(blocks.values), options.draws)
    write_table(ranking / "enrichment.tsv", table)
    draw_enrichment(table, notes, ranking / "figures" / "enrichment.png")
    return notes


def read_sets(options: EnrichmentSection, genes: pd.DataFrame, build: str) -> list[GeneSet]:
    """Return all sets of all files, in the order of the configuration."""
    sets = [
        gene_set for path in options.sets for gene_set in read_gmt(path, genes["gene"].tolist())
    ]
    window = round(1000 * options.window_kb)
    return sets + [read_loci(path, genes, window_bp=window, build=build) for path in options.loci]


def read_blocks(ranking: Path, genes: pd.DataFrame) -> Blocks:
    """Return the blocks of a ranking, each with its best normal score.

    The score of a gene is its z where a null was run; genes without one are left out. Else it is
    the normal score of its rank.

    Raises
    ------
    RankingError
        genes.tsv, blocks.tsv and null.nc do not name the same genes and blocks.
    """
    sizes = read_table(ranking / "blocks.tsv", BLOCKS, extra=True, key="block").set_index("block")
    unknown = sorted(set(genes["block"]) - set(sizes.index))
    if unknown:
        raise RankingError(
            f"{ranking}: {len(unknown)} blocks of genes.tsv are not in blocks.tsv:"
            f" {first_few(unknown)}",
            cause="files of two runs",
            next_step=f"rm {ranking / 'genes.tsv'} and rank again",
        )
    tested = genes["z"].notna().to_numpy()
    permuted = None
    if tested.any():
        genes = genes.assign(score=genes["z"])[tested]
        if (ranking / "null.nc").is_file():
            permuted = read_permuted(ranking / "null.nc", genes["gene"].tolist())
    else:
        genes = genes.assign(score=normal_scores(genes["score"].to_numpy()))
    names, block = np.unique(genes["block"].to_numpy(str), return_inverse=True)
    score = genes["score"].to_numpy("float64")
    values, permuted = block_values(score, block, permuted)
    sizes = sizes.loc[names]
    length = (sizes["end"] - sizes["start"] + 1).astype("float64")
    size = (
        sizes["n_gene"].to_numpy("int64"),
        sizes["n_snp"].to_numpy("int64"),
        # Genes without a place: of middling length.
        length.fillna(length.median()).fillna(1).to_numpy(),
    )
    return Blocks(
        genes=pd.DataFrame({"score": score, "block": block}, index=pd.Index(genes["gene"])),
        values=values,
        permuted=permuted,
        fitted=by_size(values, *size),
        matched=match(*size),
        best=genes["gene"].to_numpy()[best_rows(score, block)],
    )


def read_permuted(path: Path, genes: Sequence[str], key: str = "gene") -> np.ndarray:
    """Return z of genes under permuted outcomes (permutation, gene), in the order given.

    Parameters
    ----------
    path : Path
    genes : sequence of str
    key : str
        Dimension of the genes there.

    Raises
    ------
    RankingError
        The file lacks a gene.
    """
    dataset = read_dataset(path, null_ranking_schema())
    column = pd.Index(dataset[key].values).get_indexer(pd.Index(genes))
    if (column < 0).any():
        absent = [gene for gene, place in zip(genes, column, strict=True) if place < 0]
        raise RankingError(
            f"{path}: {len(absent)} genes of genes.tsv are not in it: {first_few(absent)}",
            cause="files of two runs",
            next_step=f"rm {path} and rank again",
        )
    return dataset[f"z_{key}"].values[:, column].astype("float64")


def assess(
    sets: Sequence[GeneSet], blocks: Blocks, options: EnrichmentSection, seed: int
) -> pd.DataFrame:
    """Return enrichment.tsv: tested sets by p, then those that were not tested.

    Parameters
    ----------
    sets : sequence of GeneSet
    blocks : Blocks
    options : EnrichmentSection
    seed : int
        Seed of the study.
    """
    block = blocks.genes["block"]
    rows = [np.unique(block.reindex(gene_set.genes).dropna()).astype(int) for gene_set in sets]
    reasons = [
        _reason(gene_set, len(in_table), options)
        for gene_set, in_table in zip(sets, rows, strict=True)
    ]
    described = pd.DataFrame(
        {
            "collection": [gene_set.collection for gene_set in sets],
            "set": [gene_set.name for gene_set in sets],
            "kind": [gene_set.kind for gene_set in sets],
            "n_listed": [gene_set.listed for gene_set in sets],
            "n_ranked": [len(gene_set.genes) for gene_set in sets],
            "n_absent": [gene_set.absent for gene_set in sets],
            "n_block": [len(in_table) for in_table in rows],
            "reason": reasons,
        }
    )
    tested = [number for number, reason in enumerate(reasons) if reason == MISSING]
    tests = _tests(
        [sets[number] for number in tested],
        [rows[number] for number in tested],
        blocks,
        options.draws,
        generator(seed, "ranking", "enrichment"),
    )
    table = described.join(tests.set_index(pd.Index(tested))).reindex(columns=list(COLUMNS))
    # Many sets reach the smallest p that the draws can give.
    excess = table["score"] - table["expected"]
    order = np.lexsort((table["set"], table["collection"], -excess, table["p"].fillna(2.0)))
    return table.iloc[order].reset_index(drop=True)


def _tests(
    sets: Sequence[GeneSet],
    rows: Sequence[np.ndarray],
    blocks: Blocks,
    draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the columns of the tests, a row for each set; `rows` are the blocks it touches."""
    from scipy.stats import false_discovery_control

    if not sets:
        return pd.DataFrame(index=range(0))
    member = membership(rows, len(blocks.values))
    score = member @ blocks.values
    beyond = blocks.values - blocks.fitted
    drawn = draw(member, beyond, blocks.matched, draws, rng)
    expected = blocks.fitted + class_means(beyond, blocks.matched)
    leading = [_leading(*set_rows, blocks, expected) for set_rows in zip(sets, rows, strict=True)]
    table = pd.DataFrame(
        {
            "score": score,
            "expected": member @ expected,
            "expected_low": member @ blocks.fitted + drawn.low,
            "expected_high": member @ blocks.fitted + drawn.high,
            "p": drawn.p,
            "q": false_discovery_control(drawn.p),
            "leading": [";".join(set_genes) or MISSING for set_genes, _ in leading],
            "leading_best": [";".join(best) or MISSING for _, best in leading],
        }
    )
    if blocks.permuted is not None:
        reached = reaches(member @ blocks.permuted.T, score[:, None]).sum(axis=1)
        table["p_permuted"] = (reached + 1) / (len(blocks.permuted) + 1)
        table["q_permuted"] = false_discovery_control(table["p_permuted"])
    return table


def notes_of(table: pd.DataFrame, n_block: int, draws: int, unit: str = "LD blocks") -> list[str]:
    """Return what a reader of the table has to know; `unit` are the units that are matched."""
    tested = int(table["p"].notna().sum())
    notes = []
    if n_block < 2 * CLASS:
        notes.append(f"The ranking has {n_block} {unit}: too few to match them by size.")
    if tested < len(table):
        notes.append(f"{len(table) - tested} of {len(table)} sets are not tested.")
    if tested and tested / (draws + 1) > 0.05:
        notes.append(
            f"With {draws} draws no single one of {tested} sets can reach q = 0.05: raise"
            f" ranking.enrichment.draws to {20 * tested}."
        )
    return notes


def _reason(gene_set: GeneSet, n_block: int, options: EnrichmentSection) -> str:
    """Return why a set is not tested, n/a where it is."""
    n_ranked = len(gene_set.genes)
    if n_ranked < options.smallest:
        return f"{n_ranked} genes in the ranking, fewer than {options.smallest}"
    # The families that a study is about are tested whatever their size.
    if n_ranked > options.largest and gene_set.kind != "family":
        return f"{n_ranked} genes in the ranking, more than {options.largest}"
    if n_block < 2:
        return "its genes are in one LD block: that is one finding, no set"
    return MISSING


def _leading(
    gene_set: GeneSet, rows: np.ndarray, blocks: Blocks, expected: np.ndarray
) -> tuple[list[str], list[str]]:
    """Return the genes without whose blocks the set would score no more than is expected.

    Blocks are taken away from the best on until those that are left are unremarkable. For each of
    them: the gene of the set that scores best there, and the best gene of the block, which need not
    be in the set.
    """
    excess = (blocks.values - expected)[rows]
    order = np.argsort(-excess, kind="stable")
    # The excess of the set without its first k genes.
    remaining = excess.sum() - np.concatenate([[0], np.cumsum(excess[order])])
    count = int(np.argmax(remaining <= 1e-12 * len(rows)))
    set_genes = blocks.genes.reindex(gene_set.genes).sort_values(
        "score", ascending=False, kind="stable"
    )
    best_of_set = set_genes.reset_index().drop_duplicates("block").set_index("block")["gene"]
    first = rows[order[:count]]
    return best_of_set.loc[first].tolist(), blocks.best[first].tolist()

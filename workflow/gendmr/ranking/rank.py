"""Rank what a method attributes its predictions to, from held-out people of all its folds.

Scores of instances are averaged over folds and repeats, and become the tables of their modality:
`gendmr.ranking.levels`. Where the method was fitted under permuted outcomes, the same is done with
each permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gendmr.config.ranking import RankingSection
from gendmr.files.atomic import sha256, write_json
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.provenance import given_checksums, versions
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema
from gendmr.ranking.bias import Bias
from gendmr.ranking.folds import (
    AttributionReader,
    check_held_out,
    null_columns,
    null_files,
    order_folds,
    read_inputs,
    repeats_of,
)
from gendmr.ranking.levels import level_of
from gendmr.ranking.levels.base import Level
from gendmr.ranking.null_scores import Collector, collect_null
from gendmr.ranking.seed_agreement import SeedAgreement
from gendmr.ranking.summary import summarise
from gendmr.ranking.tables import RankedTable, null_ranking, null_ranking_schema
from gendmr.training.agreement import check_agreement


@dataclass(frozen=True)
class Ranking:
    """Tables of one method.

    Parameters
    ----------
    tables : dict of str to RankedTable
        By name: `genes`, `blocks`, `snps`, `regions`.
    modalities : dict of str to tuple of str
        Tables of each modality.
    permutations : int
    bias : list of Bias
    seeds : dict of str to SeedAgreement
        By modality whose networks were trained from several seeds.
    notes : list of str
        Of the levels.
    """

    tables: dict[str, RankedTable]
    modalities: dict[str, tuple[str, ...]]
    permutations: int
    bias: list[Bias]
    seeds: dict[str, SeedAgreement]
    notes: list[str]


def rank_method(
    *,
    method: str,
    attributions: Sequence[str],
    modalities: Sequence[str],
    null_chunks: int,
    cohort: Path,
    genes: Path | None,
    options: RankingSection,
    output: Path,
) -> None:
    """Write the tables, null.nc and summary.json of one method.

    Parameters
    ----------
    method : str
        Its name, for texts.
    attributions : sequence of str
        `…/repeat-<r>/fold-<k>/attributions.nc` of all folds and repeats, each beside its
        predictions.tsv.
    modalities : sequence of str
        Those that the method reads: their files are opened and no others, and their tables are
        written (`gendmr.ranking.levels`).
    null_chunks : int
        Files `…/null/repeat-<r>/fold-<k>/chunk-<c>.nc` of each fold; 0 where no null was run.
    cohort : Path
        Folder with `<modality>.nc`.
    genes : Path, optional
        `annotation/genes.tsv`, where SNPs are ranked.
    options : RankingSection
        The section `ranking`, that of the method.
    output : Path
        `ranking/<method>`.

    Raises
    ------
    FoldError
        Folds, or chunks of the null, were made of different files, or of others than there are now.
    RankingError
        A fold is given twice or lacks a file's agreement with its predictions, a person is held
        out twice in one repeat, or folds have different permutations.
    AnnotationError
        No gene of the SNPs is in `genes`.
    """
    paths = order_folds(attributions)
    null = null_files(paths, null_chunks)
    check_agreement(
        [path.parent for path in paths],
        {path: read_inputs(path) for chunks in null for path in chunks},
        [cohort / f"{name}.nc" for name in modalities],
    )
    check_held_out(paths)
    ranking = rank(
        paths,
        null,
        {name: level_of(name).read(cohort, name, options, genes) for name in modalities},
        options,
    )
    for name, table in ranking.tables.items():
        write_table(output / f"{name}.tsv", table.rows)
    keys = [table.key for table in ranking.tables.values() if table.joint]
    write_dataset(
        output / "null.nc",
        null_ranking(ranking.tables, ranking.permutations),
        null_ranking_schema(keys),
    )
    inputs = [cohort / f"{name}.nc" for name in modalities]
    if genes is not None:
        inputs.append(genes)
    provenance = {
        "versions": versions("numpy", "scipy", "pandas", "xarray"),
        "inputs": {path.name: sha256(path) for path in inputs},
        "given": given_checksums(cohort / "inputs.json"),
    }
    summary = summarise(
        method,
        ranking.tables,
        ranking.modalities,
        permutations=ranking.permutations,
        bias=ranking.bias,
        seeds=ranking.seeds,
        notes=ranking.notes,
        repeat=repeats_of(paths),
        options=options,
    )
    write_json(output / "summary.json", summary | provenance)


def rank(
    paths: Sequence[Path],
    null: Sequence[Sequence[Path]],
    levels: dict[str, Level],
    options: RankingSection,
) -> Ranking:
    """Rank the instances of some modalities, and what they belong to.

    Parameters
    ----------
    paths : sequence of Path
        attributions.nc of each fold.
    null : sequence of sequence of Path
        Chunks of the null of each fold, or nothing.
    levels : dict of str to Level
        By modality, in the order of the tables.
    options : RankingSection
        The section `ranking`.

    Raises
    ------
    RankingError
        A fold names instances that the cohort does not have.
    AnnotationError
        See `Level.tables`.
    """
    readers = {name: AttributionReader(level, name, paths) for name, level in levels.items()}
    schema = attributions_schema()
    for fold, path in enumerate(paths):
        attributions = read_dataset(path, schema)
        for reader in readers.values():
            reader.add(fold, attributions, options)
    collectors = {
        name: Collector.of(
            level, null_columns(null, level, name, readers[name].columns), readers[name].columns
        )
        for name, level in levels.items()
    }
    under_null = collect_null(null, collectors, options)
    tables: dict[str, RankedTable] = {}
    bias: list[Bias] = []
    notes: list[str] = []
    for name, level in levels.items():
        level_tables = level.tables(readers[name].finish(), under_null[name])
        tables |= level_tables
        bias += level.bias(level_tables, under_null[name])
        notes += level.notes(level_tables)
    return Ranking(
        tables=tables,
        modalities={name: level.tables_of(name) for name, level in levels.items()},
        permutations=max(
            (level_null.permutations for level_null in under_null.values()), default=0
        ),
        bias=bias,
        seeds={
            name: agreement
            for name, reader in readers.items()
            if (agreement := reader.agreement_of_seeds) is not None
        },
        notes=notes,
    )

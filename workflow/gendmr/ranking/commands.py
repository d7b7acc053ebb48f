"""`gendmr ranking`: what one method attributes its predictions to."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Rank genes, regions and instances of other modalities."""


@group.command("rank")
@click.option("--method", required=True, help="Name of the method.")
@click.option("--cohort", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--reads",
    multiple=True,
    required=True,
    help="A modality that the method reads: its tables are written. Once for each.",
)
@click.option(
    "--genes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="annotation/genes.tsv, where SNPs are ranked.",
)
@click.option(
    "--options", required=True, help="Section `ranking`: JSON, or the path of a YAML file."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--null-chunks",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Files null/repeat-*/fold-*/chunk-*.nc of each fold.",
)
@click.argument("attributions", nargs=-1, required=True, type=click.Path(dir_okay=False))
def rank(
    *,
    method: str,
    cohort: Path,
    reads: tuple[str, ...],
    genes: Path | None,
    options: str,
    output: Path,
    null_chunks: int,
    attributions: tuple[str, ...],
) -> None:
    """Rank from the ATTRIBUTIONS (repeat-*/fold-*/attributions.nc) of all folds and repeats."""
    from gendmr.config.ranking import RankingSection
    from gendmr.ranking.rank import rank_method

    rank_method(
        method=method,
        attributions=attributions,
        modalities=reads,
        null_chunks=null_chunks,
        cohort=cohort,
        genes=genes,
        options=RankingSection.parse(options, where="ranking").of(method),
        output=output,
    )


@group.command("figures")
@click.option(
    "--ranking",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder with the tables, null.nc and summary.json; receives figures/.",
)
@click.option("--cohort", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--options", required=True, help="Section `ranking.figures`: JSON, or a YAML file's path."
)
@click.option(
    "--template",
    type=click.Path(file_okay=False, path_type=Path),
    help="imaging/template, to paint regions on the brain; absent: marks at their centroids.",
)
def figures(*, ranking: Path, cohort: Path, options: str, template: Path | None) -> None:
    """Draw the ranking of one method."""
    from gendmr.config.ranking import FiguresSection
    from gendmr.ranking.draw import draw_ranking

    draw_ranking(
        ranking,
        cohort,
        FiguresSection.parse(options, where="ranking.figures"),
        template=template,
    )


@group.command("compare")
@click.option(
    "--top-k", type=click.IntRange(min=1), default=25, show_default=True, help="The first of each."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.argument("tables", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def compare(*, top_k: int, output: Path, tables: tuple[Path, ...]) -> None:
    """Put the rankings of several methods (TABLES: <method>/genes.tsv) side by side."""
    from gendmr.ranking.comparison import compare_rankings

    compare_rankings(tables, top_k, output)


@group.command("enrichment")
@click.option("--method", required=True, help="Name of the method.")
@click.option(
    "--ranking",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder with genes.tsv, blocks.tsv and null.nc; receives the results.",
)
@click.option(
    "--options", required=True, help="Section `ranking.enrichment`: JSON, or a YAML file's path."
)
@click.option("--build", required=True, help="Genome build of the study.")
@click.option("--seed", type=int, required=True, help="Seed of the study.")
def enrichment(*, method: str, ranking: Path, options: str, build: str, seed: int) -> None:
    """Ask whether gene sets and known loci stand higher than matched LD blocks do."""
    from gendmr.config.ranking import EnrichmentSection
    from gendmr.ranking.enrichment import enrich

    notes = enrich(
        method=method,
        ranking=ranking,
        options=EnrichmentSection.parse(options, where="ranking.enrichment"),
        build=build,
        seed=seed,
    )
    for note in notes:
        click.echo(f"note: {note}", err=True)


@group.command("enrichment-expression")
@click.option("--method", required=True, help="Name of the method.")
@click.option(
    "--ranking",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder with expressions.tsv and null.nc; receives the results.",
)
@click.option(
    "--options",
    required=True,
    help="Section `ranking.enrichment`: JSON, or a YAML file's path; {} tests families alone.",
)
@click.option("--seed", type=int, required=True, help="Seed of the study.")
def enrichment_expression(*, method: str, ranking: Path, options: str, seed: int) -> None:
    """Ask whether sets of genes stand higher than genes of like mean and variance do."""
    from gendmr.config.ranking import EnrichmentSection
    from gendmr.ranking.expression_enrichment import enrich_expression

    section = None
    if options != "{}":
        section = EnrichmentSection.parse(options, where="ranking.enrichment")
    for note in enrich_expression(method=method, ranking=ranking, options=section, seed=seed):
        click.echo(f"note: {note}", err=True)

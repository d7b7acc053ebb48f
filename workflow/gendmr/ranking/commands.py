"""`gendmr ranking`: genes and regions of one method."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Rank genes and regions."""


@group.command("genes")
@click.option("--method", required=True, help="Name of the method.")
@click.option("--cohort", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--genes", type=click.Path(dir_okay=False), required=True, help="annotation/genes.tsv"
)
@click.option(
    "--options", required=True, help="Section `ranking`: JSON, or the path of a YAML file."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.argument("attention", nargs=-1, required=True, type=click.Path(dir_okay=False))
def genes(
    *,
    method: str,
    cohort: Path,
    genes: str,
    options: str,
    output: Path,
    attention: tuple[str, ...],
) -> None:
    """Rank from the ATTENTION (repeat-*/fold-*/attention.nc) of all folds and repeats."""
    from gendmr.config.ranking import RankingSection
    from gendmr.ranking.rank import rank_method

    rank_method(
        method=method,
        attention=attention,
        cohort=cohort,
        genes=genes,
        options=RankingSection.parse(options, where="ranking"),
        output=output,
    )

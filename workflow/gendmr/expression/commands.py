"""Command line of the stage `expression`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Check expression matrices and join them."""


@group.command()
@click.option(
    "--options", required=True, help="Section `expression`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def join(options: str, output: Path) -> None:
    """Check every matrix, join them into one order of genes, into the folder OUTPUT."""
    from gendmr.config.expression import ExpressionSection
    from gendmr.expression.join import join_matrices

    summary = join_matrices(ExpressionSection.parse(options), output)
    click.echo(
        f"{summary['people']} people, {summary['genes']} genes; {summary['left_genes']} genes left"
    )

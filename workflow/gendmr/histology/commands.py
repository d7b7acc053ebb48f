"""Command line of the stage `histology`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Make bags of patches from features of slides."""


@group.command()
@click.option(
    "--options", required=True, help="Section `histology`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def collect(options: str, output: Path) -> None:
    """Check every slide, make the bag of each person, into the folder OUTPUT."""
    from gendmr.config.histology import HistologySection
    from gendmr.histology.collect import collect_slides

    summary = collect_slides(HistologySection.parse(options), output)
    click.echo(
        f"{summary['people']} people, {summary['used_slides']} of {summary['slides']} slides,"
        f" {summary['features']} features"
    )

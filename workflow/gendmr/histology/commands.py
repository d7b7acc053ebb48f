"""Command line of the stage `histology`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Cut slides into tiles and describe these; make bags of patches from features of slides."""


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


@group.command()
@click.option("--slide", required=True, help="Name of the slide.")
@click.option("--image", required=True, help="The image of the slide.")
@click.option(
    "--options", required=True, help="Section `histology.tiles`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def extract(slide: str, image: str, options: str, output: Path) -> None:
    """Cut tiles out of the IMAGE of one slide and describe them, into the folder OUTPUT."""
    from gendmr.config.histology import TilesSection
    from gendmr.histology.extract import extract_features

    description = extract_features(slide, image, TilesSection.parse(options), output)
    why = (
        description["refused"]["what"]
        if "refused" in description
        else f"of {description['grid']} on the slide"
    )
    click.echo(f"{slide}: {description['tiles']} tiles, {why}")

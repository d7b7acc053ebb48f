"""Command line of the stage `lesions`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Read images with masks of lesions, and measure the lesions."""


@group.command()
@click.option(
    "--options", required=True, help="Section `lesions`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def collect(options: str, output: Path) -> None:
    """Read the images of all people; write volumes, measures and quality into the folder OUTPUT."""
    from gendmr.config.lesions import LesionsSection
    from gendmr.lesions.collect import collect_lesions

    collect_lesions(LesionsSection.parse(options), output)

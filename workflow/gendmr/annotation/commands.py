"""`gendmr annotation …`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Map SNPs to genes."""


@group.command("map")
@click.option(
    "--variants", required=True, type=click.Path(path_type=Path), help="The .bim of the genotypes."
)
@click.option("--build", required=True, help="Genome build of the genotypes.")
@click.option("--options", required=True, help="Section annotation: JSON, or a YAML file.")
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the tables.",
)
def map_command(variants: Path, build: str, options: str, output: Path) -> None:
    """Assign SNPs to genes by strand-aware windows."""
    from gendmr.annotation.mapping import map_snps
    from gendmr.config.annotation import AnnotationSection

    map_snps(AnnotationSection.parse(options), variants, build, output)

"""`gendmr init`: a commented configuration from your files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="init")
@click.argument("study")
@click.option("--participants", required=True, help="participants.tsv: one row per person, tabs.")
@click.option("--genotypes", multiple=True, help="PLINK prefix, .pgen, .vcf.gz, .bcf; repeatable.")
@click.option("--genes", help="Gene table: MAGMA's .gene.loc, PLINK's glist, or a GTF.")
@click.option("--images", help="BIDS folder of T1w images.")
@click.option("--atlas", help="With --images: NIfTI image of labels.")
@click.option("--regions", help="With --images: table of the labels: index, region, hemisphere.")
@click.option("--measurements", multiple=True, help="Region tables, or a folder; repeatable.")
@click.option("--outcome", help="Column of the outcome; without it, guessed.")
@click.option("--output", type=click.Path(path_type=Path), help="The configuration to write.")
def group(
    study: str,
    participants: str,
    genotypes: tuple[str, ...],
    genes: str | None,
    images: str | None,
    atlas: str | None,
    regions: str | None,
    measurements: tuple[str, ...],
    outcome: str | None,
    output: Path | None,
) -> None:
    """Look into the files of STUDY (its name) and write a commented configuration.

    It is written to config/studies/STUDY.yaml; an existing file is never overwritten. What was
    guessed is listed: look at each line.
    """
    from gendmr.init.draft import Inputs, write_draft

    path = output or Path("config/studies") / f"{study}.yaml"
    inputs = Inputs(
        study, participants, genotypes, genes, images, atlas, regions, measurements, outcome
    )
    guesses = write_draft(inputs, path)
    click.echo(f"{path} is written. Look at what was guessed:")
    for guess in guesses:
        click.echo(f"  - {guess}")
    click.echo("Next, who joins (nothing is computed):")
    # The target first: Snakemake takes all that follows --configfile for configurations.
    target = f"results/{study}/cohort/check.json"
    click.echo(f"  snakemake {target} --cores 1 --configfile {path}")

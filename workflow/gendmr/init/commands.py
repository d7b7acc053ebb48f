"""`gendmr init`: a commented configuration from your files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command(name="init")
@click.argument("study")
@click.option("--participants", required=True, help="participants.tsv: one row per person, tabs.")
@click.option(
    "--genotypes", multiple=True, help="PLINK prefix, .pgen, .vcf.gz, .bcf, .bgen; repeatable."
)
@click.option(
    "--bgen-reference",
    type=click.Choice(["first", "last"]),
    help="Which allele of a .bgen is the reference; without it, asked.",
)
@click.option("--bgen-samples", help="The .sample file of .bgen files, where it has another name.")
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
    bgen_reference: str | None,
    bgen_samples: str | None,
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
    from gendmr.init.draft import Inputs, is_bgen, write_draft

    if bgen_reference is None and is_asked() and any(map(is_bgen, genotypes)):
        bgen_reference = click.prompt(
            "Which of a .bgen's two alleles is that of the reference genome? UK Biobank: first",
            type=click.Choice(["first", "last"]),
        )
    path = output or Path("config/studies") / f"{study}.yaml"
    inputs = Inputs(
        study=study,
        participants=participants,
        genotypes=genotypes,
        bgen_reference=bgen_reference,
        bgen_samples=bgen_samples,
        genes=genes,
        images=images,
        atlas=atlas,
        regions=regions,
        measurements=measurements,
        outcome=outcome,
    )
    guesses = write_draft(inputs, path)
    click.echo(f"{path} is written. Look at what was guessed:")
    for guess in guesses:
        click.echo(f"  - {guess}")
    click.echo("Next, who joins, and what does not fit (nothing is computed):")
    click.echo(f"  gendmr check {shlex.quote(str(path))}")


def is_asked() -> bool:
    """Return whether there is a person who can answer."""
    return sys.stdin.isatty()

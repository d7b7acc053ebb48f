"""`gendmr cohort`: join the modalities, split the folds."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(dir_okay=False)


@click.group()
def group() -> None:
    """Join the modalities and split the folds."""


@group.command("join")
@click.option("--genotypes", required=True, help="Prefix of the filtered PLINK files.")
@click.option("--attrition", type=FILE, required=True, help="genotypes/attrition.tsv")
@click.option("--kinship", type=FILE, required=True, help="genotypes/kinship.tsv")
@click.option("--genes", type=FILE, required=True, help="annotation/snp2gene.tsv")
@click.option("--annotation", type=FILE, required=True, help="annotation/summary.json")
@click.option(
    "--options", required=True, help="Section `cohort`: JSON, or the path of a YAML file."
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.argument("images", nargs=-1, type=FILE)
def join(
    *,
    genotypes: str,
    attrition: str,
    kinship: str,
    genes: str,
    annotation: str,
    options: str,
    output: Path,
    images: tuple[str, ...],
) -> None:
    """Join participants, genotypes and IMAGES by identifier.

    IMAGES are imaging/regions.nc and imaging/quality.tsv, or nothing in a study without images.
    """
    if len(images) not in {0, 2}:
        raise click.UsageError("IMAGES are regions.nc and quality.tsv, or nothing")
    from gendmr.cohort.join import join_cohort
    from gendmr.config.cohort import CohortSection

    regions, quality = images or (None, None)
    join_cohort(
        genotypes=genotypes,
        genotype_attrition=attrition,
        kinship=kinship,
        snp_to_gene=genes,
        annotation_summary=annotation,
        regions=regions,
        quality=quality,
        options=CohortSection.parse(options, where="cohort"),
        output=output,
    )


@group.command("split")
@click.option("--participants", type=FILE, required=True, help="cohort/participants.tsv")
@click.option(
    "--options", required=True, help="Section `cohort`: JSON, or the path of a YAML file."
)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Seed of the study.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def split(*, participants: str, options: str, seed: int, output: Path) -> None:
    """Split the folds: stratified, repeated, families together."""
    from gendmr.cohort.splits import split_folds
    from gendmr.config.cohort import CohortSection

    split_folds(participants, CohortSection.parse(options, where="cohort"), seed, output)


@group.command("strata")
@click.option("--participants", type=FILE, required=True, help="cohort/participants.tsv")
@click.option("--components", type=FILE, required=True, help="genotypes/components.tsv")
@click.option(
    "--options", required=True, help="Section `cohort`: JSON, or the path of a YAML file."
)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Seed of the study.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def strata(*, participants: str, components: str, options: str, seed: int, output: Path) -> None:
    """Strata within which the null permutes diagnoses."""
    from gendmr.cohort.permutation import stratify_people
    from gendmr.config.cohort import CohortSection

    parsed = CohortSection.parse(options, where="cohort")
    stratify_people(participants, components, parsed, seed, output)


@group.command("check")
@click.option(
    "--options", required=True, help="Section `cohort`: JSON, or the path of a YAML file."
)
@click.option("--imaging", required=True, help="Section `imaging` as JSON; {} where there is none.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.argument("fams", nargs=-1, type=FILE)
def check(*, options: str, imaging: str, output: Path, fams: tuple[str, ...]) -> None:
    """Check participants.tsv, and that people of FAMS (.fam) and of the images are in it."""
    from gendmr.cohort.check import check_people
    from gendmr.config.cohort import CohortSection
    from gendmr.config.imaging import ImagingSection

    section = None if imaging == "{}" else ImagingSection.parse(imaging)
    check_people(CohortSection.parse(options, where="cohort"), section, fams, output)


@group.command("inputs")
@click.option("--imaging", required=True, help="Section `imaging` as JSON; {} where there is none.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--everything", is_flag=True, help="Read each file, whatever its size and time say.")
@click.argument("files", nargs=-1, type=FILE)
def inputs(*, imaging: str, output: Path, everything: bool, files: tuple[str, ...]) -> None:
    """Checksums of the files that the study was given: FILES and those of the section imaging."""
    from gendmr.cohort.inputs import given_files
    from gendmr.files.provenance import record_files

    for change in record_files(given_files(files, imaging), output, everything=everything):
        click.echo(f"changed since the last record: {change}")

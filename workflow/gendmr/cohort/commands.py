"""`gendmr cohort`: join the modalities, split the folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False)
OPTIONS = "Section `cohort`: JSON, or the path of a YAML file."


@click.group()
def group() -> None:
    """Join the modalities and split the folds."""


def parse_json(text: str, option: str, kind: type) -> Any:
    """Return what an option holds as JSON."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: not JSON ({error})") from error
    if not isinstance(value, kind):
        raise click.UsageError(f"{option}: a {type(value).__name__}, not a {kind.__name__}")
    return value


def parse_sources(text: str, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the files of modalities by name and role, those of `names` at least."""
    sources: dict[str, dict[str, str]] = parse_json(text, "--sources", dict)
    absent = [name for name in names if not isinstance(sources.get(name), dict)]
    if absent:
        raise click.UsageError(f"--sources: no files of {', '.join(absent)}")
    return sources


def of_modalities(command: F) -> F:
    """Add what the commands know of modalities: their files and their sections."""
    for option in (
        click.option(
            "--modalities",
            required=True,
            help="Sections of the study's modalities as JSON: {name: section}.",
        ),
        click.option(
            "--sources",
            required=True,
            help="Files of each modality as JSON: {name: {what it holds: path}}.",
        ),
    ):
        command = option(command)
    return command


@group.command("join")
@of_modalities
@click.option("--options", required=True, help=OPTIONS)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def join(*, sources: str, modalities: str, options: str, output: Path) -> None:
    """Join participants and what is measured of them by identifier."""
    from gendmr.cohort.join import join_people
    from gendmr.config.cohort import CohortSection
    from gendmr.config.modalities import parse_modalities

    sections = parse_modalities(modalities)
    files = parse_sources(sources, sections)
    join_people(files, sections, CohortSection.parse(options, where="cohort"), output)


@group.command("collect")
@of_modalities
@click.option("--modality", required=True, help="Its name.")
@click.option("--participants", type=FILE, required=True, help="cohort/participants.tsv")
@click.option("--options", required=True, help=OPTIONS)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def collect(
    *,
    modality: str,
    sources: str,
    modalities: str,
    participants: str,
    options: str,
    output: Path,
) -> None:
    """Write the file of one modality: a row for each person of the cohort who has it."""
    from gendmr.cohort.collect import collect_modality
    from gendmr.config.cohort import CohortSection
    from gendmr.config.modalities import parse_modalities

    sections = parse_modalities(modalities)
    if modality not in sections:
        raise click.UsageError(f"--modality {modality}: not among {', '.join(sections)}")
    files = parse_sources(sources, [modality])
    parsed = CohortSection.parse(options, where="cohort")
    collect_modality(modality, files[modality], sections[modality], participants, parsed, output)


@group.command("split")
@click.option("--participants", type=FILE, required=True, help="cohort/participants.tsv")
@click.option("--options", required=True, help=OPTIONS)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Seed of the study.")
@click.option(
    "--values",
    default="[]",
    show_default=True,
    help="Values of cohort.fold_by as a JSON list, a fold each; [] reads participants.tsv.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def split(*, participants: str, options: str, seed: int, values: str, output: Path) -> None:
    """Split the folds: stratified, repeated, families together; or by a column."""
    from gendmr.cohort.splits import split_folds
    from gendmr.config.cohort import CohortSection

    fold_names = parse_json(values, "--values", list)
    parsed = CohortSection.parse(options, where="cohort")
    split_folds(participants, parsed, seed, output, fold_names or None)


@group.command("strata")
@click.option("--participants", type=FILE, required=True, help="cohort/participants.tsv")
@click.option(
    "--components", type=FILE, help="genotypes/components.tsv; none in a study without genotypes."
)
@click.option("--options", required=True, help=OPTIONS)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Seed of the study.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def strata(
    *, participants: str, components: str | None, options: str, seed: int, output: Path
) -> None:
    """Strata within which the null permutes outcomes."""
    from gendmr.cohort.strata import stratify_people
    from gendmr.config.cohort import CohortSection

    parsed = CohortSection.parse(options, where="cohort")
    stratify_people(participants, components, parsed, seed, output)


@group.command("check")
@click.option("--options", required=True, help=OPTIONS)
@click.option(
    "--modalities",
    required=True,
    help="Sections of the study's modalities as JSON: {name: section}.",
)
@click.option(
    "--stages",
    required=True,
    help="Sections of the study whose files are looked at, as JSON: {stage: section}.",
)
@click.option("--simulated", is_flag=True, help="The cohort is simulated.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def check(*, options: str, modalities: str, stages: str, simulated: bool, output: Path) -> None:
    """Check all that the study is given; list everything that is missing or does not fit."""
    from gendmr.cohort.check import check_people
    from gendmr.config.cohort import CohortSection
    from gendmr.config.modalities import parse_modalities

    warnings = check_people(
        CohortSection.parse(options, where="cohort"),
        parse_modalities(modalities),
        parse_json(stages, "--stages", dict),
        output,
        simulated=simulated,
    )
    for warning in warnings:
        click.echo(f"WARNING: {warning}")


@group.command("inputs")
@click.option("--imaging", default="{}", help="Section `imaging` as JSON.")
@click.option("--connectivity", default="{}", help="Section `connectivity` as JSON.")
@click.option("--lesions", default="{}", help="Section `lesions` as JSON.")
@click.option("--histology", default="{}", help="Section `histology` as JSON.")
@click.option("--modalities", default="{}", help="Sections of modalities as JSON, by name.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--everything", is_flag=True, help="Read each file, whatever its size and time say.")
@click.argument("files", nargs=-1, type=FILE)
def inputs(*, output: Path, everything: bool, files: tuple[str, ...], **sections: str) -> None:
    """Checksums of the files that the study was given: FILES and those of each person."""
    from gendmr.cohort.inputs import given_files
    from gendmr.files.provenance import record_files

    for change in record_files(given_files(files, **sections), output, everything=everything):
        click.echo(f"changed since the last record: {change}")

"""`gendmr genotypes …`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

OPTIONS = "Section genotypes: JSON, or a YAML file."
SEED = "Seed of the study."
WORK = click.Path(file_okay=False, path_type=Path)


@click.group()
def group() -> None:
    """Merge and filter PLINK genotypes, list every removal."""


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--options", required=True, help=OPTIONS),
        click.option("--threads", default=1, show_default=True, help="Threads of PLINK."),
        click.option("--memory", default=2000, show_default=True, help="Memory of PLINK, MiB."),
        click.option(
            "--work",
            required=True,
            type=WORK,
            help="Folder of what the steps hand to one another; results go into its parent.",
        ),
    ):
        command = option(command)
    return command


@group.command()
@_common
def merge(options: str, threads: int, memory: int, work: Path) -> None:
    """Check the input sets, merge them, drop variants with too many missing calls."""
    from gendmr.config.genotypes import GenotypesSection
    from gendmr.genotypes.merging import merge_genotypes
    from gendmr.genotypes.plink import Plink

    merge_genotypes(GenotypesSection.parse(options), work, Plink(threads, memory))


@group.command("filter")
@_common
@click.option("--seed", required=True, type=int, help=SEED)
def filter_(options: str, threads: int, memory: int, work: Path, seed: int) -> None:
    """Filter people, then variants; compute components; sum the stage up."""
    from gendmr.config.genotypes import GenotypesSection
    from gendmr.files.seal import verify
    from gendmr.genotypes.components import compute_components
    from gendmr.genotypes.participants import filter_participants
    from gendmr.genotypes.plink import Plink
    from gendmr.genotypes.variants import filter_variants

    section, plink = GenotypesSection.parse(options), Plink(threads, memory)
    for suffix in ("bed", "bim", "fam", "smiss"):
        verify(work / f"merged.{suffix}")
    filter_participants(section, work, plink)
    filter_variants(section, work, plink)
    compute_components(section, work, plink, seed)


@group.command()
@click.option("--options", required=True, help=OPTIONS)
@click.option("--seed", required=True, type=int, help=SEED)
@click.option("--work", required=True, type=WORK, help="Folder of what the steps left.")
def figures(options: str, seed: int, work: Path) -> None:
    """Draw a figure for each criterion, and the components."""
    from gendmr.config.genotypes import GenotypesSection
    from gendmr.genotypes.figures import draw_stage

    draw_stage(GenotypesSection.parse(options), work, seed)


@group.command("find-plink")
def find_plink() -> None:
    """Say which PLINK 1.9 and 2 are used, or how to install them."""
    from gendmr.genotypes.plink import find

    for program in (find("1.9"), find("2")):
        click.echo(f"{program.path}: {program.version}")

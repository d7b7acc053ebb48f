"""Command line of the stage `imaging`."""

from __future__ import annotations

import gc
from pathlib import Path

import click

OPTIONS = click.option(
    "--options", required=True, help="Section `imaging`: JSON, or the path of a YAML file."
)
OUTPUT = click.option("--output", required=True, type=click.Path(path_type=Path))


@click.group()
def group() -> None:
    """Register T1w images and measure regions, or take measurements."""


@group.command()
@OPTIONS
@OUTPUT
def atlas(options: str, output: Path) -> None:
    """Fetch the named atlas from TemplateFlow, into the folder OUTPUT."""
    from gendmr.config.imaging import ImagingSection, NamedAtlas
    from gendmr.imaging.atlas import fetch_atlas

    named = ImagingSection.parse(options).atlas
    if not isinstance(named, NamedAtlas):
        raise click.UsageError("--options: `atlas` names files, so there is nothing to fetch")
    fetch_atlas(named, output)


@group.command()
@OPTIONS
@OUTPUT
def template(options: str, output: Path) -> None:
    """Bring template, tissue priors and atlas to the working grid, into the folder OUTPUT."""
    from gendmr.config.imaging import ImagingSection
    from gendmr.imaging.template import prepare_template

    prepare_template(ImagingSection.parse(options), output)


@group.command()
@click.option("--image", required=True, type=click.Path(path_type=Path), help="T1w image.")
@click.option("--participant", required=True, help="Label without `sub-`.")
@click.option(
    "--template", "folder", required=True, type=click.Path(path_type=Path), help="Its folder."
)
@click.option("--seed", required=True, type=int)
@OPTIONS
@OUTPUT
def register(
    image: Path,
    participant: str,
    folder: Path,
    seed: int,
    options: str,
    output: Path,
) -> None:
    """Register one T1w image and measure its regions, into the folder OUTPUT.

    A scan that cannot be used is no failure: quality.json and the picture say why.
    """
    # Imports make hundreds of thousands of objects that stay: collecting garbage after every 700 of
    # them takes a tenth of their time, and there is a process per scan.
    gc.set_threshold(50_000, 20, 20)
    from gendmr.config.imaging import ImagingSection
    from gendmr.imaging.participant import register_participant

    refused = register_participant(
        image,
        participant,
        folder,
        ImagingSection.parse(options),
        seed=seed,
        output=output,
    )
    if refused is not None:
        # No failure of the job: `collect` lists the scan, or stops, as the study says.
        click.echo(f"Scan not used. {type(refused).__name__}: {refused}", err=True)


@group.command()
@click.argument("regions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--template", required=True, type=click.Path(path_type=Path), help="Folder of the template."
)
@OPTIONS
@OUTPUT
def collect(regions: tuple[Path, ...], template: Path, options: str, output: Path) -> None:
    """Join the regions.tsv of participants (REGIONS), and the quality.json beside each."""
    from gendmr.config.imaging import ImagingSection
    from gendmr.imaging.collect import collect_regions

    collect_regions(regions, template, ImagingSection.parse(options), output)


@group.command()
@OPTIONS
@OUTPUT
def measurements(options: str, output: Path) -> None:
    """Check region measurements made elsewhere and hand them on, into the folder OUTPUT."""
    from gendmr.config.imaging import ImagingSection
    from gendmr.imaging.measurements import read_measurements

    read_measurements(ImagingSection.parse(options), output)

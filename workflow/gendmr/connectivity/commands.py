"""Command line of the stage `connectivity`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def group() -> None:
    """Correlate regional signals, or check connectomes made elsewhere."""


@group.command()
@click.option(
    "--options", required=True, help="Section `connectivity`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def collect(options: str, output: Path) -> None:
    """Read the scans of all people; write edges, amplitudes and quality into the folder OUTPUT."""
    from gendmr.config.connectivity import ConnectivitySection
    from gendmr.connectivity.collect import collect_connectivity

    collect_connectivity(ConnectivitySection.parse(options), output)


@group.command()
@click.option("--participant", required=True, help="Label without `sub-`.")
@click.option(
    "--options", required=True, help="Section `connectivity`: JSON, or the path of a YAML file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path))
def extract(participant: str, options: str, output: Path) -> None:
    """Read the signals of one participant out of fMRIPrep's image, into the folder OUTPUT."""
    from gendmr.config.connectivity import ConnectivitySection
    from gendmr.connectivity.fmriprep import find_bold
    from gendmr.connectivity.signals import extract_signals

    section = ConnectivitySection.parse(options).fmriprep
    if section is None:
        raise click.UsageError("--options: no `fmriprep`, so there is no image to read")
    extract_signals(find_bold(section)[participant], participant, section, output)

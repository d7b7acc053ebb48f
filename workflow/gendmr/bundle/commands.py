"""`gendmr bundle`: what to attach to a bug report."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="bundle")
@click.option(
    "--configfile",
    required=True,
    type=click.Path(path_type=Path),
    help="The study's configuration.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The text; without it, gendmr-bundle-<study>.txt.",
)
def group(configfile: Path, output: Path | None) -> None:
    """Pack configuration, versions and logs of a study for a bug report: no data."""
    from gendmr.bundle.attachment import pack

    contents = pack(configfile, output)
    for name in contents.names:
        click.echo(f"  {name}")
    click.echo(f"{contents.path}: {len(contents.names)} parts")
    for note in contents.notes:
        click.echo(f"note: {note}")

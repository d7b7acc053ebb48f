"""Commands of the stage `tracking`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

RESULTS = click.option(
    "--results",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the study, results/<study>.",
)
OPTIONS = click.option(
    "--options", default="{}", help="JSON of the section `tracking`, or a YAML file with it."
)
METHODS = click.option(
    "--methods", default=None, help="Methods of the study, separated by spaces; absent: all found."
)


@click.group(name="tracking")
def group() -> None:
    """Replay finished folds into MLflow."""


@group.command()
@RESULTS
@OPTIONS
@METHODS
def sync(results: Path, options: str, methods: str | None) -> None:
    """Replay what is new; unchanged folds are left alone."""
    _sync(results, options, methods, rebuild=False)


@group.command()
@RESULTS
@OPTIONS
@METHODS
def rebuild(results: Path, options: str, methods: str | None) -> None:
    """Throw the database away and replay every fold from its files."""
    _sync(results, options, methods, rebuild=True)


def _sync(results: Path, options: str, methods: str | None, *, rebuild: bool) -> None:
    from gendmr.config.tracking import TrackingSection
    from gendmr.tracking.sync import sync as run

    outcome: dict[str, Any] = run(
        results,
        TrackingSection.parse(options),
        methods=methods.split() if methods is not None else None,
        rebuild=rebuild,
    )
    for note in outcome.pop("notes"):
        click.echo(f"note: {note}", err=True)
    click.echo("runs: " + ", ".join(f"{count} {what}" for what, count in outcome.items()))

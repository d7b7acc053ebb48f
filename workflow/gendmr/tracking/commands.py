"""Commands of the stage `tracking`."""

from __future__ import annotations

import json
import os
import signal
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
    """Replay finished folds into MLflow, follow those that train, show all of them."""


@group.command()
@RESULTS
@OPTIONS
@METHODS
@click.option(
    "--guarded",
    is_flag=True,
    help="What MLflow does not take is a note for the report, not a failure; a server gets the"
    " seconds of `patience`. As the workflow calls it.",
)
def sync(results: Path, options: str, methods: str | None, *, guarded: bool) -> None:
    """Replay what is new; unchanged folds are left alone."""
    _sync(results, options, methods, guarded=guarded)


@group.command()
@RESULTS
@OPTIONS
@METHODS
def rebuild(results: Path, options: str, methods: str | None) -> None:
    """Throw the database away and replay every fold from its files."""
    _sync(results, options, methods, rebuild=True)


@group.command()
@RESULTS
@click.option("--port", type=int, default=5000, show_default=True, help="The first that is tried.")
def show(results: Path, port: int) -> None:
    """Open MLflow's pages where the methods stand side by side; Ctrl-C ends it."""
    from gendmr.tracking.show import show as run

    run(results, port, click.echo)


@group.command()
@click.option(
    "--results",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the study, results/<study>.",
)
@click.option("--options", required=True, help="JSON of the section `tracking`, or a YAML file.")
@click.option("--methods", required=True, help="Methods of the study, separated by spaces.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--folds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--columns",
    default="[]",
    help="Metrics of the study's kinds of outcome, for the saved views: JSON of `TaskColumns`.",
)
@click.option(
    "--every", "interval", type=float, default=2.0, show_default=True, help="Seconds between looks."
)
@click.option(
    "--until-parent-ends", is_flag=True, help="End after the process that started this one."
)
def follow(
    *,
    results: Path,
    options: str,
    methods: str,
    repeats: int,
    folds: int,
    columns: str,
    interval: float,
    until_parent_ends: bool,
) -> None:
    """Send curves and finished folds to a server while folds train; Ctrl-C ends it."""
    parent = os.getppid()
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
    from gendmr.config.tracking import TrackingSection
    from gendmr.tracking.follow import Follower
    from gendmr.tracking.follow import follow as run
    from gendmr.tracking.views import TaskColumns

    follower = Follower(
        results,
        TrackingSection.parse(options, where="tracking"),
        methods=methods.split(),
        repeats=repeats,
        folds=folds,
        columns=[TaskColumns(**task_columns) for task_columns in json.loads(columns)],
        say=lambda line: click.echo(line, err=True),
    )
    run(
        follower,
        interval=interval,
        ended=lambda: bool(signals) or (until_parent_ends and os.getppid() != parent),
    )


def _sync(
    results: Path,
    options: str,
    methods: str | None,
    *,
    rebuild: bool = False,
    guarded: bool = False,
) -> None:
    from gendmr.config.tracking import TrackingSection
    from gendmr.tracking.sync import sync as run

    outcome: dict[str, Any] = run(
        results,
        TrackingSection.parse(options),
        methods=methods.split() if methods is not None else None,
        rebuild=rebuild,
        guarded=guarded,
    )
    for note in outcome.pop("notes"):
        click.echo(f"note: {note}", err=True)
    click.echo("runs: " + ", ".join(f"{count} {state}" for state, count in outcome.items()))

"""Commands of the stage `report`."""

from __future__ import annotations

from pathlib import Path

import click

RESULTS = click.option(
    "--results",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the study, results/<study>.",
)


@click.group(name="report")
def group() -> None:
    """Summarise a study."""


@group.command()
@RESULTS
@click.option(
    "--options", default="{}", help="JSON of the section `report`, or a YAML file with it."
)
@click.option(
    "--outcomes",
    required=True,
    help="JSON of `cohort.outcomes`, or a YAML file with the key `outcomes`.",
)
@click.option("--methods", default=None, help="Methods, separated by spaces; absent: all found.")
@click.option("--ranked", default=None, help="Those that are ranked; absent: all found.")
def summarize(
    results: Path, options: str, outcomes: str, methods: str | None, ranked: str | None
) -> None:
    """Write summary.json, summary.html and figures into the folder report/ of the study."""
    from gendmr.config.outcomes import parse_outcomes
    from gendmr.config.report import ReportSection
    from gendmr.report.study import report_study

    summary = report_study(
        results,
        ReportSection.parse(options),
        parse_outcomes(outcomes, where="cohort.outcomes"),
        methods=methods.split() if methods is not None else None,
        ranked=ranked.split() if ranked is not None else None,
    )
    for warning in summary.warnings:
        click.echo(f"warning: {warning}", err=True)


@group.command()
@RESULTS
@click.option("--method", required=True, help="One that reads slides.")
@click.option("--outcome", required=True, help="Name of the outcome that it learns.")
@click.option(
    "--outcomes",
    required=True,
    help="JSON of `cohort.outcomes`, or a YAML file with the key `outcomes`.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="PNG to write.")
def patches(results: Path, method: str, outcome: str, outcomes: str, output: Path) -> None:
    """Draw what patches add to the predictions of three held-out people."""
    from gendmr.config.outcomes import parse_outcomes
    from gendmr.report.patches import draw_patches
    from gendmr.tasks import task_of

    section = parse_outcomes(outcomes, where="cohort.outcomes")[outcome]
    draw_patches(results, method, task_of(outcome, section), output)


@group.command()
@RESULTS
def table(results: Path) -> None:
    """Print the essence: how well each method predicts, what ranks first, where to read on."""
    from gendmr.report.table import study_table

    click.echo(study_table(results))

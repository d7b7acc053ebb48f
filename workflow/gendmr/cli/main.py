"""`gendmr STAGE VERB`: the same commands by hand and in the rules."""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from typing import Any

import click

from gendmr import __version__
from gendmr.cli.parent import end_with_run
from gendmr.errors import GendmrError
from gendmr.files.seal import seal_results

STAGES = {
    "simulate": "Make the demo cohort, with planted truth.",
    "genotypes": "Merge and filter PLINK genotypes, list every removal.",
    "annotation": "Map SNPs to genes.",
    "imaging": "Register T1w images and measure regions.",
    "expression": "Check expression matrices and join them.",
    "histology": "Make bags of patches from features of slides.",
    "connectivity": "Correlate regional signals, check connectomes.",
    "lesions": "Read images with masks of lesions, and measure them.",
    "cohort": "Join the modalities and split the folds.",
    "training": "Train one method on one fold.",
    "ranking": "Rank genes and regions.",
    "tracking": "Replay finished folds into MLflow.",
    "report": "Summarise a study.",
}
# Commands beside the stages: `gendmr.<name>.commands` too.
ASIDE = {
    "run": "Run the workflow: Snakemake with the rules of this package.",
    "init": "Write a first configuration from your files.",
    "predict": "Apply finished models to another cohort.",
    "export": "Write files that other programs read.",
    "bundle": "Pack what a bug report needs: configuration, versions, logs, no data.",
}
LAZY = STAGES | ASIDE


class LazyGroup(click.Group):
    """A group that imports `gendmr.<stage>.commands` only when that stage is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the stages in the order in which data flows."""
        return [*LAZY, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a stage's group; for the list in --help, a stand-in with its one line."""
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        if ctx.invoked_subcommand is None and not _in_arguments(cmd_name):
            # Listing for --help: the import would cost seconds for nine stages.
            return click.Command(cmd_name, short_help=LAZY[cmd_name])
        module = importlib.import_module(f"gendmr.{cmd_name}.commands")
        group: click.Command = module.group
        return group


def _in_arguments(stage: str) -> bool:
    return stage in sys.argv[1:]


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="gendmr")
def root() -> None:
    """GenDMR: which genes and which brain regions carry the risk, and can I believe it."""


@root.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for completion in editors."""
    import json

    from gendmr.config.study import Study

    click.echo(json.dumps(Study.model_json_schema(), indent=2, sort_keys=True))


@root.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False))
def reference(page: str) -> None:
    """Make the generated part of PAGE (docs/reference/files.md) anew from the schemas."""
    from pathlib import Path

    from gendmr.cli.reference import updated
    from gendmr.files.atomic import write_text

    write_text(Path(page), updated(Path(page).read_text(encoding="utf-8")))


@root.command()
@click.argument("config", type=click.Path())
def check(config: str) -> None:
    """List at once all that is missing or does not fit in the study CONFIG; nothing runs."""
    from gendmr.cli.preflight import examine_study
    from gendmr.errors import numbered

    counts: dict[str, Any] = {}
    study, problems = examine_study(config, counts=counts)
    for warning in counts.get("warnings", ()):
        click.echo(f"WARNING: {warning}")
    if problems.errors:
        count = len(problems.errors)
        subject = (
            "1 thing is missing or does" if count == 1 else f"{count} things are missing or do"
        )
        click.echo(f"{config}: {subject} not fit", err=True)
        click.echo(numbered(problems.errors), err=True)
        sys.exit(2)
    if study is not None and study.simulate is not None:
        click.echo(f"{config}: the study makes its own cohort; there are no files to check")
        return
    click.echo(f"{config}: nothing is missing, and all fits")
    click.echo(f"  people      {counts['participants']['with_outcome']} with an outcome")
    for name, people in counts["modalities"].items():
        click.echo(f"  {name:<11} {people['found']} measured, {people['joined']} of them join")


@root.command()
@click.option("--configfile", required=True, type=click.Path(), help="The study.")
@click.option("--cores", default=2, show_default=True, type=click.IntRange(1))
@click.option("--gpus", default=0, show_default=True, type=click.IntRange(0))
@click.option("--all", "everything", is_flag=True, help="As if nothing were there already.")
@click.option("--people", type=click.IntRange(1), help="In place of what the genotypes say.")
@click.option("--variants", type=click.IntRange(1), help="In place of what the genotypes say.")
@click.option("--compare", is_flag=True, help="With a finished study: beside what it took.")
def estimate(
    configfile: str,
    cores: int,
    gpus: int,
    everything: bool,
    people: int | None,
    variants: int | None,
    compare: bool,
) -> None:
    """Say what a run would cost: jobs, hours, memory and disk, from measured rates."""
    from gendmr.config.study import Study
    from gendmr.estimate.cost import cost_of, measured, table
    from gendmr.estimate.plan import planned_jobs
    from gendmr.estimate.size import study_size
    from gendmr.files.shipped import ROOT

    study = Study.parse(configfile)
    words = [
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--configfile",
        configfile,
        *(["--forceall"] if everything or compare else []),
    ]
    jobs = planned_jobs(*words)
    scans = sum(job.rule == "register_t1w" for job in jobs)
    cost = cost_of(jobs, study, study_size(study, scans=scans, people=people, variants=variants))
    click.echo(table(cost, cores=cores, gpus=gpus))
    if compare:
        took = measured(study.study)
        click.echo(f"\n{'stage':<12}{'estimated CPU s':>16}{'measured CPU s':>16}")
        for stage in cost.stages:
            click.echo(f"{stage.name:<12}{stage.cpu:>16.0f}{took.get(stage.name, 0):>16.0f}")


def main() -> None:
    """Run the command line; a named error ends with status 2 and no traceback."""
    end_with_run()
    # Results of stages; what is simulated stands for what users bring, and may be edited.
    seal_results(on=sys.argv[1:2] != ["simulate"] and STAGES.keys() >= {*sys.argv[1:2]})
    # The system frees all memory of a process that ends; Python's garbage collection would take
    # up to half a second of each job before that.
    atexit.register(gc.freeze)
    try:
        root(prog_name="gendmr", standalone_mode=True)
    except GendmrError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(2)
    finally:
        seal_results(on=False)

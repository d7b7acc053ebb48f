"""Command line of the stage `training`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def group() -> None:
    """Train one method on one fold; collect the metrics of a method."""


def of_a_fold(command: F) -> F:
    """Add the options of every job that fits in a fold."""
    for option in reversed(
        (
            click.option("--method", required=True, help="Name of the method."),
            click.option(
                "--cohort",
                type=FOLDER,
                required=True,
                help="Folder with participants.tsv, splits.tsv and the file of each modality.",
            ),
            click.option(
                "--repeat", type=click.IntRange(min=0), required=True, help="Counted from 0."
            ),
            click.option(
                "--fold", type=click.IntRange(min=0), required=True, help="Counted from 0."
            ),
            click.option(
                "--options",
                required=True,
                help="JSON of the method's slice of the configuration, or a YAML file.",
            ),
            click.option("--seed", type=click.IntRange(min=0), required=True, help="Of the study."),
            click.option(
                "--device",
                type=click.Choice(["auto", "cpu", "cuda"]),
                default="auto",
                show_default=True,
                help="For networks; `auto` takes a GPU where there is one.",
            ),
            click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True),
        )
    ):
        command = option(command)
    return command


@group.command()
@of_a_fold
@click.option("--output", type=FOLDER, required=True, help="A folder.")
def fold(
    *,
    method: str,
    cohort: Path,
    repeat: int,
    fold: int,
    options: str,
    seed: int,
    device: str,
    threads: int,
    output: Path,
) -> None:
    """Fit one method on one fold, predict everybody, attribute."""
    _limit_threads(threads)
    _say_where()
    from gendmr.config.training import MethodOptions
    from gendmr.training.fold import train_fold

    train_fold(
        cohort,
        output,
        method=method,
        repeat=repeat,
        fold=fold,
        options=MethodOptions.parse(options, where=f"training.methods.{method}"),
        seed=seed,
        device=device,
        progress=lambda line: click.echo(line, err=True),
    )


@group.command()
@of_a_fold
@click.option("--first", type=click.IntRange(min=0), required=True, help="First permutation.")
@click.option("--count", type=click.IntRange(min=1), required=True, help="How many.")
@click.option("--evidence", is_flag=True, help="Collect evidence and fit nothing.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A file."
)
def null(
    *,
    method: str,
    cohort: Path,
    repeat: int,
    fold: int,
    first: int,
    count: int,
    evidence: bool,
    options: str,
    seed: int,
    device: str,
    threads: int,
    output: Path,
) -> None:
    """Scores of instances of one method in one fold under permuted outcomes."""
    _limit_threads(threads)
    _say_where()
    from gendmr.config.training import MethodOptions
    from gendmr.training.null import fit_null

    fit_null(
        cohort,
        output,
        method=method,
        repeat=repeat,
        fold=fold,
        first=first,
        count=count,
        options=MethodOptions.parse(options, where=f"training.methods.{method}"),
        seed=seed,
        device=device,
        evidence_alone=evidence,
        progress=lambda line: click.echo(line, err=True),
    )


@group.command()
@click.option("--method", required=True, help="Name of the method in the configuration.")
@click.option("--outcome", required=True, help="Name of its outcome.")
@click.option("--task", required=True, help="JSON of the outcome's section.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Of the study.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A table."
)
@click.argument("folders", nargs=-1, type=FOLDER)
def metrics(
    *, method: str, outcome: str, task: str, seed: int, output: Path, folders: tuple[Path, ...]
) -> None:
    """Metrics of all FOLDERS (one per fold), their means with intervals, and pooled."""
    from gendmr.config.outcomes import parse_outcome
    from gendmr.tasks import task_of
    from gendmr.training.evaluate import collect_metrics

    built = task_of(outcome, parse_outcome(task, where=f"cohort.outcomes.{outcome}"))
    collect_metrics(folders, output, method=method, task=built, seed=seed)


def _limit_threads(threads: int) -> None:
    """Set what numpy and torch read when they are loaded; on one thread, results repeat exactly."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def _say_where() -> None:
    """Tell on which machine, in which Slurm job and on which GPU, for whoever looks into a log."""
    words = [f"on {platform.node()}"]
    for name, variable in (("Slurm job", "SLURM_JOB_ID"), ("GPU", "CUDA_VISIBLE_DEVICES")):
        if variable in os.environ:
            words.append(f"{name} {os.environ[variable]}")
    click.echo(", ".join(words), err=True)

"""Command line of the stage `training`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import click


@click.group()
def group() -> None:
    """Train one method on one fold; collect the metrics of a method."""


@group.command()
@click.option("--method", required=True, help="Name of the method in the configuration.")
@click.option(
    "--cohort",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with participants.tsv, splits.tsv, snp.nc and region.nc.",
)
@click.option("--repeat", type=click.IntRange(min=0), required=True, help="Counted from 0.")
@click.option("--fold", type=click.IntRange(min=0), required=True, help="Counted from 0.")
@click.option(
    "--options", default="{}", help="JSON of the method's slice of `training`, or a YAML file."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the study.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="For networks; `auto` takes a GPU where there is one.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="A folder."
)
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
    """Fit one method on one fold, predict everybody, read risks out."""
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
@click.option("--method", required=True, help="Name of the method in the configuration.")
@click.option(
    "--cohort",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with participants.tsv, splits.tsv, strata.tsv, snp.nc and region.nc.",
)
@click.option("--repeat", type=click.IntRange(min=0), required=True, help="Counted from 0.")
@click.option("--fold", type=click.IntRange(min=0), required=True, help="Counted from 0.")
@click.option("--first", type=click.IntRange(min=0), required=True, help="First permutation.")
@click.option("--count", type=click.IntRange(min=1), required=True, help="How many.")
@click.option(
    "--options", default="{}", help="JSON of the method's slice of `training`, or a YAML file."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the study.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="For networks; `auto` takes a GPU where there is one.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
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
    options: str,
    seed: int,
    device: str,
    threads: int,
    output: Path,
) -> None:
    """Fit one method in one fold under permuted diagnoses: scores of SNPs and regions."""
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
        progress=lambda line: click.echo(line, err=True),
    )


@group.command()
@click.option("--method", required=True, help="Name of the method in the configuration.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the study.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A table."
)
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
def metrics(method: str, seed: int, output: Path, folders: tuple[Path, ...]) -> None:
    """Metrics of all FOLDERS (one per fold), their means with intervals, and pooled."""
    from gendmr.training.metrics import collect_metrics

    collect_metrics(folders, output, method=method, seed=seed)


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

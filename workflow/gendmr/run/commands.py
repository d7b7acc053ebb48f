"""`gendmr run`: Snakemake with the rules of this package, from any folder."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

DEFAULT = Path("config/config.yaml")


@click.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.option(
    "--configfile", type=click.Path(path_type=Path), help=f"The study; without it {DEFAULT}."
)
@click.option("--cores", default="2", show_default=True, help="A number, or all.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def group(configfile: Path | None, cores: str, words: tuple[str, ...]) -> None:
    """Run the study in this folder; WORDS are targets and further options of Snakemake.

    `gendmr run -n` says what would run, `gendmr run cohort` stops after the stage cohort,
    `gendmr run --executor slurm --jobs 20` sends jobs to a cluster.
    """
    command = command_of(configfile, cores, words)
    click.echo(f"{' '.join(command)}", err=True)
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606 - no shell


def command_of(configfile: Path | None, cores: str, words: tuple[str, ...]) -> list[str]:
    """Return the command of Snakemake, whose first word is the name of its module.

    Raises
    ------
    ToolError
        Snakemake is not installed.
    InputFileError
        There is no configuration.
    """
    from gendmr.errors import InputFileError, ToolError
    from gendmr.files.shipped import ROOT

    if find_spec("snakemake") is None:
        raise ToolError(
            "Snakemake is not installed beside this package",
            cause="the package alone was installed: which versions it needs stands in a file",
            next_step=f"python -m pip install --no-deps -r {ROOT / 'envs' / 'requirements.lock'}",
        )
    path = DEFAULT if configfile is None else configfile
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such configuration",
            cause="the command runs in another folder than that of the study",
            next_step="gendmr init writes one from your files; the demo, which simulates its own:"
            f" gendmr run --configfile {ROOT / 'config' / 'config.yaml'}",
        )
    quiet = () if "--quiet" in words or "-q" in words else ("--quiet", "host", "rules")
    return [
        "snakemake",
        *("--snakefile", str(ROOT / "Snakefile")),
        *("--configfile", str(path)),
        # Progress is told in one line instead: `gendmr.cli.progress`.
        *quiet,
        *("--cores", cores),
        *words,
    ]

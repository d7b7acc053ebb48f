"""What a person sees in the terminal when a run starts and when it fails."""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gendmr.cli.preflight import absent_files, examine_study, named_files, problems_of
from gendmr.config.study import Study
from gendmr.errors import GendmrError, Problems, numbered
from gendmr.files.provenance import changed_since
from gendmr.files.session import join_session

LAST_LINES = 15
# The logs of so many failed jobs are shown; of further ones only the commands are.
IN_FULL = 5
# Less free space than this is mentioned, because a run may fill the disk.
LITTLE = 200e6
# Options of Snakemake that decide where, with what and on which study jobs run; targets and what
# else is to be rerun are left out.
KEPT = (
    ("--snakefile", "-s"), ("--directory", "-d"), ("--profile",), ("--workflow-profile",),
    ("--configfile", "--configfiles"), ("--config", "-C"), ("--cores", "-c"), ("--jobs", "-j"),
    ("--executor", "-e"), ("--software-deployment-method", "--sdm"), ("--resources",),
)  # fmt: skip
SEVERAL = {"--configfile", "--config", "--software-deployment-method", "--resources"}
REPEATED = {"--profile"}


def start_summary(study: Study, *, images: int) -> str:
    """Return what is about to run and where it will be found."""
    name = study.study
    measurements = ", ".join(study.imaging.measured_paths) if study.imaging else ""
    imaged = (
        f"measurements of regions, {measurements}" if measurements else f"{images} participants"
    )
    null = study.null_methods()
    permuted = f"{study.training.null.permutations} permutations of {', '.join(null)}"
    tracking = f"results/{name}/tracking/mlflow.db" if study.tracking.enabled else "off"
    return (
        f"\n  GenDMR · study {name} · seed {study.seed}"
        f"\n  images    {imaged if study.imaging else 'none'}"
        f"\n  methods   {', '.join(study.methods)}"
        f"\n  folds     {study.cohort.folds} x {study.cohort.repeats} repeats, one job each"
        f"\n  null      {permuted if null else 'none: no p-values'}"
        f"\n  tracking  {tracking}"
        f"\n  results   results/{name}/"
        f"\n  logs      logs/{name}/\n"
    )


def missing_summary(study: Study, whole: bool = True) -> str:
    """Return which files that a study names are not there, and all that does not fit in the others.

    Mostly nothing. Snakemake itself names the missing files of one rule and stops.

    Parameters
    ----------
    study : Study
    whole : bool
        This is the run, not one of its jobs, which need not say it again.
    """
    if not whole or study.simulate is not None or not (absent := absent_files(study)):
        return ""
    listed = "".join(f"\n    {path}" for path in absent)
    file_errors = problems_of(study, tell_absent=False).errors
    unfit = (
        f"\n  GenDMR · what does not fit besides:\n{numbered(file_errors)}\n" if file_errors else ""
    )
    return (
        f"\n  GenDMR · {len(absent)} of {len(named_files(study))} files that the study names are"
        f" not there:{listed}\n  Paths are relative to the folder in which snakemake runs.\n{unfit}"
    )


def refusal(study: Study | None, error: GendmrError, config: dict[str, Any] | None = None) -> str:
    """Return why a study cannot be planned, and all else that is missing or does not fit.

    Parameters
    ----------
    study : Study or None
        None where the configuration itself could not be read.
    error : GendmrError
        What stopped the planning.
    config : dict, optional
        The configuration, where it was not a study.
    """
    problems = Problems()
    problems.add(error)
    if study is None and config is not None:
        for file_error in examine_study(config, "configuration")[1].errors:
            problems.add(file_error)
    if study is not None and study.simulate is None:
        for file_error in problems_of(study).errors:
            problems.add(file_error)
    if len(problems.errors) == 1:
        return f"{type(error).__name__}: {error}"
    return f"{len(problems.errors)} things are missing or do not fit\n{numbered(problems.errors)}"


def changes_summary(study: str, whole: bool = True, folder: Path | str = "results") -> str:
    """Return which files of a study are not those that its results were made of; mostly nothing.

    Snakemake compares times: an older file that takes the place of a newer one escapes it.

    Parameters
    ----------
    study : str
        Name of the study.
    whole : bool
        This is the run, not one of its jobs, which need not say it again.
    folder : Path or str
        Folder of the studies' results.
    """
    changes = changed_since(Path(folder, study, "cohort", "inputs.json")) if whole else []
    if not changes:
        return ""
    listed = "".join(f"\n    {change}" for change in changes[:LAST_LINES])
    more = f"\n    and {len(changes) - LAST_LINES} more" if len(changes) > LAST_LINES else ""
    return (
        f"\n  GenDMR · results/{study} was made of other files than there are now:{listed}{more}"
        "\n  What reads them is made again, unless a file looks older than its results: touch it.\n"
    )


@dataclass(frozen=True)
class Failure:
    """One job that failed.

    Parameters
    ----------
    rule : str
    output : tuple of str
        What it should have made.
    log : Path or None
        Its own log.
    cluster_logs : tuple of Path
        Logs of the cluster.
    grouped : bool
        Submitted together with others, of which one failed: which one, its log tells.
    """

    rule: str
    output: tuple[str, ...]
    log: Path | None
    cluster_logs: tuple[Path, ...]
    grouped: bool = False


class Failures(logging.Handler):
    """Takes from Snakemake's own log which jobs failed and were not finished by a later attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, Failure] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note one event."""
        event = str(getattr(record, "event", ""))
        if event == "job_error":
            self._add(vars(record), [], False)
        elif event == "group_error":
            for job in vars(record)["job_error_info"]:
                self._add(job, vars(record)["aux_logs"], True)
        elif event == "job_finished":
            self.jobs.pop(vars(record)["job_id"], None)

    def _add(self, job: dict[str, Any], cluster_logs: Sequence[str], grouped: bool) -> None:
        logs = [Path(name) for name in (*job["log"], *cluster_logs)]
        earlier = self.jobs.get(job["jobid"])
        self.jobs[job["jobid"]] = Failure(
            rule=job["rule_name"],
            # Snakemake appends remarks in brackets.
            output=tuple(name.partition(" (")[0] for name in job["output"]),
            log=logs[0] if logs else None,
            # Snakemake repeats the jobs of a failed group one by one, without their common log.
            cluster_logs=tuple(logs[1:]) or (earlier.cluster_logs if earlier else ()),
            grouped=grouped or (earlier is not None and earlier.grouped),
        )


def watch(workflow: Any) -> Failures:
    """Join the runs in this folder and collect what fails.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Only the run itself counts, not the processes that it starts for its jobs.
    """
    failures = Failures()
    if workflow.is_main_process:
        from snakemake.logging import logger

        logger.addHandler(failures)
        if note := join_session():
            print(f"  {note}", file=sys.stderr)
    return failures


def failure_summary(study: str, failures: Failures, words: Sequence[str]) -> str:
    """Return for each job that failed its rule, its last words, and how to run just it again.

    Parameters
    ----------
    study : str
        Name of the study.
    failures : Failures
    words : sequence of str
        Options and targets that Snakemake was called with.
    """
    jobs = sorted(failures.jobs.values(), key=lambda job: job.output)
    naming_error = [job for job in jobs if job.log is not None and _names_error(job.log)]
    shown = [job for job in jobs if job in naming_error or not (job.grouped and naming_error)]
    parts = [_describe(job, words) for job in shown[:IN_FULL]]
    if len(shown) > IN_FULL:
        parts.append(f"\n  {len(shown) - IN_FULL} more jobs failed; to run one of them again:\n")
        parts += [f"    {rerun_command(words, job)}\n" for job in shown[IN_FULL:]]
    if not jobs:
        parts.append(
            "\n  No command failed; which files Snakemake found missing or empty after a job stands"
            f"\n  above, the logs are in logs/{study}/\n"
        )
    if (free := shutil.disk_usage(".").free) < LITTLE:
        parts.append(f"\n  The disk is nearly full: {free / 1e6:.0f} MB are free.\n")
    parts.append(
        "\n  Mend it and give the same command again: what is finished stays, and all that is\n"
        "  missing is made. docs/how-to/reruns.md says what to type after which accident.\n"
    )
    return "".join(parts)


def rerun_command(words: Sequence[str], job: Failure) -> str:
    """Return the command that runs one job again, and before it only what is missing.

    Parameters
    ----------
    words : sequence of str
        Options and targets that Snakemake was called with.
    job : Failure
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for names in KEPT:
        if names[0] in SEVERAL:
            parser.add_argument(*names, nargs="+", action="extend")
        elif names[0] in REPEATED:
            parser.add_argument(*names, action="append")
        else:
            parser.add_argument(*names, nargs="?", const="")
    options = vars(parser.parse_known_args(list(words))[0])
    # The target comes first, for an option that takes several values would swallow it.
    command = ["snakemake", *job.output[:1]]
    for names in KEPT:
        value = options[names[0].lstrip("-").replace("-", "_")]
        if names[0] in REPEATED:
            for repeated_value in value or []:
                command += [names[0], repeated_value]
        elif value is not None:
            command += [names[0], *([value] if isinstance(value, str) else value)]
    return shlex.join(word for word in command if word)


def _describe(job: Failure, words: Sequence[str]) -> str:
    first = job.output[0] if job.output else ""
    lines = [f"\n  {job.rule} failed: {first}"]
    for title, path in (
        ("log", job.log),
        *(("log of the cluster", path) for path in job.cluster_logs),
    ):
        if path is not None:
            lines += [f"    {title}: {path}", *(f"      {line}" for line in _end(path))]
    if job.log is not None and not _names_error(job.log):
        lines.append(
            "    It names no error: killed from outside (memory, time limit), or a full disk."
        )
    lines += ["    to run just this again:", f"      {rerun_command(words, job)}\n"]
    return "\n".join(lines)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _end(path: Path) -> list[str]:
    return _lines(path)[-LAST_LINES:] or ["(empty or not there)"]


def _names_error(path: Path) -> bool:
    return any(_is_error(line) for line in _lines(path))


def _is_error(line: str) -> bool:
    name = line.split(":", 1)[0].strip().rpartition(".")[2]
    return name.isidentifier() and name.endswith(("Error", "Exception", "Interrupt"))

"""The jobs that Snakemake would run, from its own dry run in this process."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field

from gendmr.errors import ConfigurationError
from gendmr.files.session import leave_session


@dataclass(frozen=True)
class Job:
    """One job of the plan.

    Attributes
    ----------
    rule : str
    wildcards : dict of str to str
    threads : int
    mem_mb, runtime, gpu : int
        What the rule asks for: memory (MB), limit of wall time (minutes), GPUs. 0 where it asks for
        nothing.
    """

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    mem_mb: int = 0
    runtime: int = 0
    gpu: int = 0


class _Listener(logging.Filter):
    """Sees every message of Snakemake: its logger drops handlers that others add, not filters."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def filter(self, record: logging.LogRecord) -> bool:
        name = getattr(record, "rule_name", None)
        if name is not None and getattr(record, "shellcmd", None):
            resources = dict(record.__dict__["resources"].items())
            self.jobs.append(
                Job(
                    rule=name,
                    wildcards=dict(record.__dict__["wildcards"]),
                    threads=int(record.__dict__["threads"]),
                    **{key: _whole(resources.get(key)) for key in ("mem_mb", "runtime", "gpu")},
                )
            )
        return True


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def planned_jobs(*words: str) -> list[Job]:
    """Return the jobs of ``snakemake -n WORDS``: those whose results are there already are not.

    Rules that only collect files, without a command, are left out.

    Parameters
    ----------
    *words : str
        Arguments of snakemake, such as ``--configfile study.yaml`` or a target.

    Raises
    ------
    ConfigurationError
        Snakemake can make no plan; the message is its own.
    """
    # Snakemake costs seconds to import.
    from snakemake.cli import args_to_api, parse_args
    from snakemake.logging import logger

    listener = _Listener()
    logger.addFilter(listener)
    console_text = io.StringIO()
    try:
        with redirect_stdout(console_text), redirect_stderr(console_text):
            parser, arguments = parse_args([*words, "--dry-run", "--quiet", "all"])
            planned = args_to_api(arguments, parser)
    except SystemExit:
        planned = False
    finally:
        logger.removeFilter(listener)
        # Planning joined the session of runs, so its lock would be taken for that of a run.
        leave_session()
    if not planned:
        raise ConfigurationError(
            f"Snakemake makes no plan:\n{console_text.getvalue().strip()}",
            next_step=f"snakemake -n {' '.join(words)}",
        )
    return listener.jobs

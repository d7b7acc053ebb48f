"""One line on how far a run is: stage, jobs, time gone and expected, in place of Snakemake's lines.

Snakemake's own progress is five lines a job. Where a person asked for less (`--quiet rules`, as
`make run` and `gendmr run` do), a terminal shows one line that is written anew, and a file gets a
line at the end of each stage and at each tenth of the work. Errors and warnings stay.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from gendmr.config.study import Study

LEAST_SHARE = 0.05  # of the work, from which on the pace of this run tells more than the rates
SHOWN = 2  # stages that run side by side
STEPS = 10  # lines in a file besides those of stages
CLEAR = "\r\x1b[K"
# What the line stands for; what Snakemake says before the first and after the last job stays.
INSTEAD = {"job_started", "job_finished", "job_info", "progress", "resources_info"}
DRAWN = {"run_info", "job_started", "job_finished", "job_error"}
WORDS = ("Select jobs to execute", "Execute ")


@dataclass(frozen=True)
class Expected:
    """A job that will run.

    Parameters
    ----------
    rule, stage : str
    seconds : float
        Of a processor, by measured rates.
    """

    rule: str
    stage: str
    seconds: float


class Progress(logging.Handler):
    """Follows the events of Snakemake's log.

    Parameters
    ----------
    plan : callable
        ``plan()`` gives the jobs by number, once they are known.
    cores : int
    stream : file
    live : bool
        Whether a line can be written anew.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        plan: Callable[[], Mapping[int, Expected]],
        cores: int,
        stream: TextIO,
        *,
        live: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.plan, self.cores, self.stream, self.live = plan, cores, stream, live
        self.clock = clock
        self.jobs: Mapping[int, Expected] = {}
        self.started = clock()
        self.running: dict[int, None] = {}  # in the order in which they were started
        self.done: dict[int, None] = {}
        self.step = 0
        self.drawing = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        """Note one event, and say where the run is."""
        event = str(getattr(record, "event", ""))
        with self.drawing:
            if event == "run_info" and not self.jobs:
                self.jobs = self.plan()
                self.started = self.clock()
                self._announce()
            elif event == "job_started":
                self.running |= dict.fromkeys(vars(record)["jobs"])
            elif event == "job_finished":
                self._finish(vars(record)["job_id"])
            elif event == "job_error":
                self.running.pop(vars(record)["jobid"], None)
            elif record.levelno >= logging.WARNING and self.live and self.jobs:
                # What others write must not stand behind the line.
                self.stream.write(CLEAR)
            if self.jobs and self.live and event in DRAWN:
                self._draw()

    def line(self) -> str:
        """Return where the run is."""
        finished_jobs = [self.jobs[number] for number in self.done if number in self.jobs]
        open_jobs = [job for number, job in self.jobs.items() if number not in self.done]
        running_jobs = [self.jobs[number] for number in self.running if number in self.jobs]
        # Between two jobs, the stage of the one that ended last: what comes next is not known here.
        stages = list(dict.fromkeys(job.stage for job in running_jobs or finished_jobs[-1:]))
        if len(stages) > SHOWN:
            stages = [*stages[:SHOWN], "..."]
        elapsed = self.clock() - self.started
        parts = [
            f"{', '.join(stages) if open_jobs else 'done':<12}",
            f"{len(finished_jobs)} of {len(self.jobs)} jobs",
            f"{span(elapsed)} gone",
        ]
        if any(job.seconds for job in open_jobs):
            parts.append(f"about {span(self._expected(finished_jobs, open_jobs, elapsed))} left")
        if running_jobs:
            rules = Counter(job.rule for job in running_jobs)
            parts.append(", ".join(f"{rule} x{n}" if n > 1 else rule for rule, n in rules.items()))
        return " · ".join(parts)

    def _announce(self) -> None:
        """Say in a file what is ahead, by the rates alone."""
        if self.live or not self.jobs:
            return
        seconds = self._expected([], list(self.jobs.values()), 0.0)
        about = f" · about {span(seconds)} by measured rates" if seconds else ""
        self.stream.write(f"  {len(self.jobs)} jobs{about}\n")
        self.stream.flush()

    def _expected(
        self, finished_jobs: list[Expected], open_jobs: list[Expected], elapsed: float
    ) -> float:
        """Return seconds to the end: by the pace of this run, at first by the rates alone."""
        finished = sum(job.seconds for job in finished_jobs)
        remaining = sum(job.seconds for job in open_jobs)
        if not finished or finished < LEAST_SHARE * (finished + remaining):
            return remaining / self.cores
        return elapsed * remaining / finished

    def _finish(self, number: int) -> None:
        self.running.pop(number, None)
        if number not in self.jobs:
            return
        self.done[number] = None
        if self.live:
            return
        stage = self.jobs[number].stage
        stage_ended = all(
            job_number in self.done for job_number, job in self.jobs.items() if job.stage == stage
        )
        step = STEPS * len(self.done) // len(self.jobs)
        if stage_ended or step > self.step:
            self.step = max(self.step, step)
            self.stream.write(f"  {self.line()}\n")
            self.stream.flush()

    def _draw(self) -> None:
        finished = len(self.done) == len(self.jobs)
        width = shutil.get_terminal_size().columns - 1
        self.stream.write(CLEAR + f"  {self.line()}"[:width] + ("\n" if finished else ""))
        self.stream.flush()


def span(seconds: float) -> str:
    """Return a time in one unit.

    >>> [span(seconds) for seconds in (4.4, 250, 9000)]
    ['4 s', '4 min', '2.5 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_progress(workflow: Any, study: Study) -> None:
    """Show one line in place of Snakemake's own progress, where rules are quiet.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    study : Study
    """
    quiet = {
        str(output).rpartition(".")[2].casefold() for output in workflow.output_settings.quiet or ()
    }
    if not workflow.is_main_process or workflow.dryrun or "rules" not in quiet:
        return
    if quiet & {"progress", "all"}:
        return
    from snakemake.logging import logger

    def plan() -> dict[int, Expected]:
        return expected_jobs(workflow.dag.needrun_jobs(), study)

    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(
            handler, logging.FileHandler
        ):
            handler.addFilter(_says_more)
    cores = workflow.resource_settings.cores or workflow.resource_settings.nodes or 1
    logger.addHandler(Progress(plan, int(cores), sys.stderr, live=sys.stderr.isatty()))


def _says_more(record: logging.LogRecord) -> bool:
    """Return whether a record says more than the line does."""
    if record.levelno >= logging.WARNING:
        return True
    event = str(getattr(record, "event", ""))
    return event not in INSTEAD and not str(record.msg).startswith(WORDS)


def expected_jobs(jobs: Any, study: Study) -> dict[int, Expected]:
    """Return the jobs of a plan by number, each with its expected seconds; 0 where nobody knows.

    Parameters
    ----------
    jobs : iterable of snakemake.jobs.Job
    study : Study
    """
    from gendmr.estimate.cost import seconds_of, stage_of
    from gendmr.estimate.plan import Job
    from gendmr.estimate.size import known_size

    size = known_size(study)
    expected = {}
    for job in jobs:
        planned = Job(rule=job.rule.name, wildcards=dict(job.wildcards_dict))
        seconds = None if size is None or not job.is_shell else seconds_of(planned, study, size)
        expected[int(job.jobid)] = Expected(planned.rule, stage_of(planned, study), seconds or 0.0)
    return expected

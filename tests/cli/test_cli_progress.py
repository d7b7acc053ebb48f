"""One line on how far a run is, from the events that Snakemake tells."""

from __future__ import annotations

import io
import logging
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.cli.progress import Expected, Progress, expected_jobs
from studies import make_study

JOBS = {
    1: Expected("merge_genotypes", "genotypes", 10.0),
    **{number: Expected("train_fold", "training", 20.0) for number in range(2, 7)},
    7: Expected("report", "report", 0.0),
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def told(live: bool, cores: int = 2) -> tuple[Progress, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return Progress(lambda: JOBS, cores, stream, live=live, clock=clock), stream, clock


def tell(progress: Progress, event: str, level: int = logging.INFO, **fields: Any) -> None:
    record = logging.makeLogRecord({"event": event, "levelno": level, **fields})
    progress.handle(record)


def test_progress__expects_by_rates_first_and_by_its_own_pace_later() -> None:
    progress, _, clock = told(live=True)
    tell(progress, "run_info")
    tell(progress, "job_started", jobs=[1])
    clock.now += 2
    # 110 seconds of work on 2 cores.
    assert progress.line() == (
        "genotypes    · 0 of 7 jobs · 2 s gone · about 55 s left · merge_genotypes"
    )
    clock.now += 28
    tell(progress, "job_finished", job_id=1)
    tell(progress, "job_started", jobs=[2, 3])
    # 10 of 110 took 30 seconds: this machine is slower than that of the rates.
    assert progress.line() == (
        "training     · 1 of 7 jobs · 30 s gone · about 5 min left · train_fold x2"
    )
    tell(progress, "job_error", jobid=2)
    assert progress.line().endswith("train_fold")


def test_progress__is_one_line_on_a_terminal() -> None:
    progress, stream, clock = told(live=True)
    tell(progress, "run_info")
    for number in JOBS:
        tell(progress, "job_started", jobs=[number])
        clock.now += 1
        tell(progress, "job_finished", job_id=number)
    text = stream.getvalue()
    # The line is written anew in its place and ends when all is done.
    assert text.count("\n") == 1 and text.endswith("\n")
    assert "7 of 7 jobs" in text.rpartition("\r")[2]
    assert all(len(line) < 100 for line in text.split("\r"))


def test_progress__clears_its_line_before_a_warning() -> None:
    progress, stream, _ = told(live=True)
    tell(progress, "run_info")
    tell(progress, "", level=logging.ERROR)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress__in_a_file_is_a_line_for_each_stage_and_tenth() -> None:
    jobs = {number: Expected("train_fold", "training", 1.0) for number in range(200)}
    stream = io.StringIO()
    progress = Progress(lambda: jobs, 4, stream, live=False, clock=Clock())
    tell(progress, "run_info")
    for number in jobs:
        tell(progress, "job_started", jobs=[number])
        tell(progress, "job_finished", job_id=number)
    first, *lines = stream.getvalue().splitlines()
    assert first == "  200 jobs · about 50 s by measured rates"
    assert len(lines) == 10 and "200 of 200 jobs" in lines[-1]
    assert "\r" not in stream.getvalue()


@given(order=st.permutations(list(JOBS)), cores=st.integers(1, 3))
def test_progress__names_the_stages_that_run_and_no_other(order: list[int], cores: int) -> None:
    """Whatever order Snakemake takes, and whatever order its plan lists them in."""
    jobs = {number: JOBS[number] for number in sorted(order, reverse=True)}
    progress = Progress(lambda: jobs, cores, io.StringIO(), live=False, clock=Clock())
    tell(progress, "run_info")
    waiting, running = list(order), []
    while waiting or running:
        while waiting and len(running) < cores:
            running.append(waiting.pop(0))
            tell(progress, "job_started", jobs=running[-1:])
        stages = list(dict.fromkeys(JOBS[number].stage for number in running))
        named = progress.line().split(" · ")[0].strip()
        assert named == ", ".join([*stages[:2], *(["..."] if len(stages) > 2 else [])])
        ended = running.pop(0)
        tell(progress, "job_finished", job_id=ended)
        if not running and waiting:
            assert progress.line().split(" · ")[0].strip() == JOBS[ended].stage
    assert progress.line().startswith("done")


@pytest.mark.parametrize("rule", ["train_fold", "merge_genotypes", "unheard_of"])
def test_expected_jobs__knows_stage_and_seconds_by_the_rates(rule: str) -> None:
    study = make_study({"ridge": {"kind": "ridge"}})
    job = types.SimpleNamespace(
        rule=types.SimpleNamespace(name=rule),
        wildcards_dict={"method": "ridge", "repeat": "0", "fold": "0"},
        jobid=3,
        is_shell=True,
    )
    (expected,) = expected_jobs([job], study).values()
    stages = {"train_fold": "training", "merge_genotypes": "genotypes", "unheard_of": "unheard_of"}
    assert expected.stage == stages[rule]
    # The files of this study are made up: its size is not known, and so no time is.
    assert expected.seconds == 0.0

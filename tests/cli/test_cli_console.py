"""What the terminal shows of a run: what starts, and what failed with its reason."""

from __future__ import annotations

import logging

import pytest

from gendmr.cli.console import Failure, Failures, failure_summary, rerun_command, start_summary
from gendmr.config.study import Study

MODEL = "results/s/training/gendmr/repeat-0/fold-1/model.safetensors"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def tell(failures, event, **fields):
    """Hand on an event with the fields that Snakemake gives it."""
    record = logging.makeLogRecord({"event": event, **fields})
    failures.handle(record)


def job(number, log, output=MODEL, rule="train_fold"):
    return {"jobid": number, "rule_name": rule, "output": [output], "log": log}


def test_a_failed_job_is_shown_with_its_logs_and_the_command_for_just_it(tmp_path):
    log = write(tmp_path / "fold-1.log", "line\n" * 40 + "TrainingError: x.bed: 3 bytes short\n")
    slurm = write(tmp_path / "slurm_logs/12.log", "slurmstepd: oom_kill event\n")
    failures = Failures()
    tell(failures, "job_error", **job(3, [log, slurm]))
    text = failure_summary("s", failures, ["--profile", "slurm", "--configfile", "a b.yaml"])
    for words in (
        f"train_fold failed: {MODEL}",
        f"log: {log}",
        "3 bytes short",
        f"log of the cluster: {slurm}",
        "oom_kill",
        f"snakemake {MODEL} --profile slurm --configfile 'a b.yaml'",
        "same command again",
    ):
        assert words in text
    assert text.count("line\n") == 14


def test_a_job_that_a_later_attempt_finished_is_not_shown(tmp_path):
    log = write(tmp_path / "a.log", "MemoryError: \n")
    failures = Failures()
    tell(failures, "job_error", **job(3, [log]))
    tell(failures, "job_error", **job(4, [log], output="results/s/b", rule="rank_snp_region"))
    tell(failures, "job_finished", job_id=3)
    text = failure_summary("s", failures, [])
    assert "rank_snp_region" in text and "train_fold" not in text


def test_of_a_group_only_the_job_that_failed_is_shown(tmp_path):
    logs = [
        write(tmp_path / "1.log", "registered; error of overlap: 0.01\n"),
        write(tmp_path / "2.log", "ImageError: not three-dimensional\n"),
    ]
    group = [job(n, [log], f"results/s/imaging/{n}/regions.tsv") for n, log in enumerate(logs)]
    shared = write(tmp_path / "slurm.log", "exit 2\n")
    failures = Failures()
    tell(failures, "group_error", groupid="registration", aux_logs=[shared], job_error_info=group)
    for event in group:
        tell(failures, "job_error", **event)
    text = failure_summary("s", failures, [])
    assert "imaging/1/regions.tsv" in text and "imaging/0/" not in text
    assert shared in text


def test_a_job_without_a_named_error_was_killed_from_outside(tmp_path):
    failures = Failures()
    tell(failures, "job_error", **job(1, [write(tmp_path / "a.log", "epoch 3\n")]))
    tell(failures, "job_error", **job(2, [str(tmp_path / "none.log")], output="results/s/b"))
    text = failure_summary("s", failures, [])
    assert text.count("names no error: killed from outside") == 2
    assert "(empty or not there)" in text


def test_many_failures_end_in_a_list_of_commands(tmp_path):
    failures = Failures()
    log = write(tmp_path / "a.log", "ImageError: no\n")
    for number in range(40):
        tell(failures, "job_error", **job(number, [log], f"results/s/{number:02d}"))
    text = failure_summary("s", failures, ["--cores", "2"])
    assert "35 more jobs failed" in text
    assert text.count("snakemake results/s/") == 40
    assert text.count("ImageError") == 5


def test_a_failure_of_no_job_says_where_to_look():
    assert "the logs are in logs/s/" in failure_summary("s", Failures(), [])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ""),
        (["--cores", "2", "ranking"], " --cores 2"),
        (["-c4", "-R", "a", "-n"], " --cores 4"),
        (["--cores", "all", "--configfile", "x.yaml", "--until", "b"], " --configfile x.yaml"),
        (["--profile", "a", "--profile", "b"], " --profile a --profile b"),
        (["--sdm", "conda", "--config", "seed=3"], " --config seed=3"),
        (["-F", "--resources", "gpu=2", "mem_mb=9"], " --resources gpu=2 mem_mb=9"),
    ],
)
def test_the_command_keeps_what_decides_on_the_study_and_drops_targets(words, expected):
    command = rerun_command(words, Failure("train_fold", (MODEL,), None, ()))
    assert command.startswith(f"snakemake {MODEL}")
    assert expected in command
    for dropped in ("ranking", "-R", "-F", "-n", "--until", " b "):
        assert dropped not in f"{command.removeprefix(f'snakemake {MODEL}')} ".replace(
            "--profile b ", ""
        )


def test_the_start_names_what_will_run(root):
    study = Study.parse(root / "config/config.yaml")
    text = start_summary(study, images=62)
    for words in (
        *("study demo", "seed 2025", "62 participants", "gendmr, single-snp", "5 x 1"),
        f"null      {study.training.null.permutations} permutations of gendmr, single-snp",
    ):
        assert words in text
    off = study.model_copy(
        update={"tracking": study.tracking.model_copy(update={"enabled": False})}
    )
    assert "tracking  off" in start_summary(off, images=0)

"""A study on a real Slurm: where its jobs run, and what accidents do to them."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
import xarray as xr
import yaml

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

METHODS = ("gendmr", "ridge-snp")


@pytest.fixture(scope="module")
def jobs(study):
    """All Slurm jobs of the undisturbed run by rule or group and wildcards."""
    return {job["Comment"]: job for job in study.jobs()}


@pytest.fixture(scope="module")
def undisturbed(study, jobs):
    """The checksums of the folds of the undisturbed run."""
    return study.sums()


def of(jobs, rule):
    return {name: job for name, job in jobs.items() if name.startswith(f"rule_{rule}_")}


def test_the_whole_study_runs_through_slurm(study, jobs):
    assert {job["JobState"] for job in jobs.values()} == {"COMPLETED"}
    for name in ("report/summary.html", "ranking/gendmr/genes.tsv", "tracking/synced.json"):
        assert (study.checkout.results / name).stat().st_size > 0
    assert study.checkout.plan() == {}


def test_scans_are_registered_in_one_job_and_folds_in_one_each(study, jobs):
    scans = [path.parent.name for path in study.checkout.results.glob("imaging/*/quality.json")]
    assert len(scans) == 4
    assert len([name for name in jobs if "registration" in name]) == 1
    assert len(of(jobs, "train_fold")) == 2 * len(METHODS)


def test_only_jobs_that_ask_for_a_gpu_are_in_the_partition_of_gpus(jobs):
    folds = of(jobs, "train_fold")
    networks = {name for name in folds if "gendmr" in name}
    assert len(networks) == 2
    assert {name for name, job in jobs.items() if job["Partition"] == "gpu"} == networks
    assert {folds[name]["TresPerJob"] for name in networks} == {"gres:gpu:1"}
    assert {name for name, job in jobs.items() if "TresPerJob" in job} == networks


def test_folds_train_at_the_same_time_on_different_devices(study, jobs):
    folds = [job for name, job in of(jobs, "train_fold").items() if "gendmr" in name]
    started = max(datetime.fromisoformat(job["StartTime"]) for job in folds)
    ended = min(datetime.fromisoformat(job["EndTime"]) for job in folds)
    assert started < ended
    matches = [re.search(r"Slurm job (\d+), GPU (\d+)", study.log(number)) for number in (0, 1)]
    assert {match[1] for match in matches} == {job["JobId"] for job in folds}
    assert {match[2] for match in matches} == {"0", "1"}


def test_chunks_of_a_null_asked_for_later_are_jobs_on_gpus_and_train_no_fold_again(
    study, undisturbed
):
    last = study.last()
    wanted = {"permutations": 3, "chunk": 2, "methods": ["gendmr"]}
    null = study.checkout.folder / "null.yaml"
    by_risk = {"training": {"null": wanted}, "ranking": {"score": "mean_abs"}}
    null.write_text(yaml.safe_dump(by_risk))
    folder = study.checkout.results / "training/gendmr/null/repeat-0"
    files = [folder / f"fold-{fold}/chunk-{chunk}.nc" for fold in (0, 1) for chunk in (0, 1)]
    targets = [str(file.relative_to(study.checkout.folder)) for file in files]
    study.checkout.snakemake(*targets, "--configfile", "study.yaml", "null.yaml")
    chunks = study.jobs(since=last)
    assert {job["JobState"] for job in chunks} == {"COMPLETED"}
    assert {job["Comment"].split("_wildcards")[0] for job in chunks} == {"rule_train_null"}
    assert {(job["Partition"], job["TresPerJob"]) for job in chunks} == {("gpu", "gres:gpu:1")}
    assert len(chunks) == len(files)
    matches = [
        re.search(r"Slurm job (\d+), GPU ([01])", log.read_text(encoding="utf-8"))
        for log in study.checkout.folder.glob("logs/tiny/training/gendmr/null/**/*.log")
    ]
    assert {match[1] for match in matches} == {job["JobId"] for job in chunks}
    assert [xr.open_dataset(file).sizes["permutation"] for file in files] == [2, 1, 2, 1]
    assert study.sums() == undisturbed


def test_a_null_that_fits_nothing_asks_for_no_gpu(study, undisturbed):
    last = study.last()
    wanted = {"permutations": 4, "chunk": 2, "methods": ["gendmr"]}
    null = study.checkout.folder / "evidence.yaml"
    null.write_text(yaml.safe_dump({"training": {"null": wanted}}))
    folder = study.checkout.results / "training/gendmr/null/repeat-0"
    files = [folder / f"fold-{fold}/chunk-0.nc" for fold in (0, 1)]
    targets = [str(file.relative_to(study.checkout.folder)) for file in files]
    study.checkout.snakemake(*targets, "--configfile", "study.yaml", "evidence.yaml")
    chunks = study.jobs(since=last)
    assert {(job["JobState"], job["Partition"]) for job in chunks} == {("COMPLETED", "cpu")}
    assert len(chunks) == 2 and not any("TresPerJob" in job for job in chunks)
    assert [xr.open_dataset(file).sizes["permutation"] for file in files] == [4, 4]
    assert study.sums() == undisturbed


@pytest.fixture(scope="module")
def cut(study, undisturbed):
    """Both folds again, one up to its time limit, one up to `scancel`, at a site that wants gres.

    By what happened: the Slurm jobs of each fold, first attempt first.
    """
    last = study.last()
    wanted = {"gpu": 0, "gres": "'gpu:1' if wildcards.method == 'gendmr' else ''"}
    gres = study.checkout.folder / "gres"
    gres.mkdir()
    (gres / "config.yaml").write_text(yaml.safe_dump({"set-resources": {"train_fold": wanted}}))
    targets = [study.forget_fold(number) for number in (0, 1)]
    with study.checkout.start(*targets, "--profile", "gres") as process:
        limited, cancelled = study.freeze_folds(0, 1)
        # Slurm counts limits in minutes; the rule asks for hours.
        study.slurm.command("scontrol", "update", f"JobId={limited}", "TimeLimit=1")
        study.slurm.command("scancel", str(cancelled))
        output = process.communicate(timeout=900)
    assert process.returncode == 0, output
    jobs = study.jobs(since=last)
    by_number = {int(job["JobId"]): job["Comment"] for job in jobs}
    return {
        name: [job for job in jobs if job["Comment"] == by_number[first]]
        for name, first in (("limit", limited), ("scancel", cancelled))
    }


@pytest.mark.parametrize(
    ("cause", "state", "fold"), [("limit", "TIMEOUT", 0), ("scancel", "CANCELLED", 1)]
)
def test_a_fold_that_was_cut_goes_on_from_its_checkpoint(
    study, undisturbed, cut, cause, state, fold
):
    assert [job["JobState"] for job in cut[cause]] == [state, "COMPLETED"]
    assert "going on from the checkpoint of epoch" in study.log(fold)
    assert study.sums() == undisturbed
    assert not (study.checkout.results / "training/gendmr/checkpoints").exists()


def test_a_retry_asks_for_twice_the_time_and_memory(cut):
    first, second = cut["scancel"]
    # What the method asks for: 120 minutes, and memory for the people and variants of the study.
    assert (first["TimeLimit"], second["TimeLimit"]) == ("02:00:00", "04:00:00")
    memory_mb, doubled = (int(job["MinMemoryNode"].removesuffix("M")) for job in (first, second))
    assert doubled == 2 * memory_mb >= 1200


def test_a_site_that_wants_gres_gets_it(cut):
    for job in (job for attempts in cut.values() for job in attempts):
        assert job["TresPerNode"] == "gres:gpu:1"
        assert job["Partition"] == "gpu"


def test_a_fold_whose_node_vanishes_is_run_again_when_it_is_back(study, undisturbed):
    last = study.last()
    with study.checkout.start(study.forget_fold(0)) as process:
        (lost,) = study.freeze_folds(0)
        study.slurm.lose_node()
        assert not list(study.fold(0).glob("*")), "something half-written lies there"
        study.slurm.wait_for_node("down")
        study.slurm.run_node()
        output = process.communicate(timeout=600)
    assert process.returncode == 0, output
    jobs = study.jobs(since=last)
    states = [(int(job["JobId"]), job["JobState"], int(job["Restarts"])) for job in jobs]
    assert states == [(lost, "COMPLETED", 1)], output
    assert "going on from the checkpoint of epoch" in study.log(0)
    assert study.sums() == undisturbed

"""Against a real MLflow server that is away, dies midway, and comes back."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import Checkout
from gendmr.config.tracking import TrackingSection
from gendmr.engine.checkpoint import Checkpoint
from gendmr.tracking.follow import Follower
from gendmr.tracking.sync import sync
from tracking.conftest import write_fold, write_metrics
from tracking.servers import Server, contents, running, runs_of

pytestmark = pytest.mark.slow

Maker = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(Server(tmp_path_factory.mktemp("server"))) as started:
        yield started


def local(results: Path) -> str:
    return f"sqlite:///{results}/tracking/mlflow.db"


def of(server: Server, **more: Any) -> TrackingSection:
    return TrackingSection(uri=server.address, **more)


def wait_until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def states(server: Server, study: str) -> dict[str, str]:
    """Status by key; each fold once."""
    runs = [run for run in runs_of(server.address, study) if run.data.tags["level"] == "fold"]
    status_of = {run.data.tags["gendmr.key"]: run.info.status for run in runs}
    assert len(status_of) == len(runs)
    return status_of


def test_a_server_killed_midway_is_a_note_and_a_later_sync_completes_it(
    finished: Maker, server: Server, tmp_path: Path
) -> None:
    results = finished(study="midway", folds=6, epochs=30)
    options = of(server, timeout=2)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=sync, args=(results, options), kwargs={"guarded": True})
    process.start()

    def some_are_there() -> bool:
        try:
            return len(states(server, "midway")) >= 3
        except AttributeError:  # no such experiment yet
            return False

    wait_until(some_are_there)
    server.kill()
    begun = time.monotonic()
    process.join(60)
    assert time.monotonic() - begun < 30
    assert process.exitcode == 0
    (note,) = json.loads((results / "tracking/synced.json").read_text())["notes"]
    assert f"The MLflow server {server.address} did not take the runs" in note

    server.start()
    assert "RUNNING" in states(server, "midway").values()  # as the kill has left it
    assert sync(results, options)["notes"] == []
    on_server = contents(server.address, "midway", tmp_path / "there")
    assert len(on_server) == 14
    assert on_server == contents(local(results), "midway", tmp_path / "here")
    assert set(states(server, "midway").values()) == {"FINISHED"}


def test_a_slow_server_costs_no_more_than_was_granted(finished: Maker, server: Server) -> None:
    results = finished("gendmr", study="slow", folds=10)
    outcome = sync(results, of(server, patience=0.5), guarded=True)
    assert "TimeoutError: not done after 0.5 seconds" in outcome["notes"][0]
    assert sync(results, of(server, patience=0.5))["notes"] == []  # by hand it takes its time
    assert len(states(server, "slow")) == 10


class Folds:
    """Folds of a study whose training is shown step by step."""

    def __init__(self, results: Path) -> None:
        self.results = results

    def folder(self, fold: int) -> Path:
        return self.results / f"training/gendmr/repeat-0/fold-{fold}"

    def checkpoint(self, fold: int, key: str = "k") -> Checkpoint:
        folder = self.results / "training/gendmr/checkpoints"
        return Checkpoint(folder, f"{key}{fold}", place=(0, fold))

    def train(self, fold: int, epochs: int, key: str = "k") -> None:
        """Show the history of `write_fold` up to an epoch."""
        history = [
            {"epoch": e, "step": e * 3, "train_loss": 1 / (e + 1), "validation_auc": 0.5 + e / 100}
            for e in range(epochs)
        ]
        self.checkpoint(fold, key).show(history)

    def finish(self, fold: int, key: str = "k", threshold: float = 0.5) -> None:
        write_fold(self.folder(fold), "gendmr", 4, threshold)
        self.checkpoint(fold, key).discard()


def follower(results: Path, server: Server, folds: int = 2) -> Follower:
    follower_of_study = Follower(
        results, of(server, live=True, timeout=2), methods=["gendmr"], repeats=1, folds=folds
    )
    follower_of_study.since -= 1  # the clock of files is coarser
    return follower_of_study


def test_curves_are_there_while_a_fold_trains_and_one_run_stays(
    server: Server, tmp_path: Path
) -> None:
    results = tmp_path / "live"
    folds, watching = Folds(results), follower(results, server)
    folds.train(0, 1)
    watching.look()
    folds.train(0, 3)
    watching.look()
    (run,) = [r for r in runs_of(server.address, "live") if r.data.tags["level"] == "fold"]
    assert (run.info.status, run.info.run_name) == ("RUNNING", "gendmr · r0 · f0")
    assert run.data.metrics["curve/train_loss"] == pytest.approx(1 / 3)
    folds.finish(0)
    folds.train(1, 2)
    watching.look()
    assert states(server, "live") == {
        "gendmr/repeat-0/fold-0": "FINISHED",
        "gendmr/repeat-0/fold-1": "RUNNING",
    }
    ended = {r.data.tags["gendmr.key"]: r for r in runs_of(server.address, "live")}
    assert ended["gendmr/repeat-0/fold-0"].info.run_id == run.info.run_id

    # The workflow is killed, and the fold goes on from its checkpoint in the next one.
    watching.close()
    assert states(server, "live")["gendmr/repeat-0/fold-1"] == "KILLED"
    cut = {r.data.tags["gendmr.key"]: r for r in runs_of(server.address, "live")}
    again = follower(results, server)
    folds.train(1, 3)
    again.look()
    assert states(server, "live")["gendmr/repeat-0/fold-1"] == "RUNNING"
    folds.finish(1)
    again.look()
    whole = {r.data.tags["gendmr.key"]: r for r in runs_of(server.address, "live")}
    key = "gendmr/repeat-0/fold-1"
    assert whole[key].info.run_id == cut[key].info.run_id
    again.close()

    # What was logged as it came is what a replay of the files gives.
    write_metrics(results, "gendmr", 1, 2)
    assert sync(results, of(server, live=True), guarded=True)["notes"] == []
    assert contents(server.address, "live", tmp_path / "there") == contents(
        local(results), "live", tmp_path / "here"
    )
    run_ids = {r.data.tags["gendmr.key"]: r.info.run_id for r in runs_of(server.address, "live")}
    # The metrics came when all folds were finished, into the runs that were there.
    (run,) = [
        r for r in runs_of(server.address, "live") if r.data.tags["gendmr.key"].endswith("fold-1")
    ]
    assert run.data.metrics["auc"] == pytest.approx(0.61)
    assert run_ids == {name: stored.info.run_id for name, stored in whole.items()}


def test_a_fold_that_is_trained_again_supersedes_at_once(server: Server, tmp_path: Path) -> None:
    results = tmp_path / "again"
    folds, watching = Folds(results), follower(results, server, folds=1)
    folds.finish(0)
    watching.look()
    assert states(server, "again") == {"gendmr/repeat-0/fold-0": "FINISHED"}
    (folds.folder(0) / "run.json").unlink()  # as Snakemake does before a job
    folds.train(0, 2, key="other")
    watching.look()
    assert states(server, "again") == {"gendmr/repeat-0/fold-0": "RUNNING"}
    # A third training of that fold, with other options: the second one's run is not its.
    folds.checkpoint(0, "other").discard()
    folds.train(0, 1, key="third")
    watching.look()
    assert states(server, "again") == {"gendmr/repeat-0/fold-0": "RUNNING"}
    folds.finish(0, key="third", threshold=0.7)
    watching.look()
    (run,) = [r for r in runs_of(server.address, "again") if r.data.tags["level"] == "fold"]
    assert (run.info.status, run.data.metrics["threshold"]) == ("FINISHED", 0.7)


def test_a_follower_that_was_killed_leaves_nothing_running(server: Server, tmp_path: Path) -> None:
    results = tmp_path / "left"
    folds, killed = Folds(results), follower(results, server)
    folds.train(0, 2)
    killed.look()  # and no close()
    folds.checkpoint(0).discard()
    follower(results, server).look()
    assert states(server, "left") == {"gendmr/repeat-0/fold-0": "KILLED"}
    folds.finish(0)
    folds.finish(1)
    write_metrics(results, "gendmr", 1, 2)
    sync(results, of(server))
    assert set(states(server, "left").values()) == {"FINISHED"}


def test_a_server_that_goes_and_comes_back_gets_all_and_the_report_says_so(
    server: Server, tmp_path: Path
) -> None:
    results = tmp_path / "away"
    lines: list[str] = []
    folds, watching = Folds(results), follower(results, server)
    watching.say = lines.append
    folds.train(0, 1)
    watching.look()
    server.kill()
    begun = time.monotonic()
    folds.finish(0)
    folds.train(1, 2)
    for _ in range(3):
        watching.not_before = 0.0
        watching.look()
    watching.look()  # too soon: not even tried
    assert time.monotonic() - begun < 10
    assert json.loads((results / "tracking/live.json").read_text()) == {
        "server": server.address,
        "failures": 3,
        "first": "ConnectionRefusedError",
    }
    server.start()
    watching.not_before = 0.0
    watching.look()
    assert states(server, "away") == {
        "gendmr/repeat-0/fold-0": "FINISHED",
        "gendmr/repeat-0/fold-1": "RUNNING",
    }
    assert len(lines) == 2 and "is back after 3 failures" in lines[1]
    folds.finish(1)
    write_metrics(results, "gendmr", 1, 2)
    (note,) = sync(results, of(server, live=True), guarded=True)["notes"]
    assert "failed 3 times, first with ConnectionRefusedError" in note
    assert contents(server.address, "away", tmp_path / "there") == contents(
        local(results), "away", tmp_path / "here"
    )


PARENT = """
import sys, time, yaml
from gendmr.config.study import Study
from gendmr.tracking.launch import follow_training
follow_training(Study.parse(yaml.safe_load(open("study.yaml"))))
time.sleep(600)
"""


def test_what_follows_ends_with_the_workflow_that_started_it(
    server: Server, tmp_path: Path
) -> None:
    tiny = (ROOT / "tests/workflow/tiny.yaml").read_text()
    study = yaml.safe_load(tiny.replace("tiny", "parent"))
    study |= {"tracking": {"uri": server.address, "live": True}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=tmp_path, env=os.environ, start_new_session=True
    )
    try:
        results = tmp_path / "results/parent"
        wait_until((results / "tracking/live.json").exists)
        Folds(results).train(2, 2)

        def fold() -> str | None:
            try:
                return states(server, "parent").get("gendmr/repeat-0/fold-2")
            except AttributeError:
                return None

        wait_until(lambda: fold() == "RUNNING")
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(30)
    wait_until(lambda: fold() == "KILLED")
    assert (tmp_path / "logs/parent/tracking/follow.log").read_text() == ""


def test_a_whole_study_is_on_the_server_while_it_runs_and_as_its_own_database_after(
    server: Server, tmp_path: Path
) -> None:
    study = yaml.safe_load((ROOT / "tests/cluster/tiny.yaml").read_text())
    study["tracking"] = {"uri": server.address, "live": True}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    checkout = Checkout(tmp_path / "clone", tmp_path / "study.yaml")
    statuses_of: dict[str, set[str]] = {}

    def look() -> bool:
        try:
            status_now = states(server, "tiny")
        except AttributeError:  # no such experiment yet
            return False
        for key, status in status_now.items():
            statuses_of.setdefault(key, set()).add(status)
        return any("RUNNING" in statuses for statuses in statuses_of.values())

    with (tmp_path / "log").open("w") as log, checkout.start(stdout=log, stderr=log) as process:
        wait_until(lambda: look() or process.poll() is not None, seconds=300)
        running_while = process.poll() is None
        status = process.wait(timeout=600)
    assert status == 0, (tmp_path / "log").read_text()[-4000:]
    assert running_while, "nothing was on the server before the workflow ended"
    folds = {f"{m}/repeat-0/fold-{f}" for m in ("gendmr", "ridge-snp") for f in (0, 1)}
    assert states(server, "tiny") == dict.fromkeys(folds, "FINISHED")
    store = local(checkout.results)
    assert contents(server.address, "tiny", tmp_path / "there") == contents(
        store, "tiny", tmp_path / "here"
    )
    synced = json.loads((checkout.results / "tracking/synced.json").read_text())
    assert synced["notes"] == []

"""What may happen to the study's own database, and that a later replay completes it."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gendmr.config.tracking import TrackingSection
from gendmr.errors import TrackingError
from gendmr.tracking.store import quiet_mlflow
from gendmr.tracking.sync import sync
from tracking.servers import contents, runs_of

Maker = Callable[..., Path]
ON = TrackingSection()


def store(results: Path) -> str:
    return f"sqlite:///{results}/tracking/mlflow.db"


def notes(results: Path) -> list[str]:
    note_list: list[str] = json.loads((results / "tracking/synced.json").read_text())["notes"]
    return note_list


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """MLflow takes seconds to import: processes that are forked later have it."""
    quiet_mlflow()
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def forked(results: Path) -> Any:
    process = multiprocessing.get_context("fork").Process(target=sync, args=(results, ON))
    process.start()
    return process


def test_ten_at_the_same_moment_on_a_fresh_store(finished: Maker) -> None:
    results = finished("gendmr", folds=10, epochs=2)
    begun = [forked(results) for _ in range(10)]
    for process in begun:
        process.join(120)
    assert [process.exitcode for process in begun] == [0] * 10
    runs = runs_of(store(results), "tiny")
    keys = {run.data.tags["gendmr.key"] for run in runs}
    assert keys == {"gendmr", *(f"gendmr/repeat-0/fold-{number}" for number in range(10))}
    assert len(runs) == 11
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_killed_at_any_moment_a_later_replay_completes_it(finished: Maker, tmp_path: Path) -> None:
    results = finished(folds=3)
    database = results / "tracking" / "mlflow.db"
    for tables in (False, True):  # while the tables are made, and while runs are written
        process = forked(results)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if tables and database.exists():
                with closing(sqlite3.connect(database)) as connection:
                    if connection.execute("SELECT count(*) FROM runs").fetchone()[0] > 2:
                        break
            if not tables and (database.with_name(".fresh.mlflow.db")).exists():
                break
            time.sleep(0.005)
        process.kill()
        process.join(30)
        assert process.exitcode == -9
        assert database.exists() == tables
    sync(results, ON)
    whole = contents(store(results), "tiny", tmp_path / "whole")
    assert len(whole) == 8
    assert {run["status"] for run in whole.values()} == {"FINISHED"}
    assert not database.with_name(".fresh.mlflow.db").exists()


def test_rebuilt_from_files_it_equals_the_original(finished: Maker, tmp_path: Path) -> None:
    results = finished()
    sync(results, ON)
    # Its history has folds that were trained again and a method that was taken out and came back.
    path = results / "training/gendmr/repeat-0/fold-0/fold.json"
    path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.1'))
    sync(results, ON, methods=["gendmr"])
    sync(results, ON)
    original = contents(store(results), "tiny", tmp_path / "original", times=True)
    tags = experiment_tags(results)
    # Another process: this one keeps the database open.
    subprocess.run(
        [sys.executable, "-m", "gendmr", "tracking", "rebuild", "--results", results], check=True
    )
    copy = tmp_path / "copy.db"
    shutil.copy(results / "tracking/mlflow.db", copy)
    rebuilt = contents(f"sqlite:///{copy}", "tiny", tmp_path / "rebuilt", times=True)
    assert rebuilt == original
    assert rebuilt["gendmr/repeat-0/fold-0"]["metrics"]["threshold"] == [(0, 0.1, 0)]
    assert rebuilt["gendmr"]["artifacts"].keys() >= {"metrics.tsv", "ranking/figures/genome.png"}
    assert experiment_tags(results) == tags
    assert not runs_of(f"sqlite:///{copy}", "tiny", deleted=True)


def experiment_tags(results: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(results / "tracking/mlflow.db")) as connection:
        rows = connection.execute("SELECT key, value FROM experiment_tags ORDER BY key")
        return list(rows.fetchall())


def test_a_locked_database_costs_seconds_and_a_note(finished: Maker) -> None:
    results = finished("gendmr")
    sync(results, ON)
    (results / "training/gendmr/repeat-0/fold-0/history.jsonl").write_text("")
    with closing(sqlite3.connect(results / "tracking/mlflow.db")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        assert sync(results, ON, guarded=True)["new"] == 0
        assert time.monotonic() - begun < 20
        assert "database is locked" in notes(results)[0]
        assert "gendmr tracking sync --results" in notes(results)[0]
        with pytest.raises(TrackingError, match="locked"):
            sync(results, ON)
    assert sync(results, ON, guarded=True)["new"] == 1
    assert notes(results) == []


def mounted(script: str, results: Path) -> str:
    """Run a replay after mounting something, in a name space of its own: nothing stays mounted."""
    words = ["unshare", "--mount", "sh", "-ec", script, results / "tracking"]
    if subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", results], check=False
    ).returncode:
        pytest.skip("no file system can be mounted here")
    sync_words = [sys.executable, "-m", "gendmr", "tracking", "sync", "--guarded"]
    done = subprocess.run(
        [*words, *sync_words, "--results", results], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_read_only_database_is_a_note(finished: Maker) -> None:
    results = finished("gendmr", folds=1)
    sync(results, ON)
    (results / "training/gendmr/repeat-0/fold-0/history.jsonl").write_text("")
    output = mounted(
        'mount --bind "$0"/mlflow.db "$0"/mlflow.db; mount -o remount,ro,bind "$0"/mlflow.db; "$@"',
        results,
    )
    assert "note: MLflow is incomplete, the results are not" in output
    assert "the database is read-only" in output
    assert "read-only" in notes(results)[0]
    assert sync(results, ON)["new"] == 1
    assert notes(results) == []


def test_a_full_disk_is_a_note_and_a_later_replay_completes_it(finished: Maker) -> None:
    results = finished("gendmr", folds=1)
    (results / "tracking").mkdir()
    # A disk of half a megabyte; what is on it at the end is looked at through copies.
    output = mounted(
        'mount -t tmpfs -o size=512k tmpfs "$0"; "$@";'
        ' cp "$0"/synced.json "$0"/../synced.json; ls -A "$0" > "$0"/../left',
        results,
    )
    assert "full" in output
    assert "make room" in json.loads((results / "synced.json").read_text())["notes"][0]
    # No half of a database that the next call would stumble over.
    assert "mlflow.db" not in (results / "left").read_text().split()
    assert sync(results, ON)["new"] == 1

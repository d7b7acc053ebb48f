"""Replay into a real MLflow store: what is there, what a second replay does, servers away."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gendmr.config.tracking import TrackingSection
from gendmr.errors import ConfigurationError, TrackingError
from gendmr.tracking.sync import sync
from tracking.servers import client_of, runs_of

Maker = Callable[..., Path]
ON = TrackingSection()


def store(results: Path) -> str:
    return f"sqlite:///{results}/tracking/mlflow.db"


def client(results: Path) -> Any:
    return client_of(store(results))


def runs(results: Path, *, deleted: bool = False) -> list[Any]:
    return runs_of(store(results), results.name, deleted=deleted)


def by_key(results: Path) -> dict[str, Any]:
    run_of = {run.data.tags["gendmr.key"]: run for run in runs(results)}
    assert len(run_of) == len(runs(results))
    return run_of


def train_again(results: Path, fold: str) -> None:
    path = results / "training" / fold / "fold.json"
    described = json.loads(path.read_text())
    described["calibration"]["threshold"] = 0.9
    path.write_text(json.dumps(described))


def test_a_run_lasts_as_long_as_its_job_did(finished: Maker) -> None:
    results = finished()
    logs = results.parents[1] / "logs" / results.name / "training/gendmr/repeat-0"
    logs.mkdir(parents=True)
    (logs / "fold-1.benchmark.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    sync(results, ON)
    info = by_key(results)["gendmr/repeat-0/fold-1"].info
    assert info.end_time - info.start_time == 12_500
    whole = by_key(results)["gendmr"].info
    assert whole.start_time <= info.start_time
    # Of a method: that of its folds together; the other fold has no record of its time.
    shorter = by_key(results)["gendmr/repeat-0/fold-0"].info
    overhead = shorter.end_time - shorter.start_time
    assert overhead < 5_000 and whole.end_time - whole.start_time == 12_500 + overhead


def test_every_fold_is_a_child_of_its_method(finished: Maker) -> None:
    results = finished()
    assert sync(results, ON)["new"] == 4
    run_of = by_key(results)
    assert set(run_of) == {
        "gendmr",
        "ridge_snp",
        *[f"{m}/repeat-0/fold-{k}" for m in ("gendmr", "ridge_snp") for k in (0, 1)],
    }
    child = run_of["gendmr/repeat-0/fold-1"]
    assert child.data.tags["mlflow.parentRunId"] == run_of["gendmr"].info.run_id
    assert child.info.status == "FINISHED"
    assert child.data.metrics["auc"] == pytest.approx(0.61)
    assert child.data.metrics["by_modality/snp_region/auc"] == pytest.approx(0.61)
    assert "f1" not in child.data.metrics
    assert child.data.params["learning_rate"] == "0.0001"
    assert child.data.params["nested.position"] == "genomic"
    assert child.info.run_name == "gendmr · r0 · f1"
    done = results / "training/gendmr/repeat-0/fold-1/run.json"
    assert child.info.end_time == done.stat().st_mtime_ns // 1_000_000
    assert child.data.metrics["best_epoch"] == 2
    assert {child.data.tags[name] for name in ("level", "method", "repeat", "fold")} == {
        "fold", "gendmr", "0", "1"
    }  # fmt: skip
    assert {child.data.tags[name] for name in ("outcome", "task")} == {"diagnosis", "binary"}
    # Of the fit, from run.json, and of the judgement, from fold.json.
    assert child.data.tags["mlflow.note.content"] == (
        "* no distillation\n* region r7 is missing in 3 held-out people"
    )
    curve = client(results).get_metric_history(child.info.run_id, "curve/train_loss")
    assert [(point.step, point.value) for point in curve] == [
        (epoch, pytest.approx(1 / (epoch + 1))) for epoch in range(4)
    ]
    parent = run_of["gendmr"]
    assert parent.data.metrics["auc"] == pytest.approx(0.62)
    assert {parent.data.tags[name] for name in ("outcome", "task")} == {"diagnosis", "binary"}
    assert parent.data.metrics["auc/high"] == pytest.approx(0.69)
    assert parent.data.params["seed"] == "7"
    assert "fold" not in parent.data.params
    assert parent.data.tags["mlflow.note.content"] == (
        "* no distillation (2 of 2 folds)\n"
        "* region r7 is missing in 3 held-out people (1 of 2 folds)\n"
        "* no p-values"
    )


def test_figures_are_artifacts_and_nothing_is_written_elsewhere(
    finished: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = finished()
    monkeypatch.chdir(tmp_path)
    sync(results, ON)
    parent = by_key(results)["gendmr"]
    listed = client(results).list_artifacts(parent.info.run_id, "ranking/figures")
    assert [item.path for item in listed] == ["ranking/figures/genome.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]
    assert sorted(path.name for path in (results / "tracking").iterdir()) == [
        ".lock",
        "artifacts",
        "mlflow.db",
        "synced.json",
    ]


def test_second_replay_does_nothing_and_a_changed_fold_supersedes(finished: Maker) -> None:
    results = finished()
    sync(results, ON)
    before = by_key(results)
    listing = (results / "tracking" / "synced.json").read_bytes()
    assert sync(results, ON) == {
        "new": 0,
        "unchanged": 4,
        "superseded": 0,
        "withdrawn": 0,
        "notes": [],
    }
    assert (results / "tracking" / "synced.json").read_bytes() == listing
    train_again(results, "gendmr/repeat-0/fold-1")
    # The method's own run shows the notes of its folds, so that it is another one too.
    assert sync(results, ON) == {
        "new": 1,
        "unchanged": 3,
        "superseded": 2,
        "withdrawn": 0,
        "notes": [],
    }
    after = by_key(results)
    changed = [key for key in after if after[key].info.run_id != before[key].info.run_id]
    assert sorted(changed) == ["gendmr", "gendmr/repeat-0/fold-1"]
    assert after["gendmr/repeat-0/fold-1"].data.metrics["threshold"] == 0.9
    parents = {run.data.tags.get("mlflow.parentRunId") for run in after.values()}
    assert parents == {None, after["gendmr"].info.run_id, after["ridge_snp"].info.run_id}
    older = runs(results, deleted=True)
    assert {run.info.run_id for run in older} == {before[key].info.run_id for key in changed}
    assert {run.data.tags["gendmr.state"] for run in older} == {"superseded"}
    assert (results / "tracking" / "synced.json").read_bytes() != listing


def test_a_method_whose_mean_falls_shows_the_new_one(finished: Maker) -> None:
    # Of two values of one metric and step, MLflow shows the larger.
    results = finished("gendmr")
    sync(results, ON)
    table = results / "training/gendmr/metrics.tsv"
    table.write_text(table.read_text().replace("auc\t0.62", "auc\t0.52"))
    sync(results, ON)
    assert by_key(results)["gendmr"].data.metrics["auc"] == pytest.approx(0.52)


def test_metrics_that_change_supersede_a_fold_and_new_ones_complete_it(finished: Maker) -> None:
    results = finished("gendmr")
    sync(results, ON)
    before = by_key(results)
    table = results / "training/gendmr/metrics.tsv"
    table.write_text(table.read_text().replace("0\t1\tauc\t0.61", "0\t1\tauc\t0.51"))
    assert sync(results, ON)["superseded"] == 2  # the fold and its method
    after = by_key(results)
    assert after["gendmr/repeat-0/fold-1"].data.metrics["auc"] == pytest.approx(0.51)
    # A fold that was followed while it trained has no metrics yet.
    key = "gendmr/repeat-0/fold-0"
    assert after[key].info.run_id == before[key].info.run_id
    client(results).delete_tag(after[key].info.run_id, "gendmr.metrics")
    assert sync(results, ON)["superseded"] == 0
    completed = by_key(results)[key]
    assert completed.info.run_id == before[key].info.run_id
    assert completed.data.tags["gendmr.metrics"] == before[key].data.tags["gendmr.metrics"]


def test_withdrawn_methods_changed_options_and_half_written_runs(finished: Maker) -> None:
    results = finished()
    sync(results, ON)
    killed = by_key(results)["gendmr/repeat-0/fold-0"].info.run_id
    client(results).set_tag(killed, "gendmr.state", "writing")
    for path in results.glob("training/gendmr/*/*/run.json"):
        path.write_text(path.read_text().replace("0.0001", "0.5"))
    outcome = sync(results, ON, methods=["gendmr"])
    # Both folds and their parent are new; ridge_snp with its two folds is gone.
    assert outcome["withdrawn"] == 3
    assert outcome["superseded"] == 2
    run_of = by_key(results)
    assert set(run_of) == {"gendmr", "gendmr/repeat-0/fold-0", "gendmr/repeat-0/fold-1"}
    parent = run_of.pop("gendmr")
    assert parent.data.params["learning_rate"] == "0.5"
    assert {run.data.tags["mlflow.parentRunId"] for run in run_of.values()} == {parent.info.run_id}
    assert killed not in {run.info.run_id for run in run_of.values()}


def test_database_can_be_rebuilt_after_damage_or_a_move(finished: Maker) -> None:
    results = finished("gendmr")
    sync(results, ON)
    listing = (results / "tracking" / "synced.json").read_bytes()
    moved = results.with_name("moved")
    results.rename(moved)
    with pytest.raises(TrackingError, match="artifacts were stored in"):
        sync(moved, TrackingSection(experiment="tiny"))
    moved.rename(results)
    (results / "tracking" / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TrackingError, match="rebuild"):
        sync(results, ON)
    done = subprocess.run(
        [sys.executable, "-m", "gendmr", "tracking", "rebuild", "--results", results],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "runs: 2 new, 0 unchanged, 0 superseded, 0 withdrawn\n"
    assert done.stderr == ""
    database = sqlite3.connect(results / "tracking" / "mlflow.db")
    tags = "SELECT count(*) FROM tags WHERE key = 'gendmr.state' AND value = 'current'"
    assert database.execute(tags).fetchone() == (3,)
    database.close()
    assert (results / "tracking" / "synced.json").read_bytes() == listing


def test_switched_off_it_lists_and_imports_nothing(finished: Maker) -> None:
    results = finished("gendmr")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gendmr", "tracking", "sync", "--results",
         results, "--options", '{"enabled": false}'],
        check=True,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert "mlflow" not in done.stderr
    assert "switched off" in done.stderr
    listing = json.loads((results / "tracking" / "synced.json").read_text())
    assert len(listing["runs"]) == 2
    assert not (results / "tracking" / "mlflow.db").exists()


def test_server_that_does_not_answer_is_a_note(finished: Maker) -> None:
    results = finished("gendmr")
    with socket.socket() as silent:
        # A port that is bound but does not listen refuses; one that listens and is silent hangs.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for listening in (True, False):
            port = silent.getsockname()[1]
            if not listening:
                silent.close()
            options = TrackingSection(uri=f"http://127.0.0.1:{port}", timeout=1)
            started = time.monotonic()
            outcome = sync(results, options, guarded=True)
            assert time.monotonic() - started < 30
            assert len(outcome["notes"]) == 1
            assert f"127.0.0.1:{port} did not take the runs" in outcome["notes"][0]
    assert json.loads((results / "tracking/synced.json").read_text())["notes"] == outcome["notes"]
    assert len(by_key(results)) == 3
    with pytest.raises(TrackingError, match="did not take the runs"):
        sync(results, options)


def test_bad_input_is_named(finished: Maker, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrackingError, match=r"no method has a metrics\.tsv"):
        sync(tmp_path / "empty", ON)
    results = finished("gendmr")
    (results / "training/gendmr/repeat-0/fold-1/history.jsonl").unlink()
    with pytest.raises(TrackingError, match=r"1 files .* missing.*history\.jsonl"):
        sync(results, ON)
    with pytest.raises(ConfigurationError, match="uri"):
        TrackingSection.parse({"uri": "file:///tmp/mlruns"})
    with pytest.raises(ConfigurationError, match="needs a server"):
        TrackingSection.parse({"live": True})

"""A fit that was interrupted goes on and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from engine.killable import kill, start
from gendmr.config.training import MethodOptions
from gendmr.engine.checkpoint import Checkpoint
from gendmr.training.fold import train_fold
from studies import slice_of

METHOD = {
    "kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "parts": 3, "partitions": 2,
    "projection": 8, "queue": 32,
}  # fmt: skip
OPTIONS = slice_of(METHOD, epochs=6)
OTHER = slice_of(METHOD, optimisation={"epochs": 6, "learning_rate": 0.01})


class Killed(RuntimeError):
    """Stands for the signal."""


def train(
    cohort: Path, output: Path, stop_at: str | None = None, options: MethodOptions = OPTIONS
) -> list[str]:
    lines = []

    def progress(line: str) -> None:
        lines.append(line)
        if stop_at is not None and line.startswith(stop_at):
            raise Killed(line)

    train_fold(
        cohort,
        output,
        method="gendmr",
        repeat=0,
        fold=0,
        options=options,
        seed=5,
        device="cpu",
        checkpoint_every=2,
        progress=progress,
    )
    return lines


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").rglob("*.checkpoint*"))


@pytest.fixture(scope="module")
def whole(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "repeat-0" / "fold-0"
    train(cohort, folder)
    assert not (folder.parent.parent / "checkpoints").exists()
    return contents(folder)


def test_an_interrupted_fit_ends_with_the_same_bytes(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "repeat-0" / "fold-0"
    with pytest.raises(Killed):
        train(cohort, output, stop_at="epoch 5")
    assert not output.exists() and len(checkpoints(tmp_path)) == 1
    lines = train(cohort, output)
    assert "going on from the checkpoint of epoch 4" in lines
    assert contents(output) == whole
    assert not (tmp_path / "checkpoints").exists()


def test_a_checkpoint_of_another_configuration_is_not_used(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "repeat-0" / "fold-0"
    with pytest.raises(Killed):
        train(cohort, output, stop_at="epoch 5", options=OTHER)
    lines = train(cohort, output)
    assert not [line for line in lines if "checkpoint" in line]
    assert contents(output) == whole


def test_a_checkpoint_under_a_wrong_name_is_refused(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "repeat-0" / "fold-0"
    for options in (OTHER, OPTIONS):
        with pytest.raises(Killed):
            train(cohort, output, stop_at="epoch 5", options=options)
    other_key, own_key = sorted(checkpoints(tmp_path), key=lambda path: path.stat().st_mtime_ns)
    other_key.replace(own_key)
    lines = train(cohort, output)
    assert any("belongs to another configuration" in line for line in lines)
    assert [path.suffix for path in checkpoints(tmp_path)] == [".refused"]
    assert contents(output) == whole


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_checkpoint_is_set_aside(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path, damage: str
) -> None:
    output = tmp_path / "repeat-0" / "fold-0"
    with pytest.raises(Killed):
        train(cohort, output, stop_at="epoch 5")
    (path,) = checkpoints(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-7], "flip": content, "empty": b""}[damage])
    lines = train(cohort, output)
    assert any("its checksum is wrong" in line for line in lines)
    assert [path.suffix for path in checkpoints(tmp_path)] == [".damaged"]
    assert contents(output) == whole


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    lines: list[str] = []
    tmp_path = tmp_path / "checkpoints"
    place = Checkpoint(tmp_path, "abc", progress=lines.append)
    assert place.load() is None
    tensors = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}
    state = {"epoch": 3, "value": [[float("-inf"), 0.1 + 0.2]], "big": 2**100}
    place.save(tensors, state)
    loaded = place.load()
    assert loaded is not None
    for name, value in tensors.items():
        np.testing.assert_array_equal(loaded[0][name], value)
    assert loaded[1] == state
    place.discard()
    assert not tmp_path.exists()


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for name in ("to load torch once", "to see how long it takes"):
        began = time.monotonic()
        start(cohort, tmp_path / name / "repeat-0" / "fold-0", OPTIONS).join()
        usual = time.monotonic() - began
    moments = random.Random(11)
    kills = finished = resumed = 0
    while kills < 20 or not finished:
        output = tmp_path / str(finished) / "repeat-0" / "fold-0"
        resumed += bool(checkpoints(output.parent.parent))
        process = start(cohort, output, OPTIONS)
        process.join(moments.uniform(0, usual) if kills < 20 else None)
        if process.is_alive() and kill(process):
            kills += 1
            written = contents(output) if output.exists() else {}
            for name in written.keys() & whole.keys():
                assert written[name] == whole[name], f"{name} is there and not whole"
            continue
        assert process.exitcode == 0
        assert contents(output) == whole
        assert not (output.parent.parent / "checkpoints").exists()
        finished += 1
    assert resumed


def test_a_kill_while_a_checkpoint_is_written(
    cohort: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "repeat-0" / "fold-0"
    caught: list[Path] = []
    # Stopped first, so that what is killed is certain to be in the middle of it.
    while not caught:
        # An earlier training may have ended between two looks: its fold would be mistaken below.
        shutil.rmtree(output, ignore_errors=True)
        process = start(cohort, output, OPTIONS)
        assert process.pid is not None
        while process.is_alive() and not caught:
            if half_written(tmp_path):
                os.kill(process.pid, signal.SIGSTOP)
                caught = half_written(tmp_path)
                if not caught:
                    os.kill(process.pid, signal.SIGCONT)
        if caught:
            assert kill(process)
    assert all(path.exists() for path in caught)
    assert not output.exists()
    last = start(cohort, output, OPTIONS)
    last.join()
    assert last.exitcode == 0
    assert contents(output) == whole
    assert not (tmp_path / "checkpoints").exists()


def half_written(folder: Path) -> list[Path]:
    return list(folder.glob("checkpoints/*/.*.training.checkpoint"))


def test_the_history_so_far_is_shown_beside_and_goes_with_the_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    place = Checkpoint(folder, "abc", place=(1, 2))
    place.show([{"epoch": 1, "train_loss": 0.5, "validation_auc": float("nan")}])
    assert json.loads((folder / "abc/progress.json").read_text()) == {
        "repeat": 1,
        "fold": 2,
        "history": [{"epoch": 1, "train_loss": 0.5}],
    }
    place.discard()
    assert not folder.exists()
    # Where it cannot be written, training goes on.
    folder.write_text("in the way")
    place.show([{"epoch": 1}])


def test_a_fold_shows_its_history_while_it_trains(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(cohort, tmp_path / "repeat-0" / "fold-0", stop_at="epoch 5")
    (path,) = tmp_path.glob("checkpoints/*/progress.json")
    progress = json.loads(path.read_text())
    assert [line["epoch"] for line in progress["history"]] == [1, 2, 3, 4]
    assert (progress["repeat"], progress["fold"]) == (0, 0)

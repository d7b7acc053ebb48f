"""Checksums of what was given, versions of what made a result."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gendmr import __version__
from gendmr.errors import InputFileError
from gendmr.files import provenance
from gendmr.files.provenance import (
    changed_since,
    given_checksums,
    joint_checksum,
    record_files,
    versions,
)


def age(path: Path, seconds: float = 60) -> None:
    """Make a file look as if it had been changed some time ago."""
    timestamp = time.time() - seconds
    os.utime(path, (timestamp, timestamp))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Three files in a folder of their own, and where their record goes."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.bed", "aaaa"), ("b.tsv", "bbbb"), ("c.nii", "cccc")):
        (tmp_path / name).write_text(text)
        age(tmp_path / name)
    return {"tables": ["a.bed", "b.tsv"], "images": ["c.nii"]}, Path("cohort/inputs.json")


@pytest.fixture
def read(monkeypatch):
    """Which files were read, in order."""
    paths = []

    def spying(path):
        paths.append(str(path))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    monkeypatch.setattr(provenance, "sha256", spying)
    return paths


def test_checksums_are_those_of_sha256sum(study):
    files, output = study
    assert record_files(files, output) == []
    stored = json.loads(output.read_text())
    assert {kind: list(paths) for kind, paths in stored["files"].items()} == files
    done = subprocess.run(
        ["sha256sum", "a.bed", "b.tsv", "c.nii"], capture_output=True, text=True, check=True
    )
    entries = stored["files"]["tables"] | stored["files"]["images"]
    assert done.stdout == "".join(f"{item['sha256']}  {path}\n" for path, item in entries.items())
    assert joint_checksum(entries.items()) == hashlib.sha256(done.stdout.encode()).hexdigest()
    assert entries["a.bed"]["bytes"] == 4


def test_a_file_is_read_once_as_long_as_size_and_time_stay(study, read):
    files, output = study
    record_files(files, output)
    first = output.read_bytes()
    assert read == ["a.bed", "b.tsv", "c.nii"]
    output.unlink()  # Snakemake removes outputs before a job
    record_files(files, output)
    assert read == ["a.bed", "b.tsv", "c.nii"]
    assert output.read_bytes() == first
    record_files(files, output, everything=True)
    assert read == ["a.bed", "b.tsv", "c.nii"] * 2


def test_a_file_that_was_changed_just_now_is_read_again(study, read):
    files, output = study
    Path("b.tsv").write_text("new!")
    record_files(files, output)
    record_files(files, output)
    assert read.count("b.tsv") == 2
    assert read.count("a.bed") == 1


def test_a_changed_file_is_named_with_both_checksums(study):
    files, output = study
    record_files(files, output)
    before = hashlib.sha256(b"bbbb").hexdigest()
    after = hashlib.sha256(b"bbbB").hexdigest()
    Path("b.tsv").write_text("bbbB")
    (change,) = changed_since(output)
    assert (change.path, change.before, change.after) == ("b.tsv", before, after)
    assert f"b.tsv has changed (SHA-256 {before[:12]}… before, {after[:12]}… now)" == str(change)
    output.unlink()
    assert record_files(files, output) == [change]
    # and stays known, whatever follows
    age(Path("b.tsv"), 30)
    record_files(files, output)
    assert json.loads(output.read_text())["changes"] == [
        {"path": "b.tsv", "before": before, "after": after}
    ]
    assert changed_since(output) == []


def test_an_older_file_in_the_place_of_a_newer_one_is_noticed(study):
    files, output = study
    record_files(files, output)
    Path("b.tsv").write_text("older")
    age(Path("b.tsv"), 10_000)
    assert [change.path for change in changed_since(output)] == ["b.tsv"]


def test_a_touched_file_is_no_change_and_a_lost_one_is(study):
    files, output = study
    record_files(files, output)
    Path("a.bed").touch()
    assert changed_since(output) == []
    Path("c.nii").unlink()
    (lost,) = changed_since(output)
    assert str(lost).startswith("c.nii is gone (SHA-256 ")
    assert changed_since("nowhere.json") == []


@pytest.mark.parametrize("broken", ["", "[]", '{"files": {"a.bed": 1}, "changes": []}', "\0"])
def test_a_damaged_memory_only_costs_reading(study, read, broken):
    files, output = study
    record_files(files, output)
    first = output.read_bytes()
    (output.parent / ".inputs.memory.json").write_text(broken)
    assert record_files(files, output) == []
    assert output.read_bytes() == first
    assert len(read) == 6


def test_results_hold_every_checksum_of_few_and_one_over_many(study):
    files, output = study
    for number in range(30):
        Path(f"{number}.nii").write_text(str(number))
    record_files(files | {"images": sorted(f"{n}.nii" for n in range(30))}, output)
    recorded = given_checksums(output)
    assert recorded["tables"]["a.bed"] == hashlib.sha256(b"aaaa").hexdigest()
    stored = json.loads(output.read_text())["files"]["images"]
    assert recorded["images"] == {"files": 30, "sha256": joint_checksum(stored.items())}
    assert given_checksums("nowhere.json") == {}


def test_the_command_records_tables_and_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = Path("bids/sub-1/anat/sub-1_T1w.nii.gz")
    image.parent.mkdir(parents=True)
    image.write_bytes(b"scan")
    for name in ("people.tsv", "mask-1.nii", "labels.nii", "labels.tsv"):
        Path(name).write_text(name)
    section = {
        "bids": "bids",
        "brain": "given",
        "mask": "mask-{participant}.nii",
        "atlas": {"labels": "labels.nii", "table": "labels.tsv"},
    }
    command = [sys.executable, "-m", "gendmr", "cohort", "inputs", "--output", "out.json"]
    command += ["--imaging", json.dumps(section), "people.tsv"]
    subprocess.run(command, check=True)
    stored = json.loads(Path("out.json").read_text())["files"]
    assert {kind: list(paths) for kind, paths in stored.items()} == {
        "images": [str(image), "mask-1.nii"],
        "tables": ["people.tsv"],
    }
    Path("people.tsv").write_text("others")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("changed since the last record: people.tsv has changed (SHA-256")


def test_versions_name_package_python_and_platform():
    version_of = versions("numpy", "no-such-package")
    assert version_of["gendmr"] == __version__
    assert version_of["python"] == ".".join(map(str, sys.version_info[:3]))
    assert version_of["platform"].split()[0] in {"Linux", "Darwin"}
    assert version_of["no-such-package"] == "absent"
    import numpy as np

    assert version_of["numpy"] == np.__version__


COMMIT = "from gendmr.files.provenance import versions; print(versions().get('commit', 'none'))"


def test_the_commit_is_that_of_this_checkout_and_of_no_other(root, tmp_path):
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def said(folder: Path) -> str:
        return subprocess.run(
            [sys.executable, "-c", COMMIT],
            env=os.environ | {"PYTHONPATH": str(folder / "workflow")},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    for name in ("__init__.py", "errors.py"):
        target = tmp_path / "workflow/gendmr" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "workflow/gendmr" / name, target)
    shutil.copytree(
        root / "workflow/gendmr/files",
        tmp_path / "workflow/gendmr/files",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copytree(tmp_path / "workflow", tmp_path / "inside/workflow")
    assert said(tmp_path) == "none"
    git("init", "-q")
    git("add", "workflow")
    git("commit", "-qm", "first")
    assert said(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "workflow/gendmr/errors.py").open("a").write("\n# edited\n")
    assert said(tmp_path) == git("rev-parse", "HEAD") + "-changed"
    assert said(tmp_path / "inside") == "none"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": {"a": {"x": {"size": 1}}}}'])
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, damage: bytes) -> None:
    record = tmp_path / "inputs.json"
    record.write_bytes(damage)
    for read in (changed_since, given_checksums):
        with pytest.raises(InputFileError, match=r"inputs\.json: no record of checksums") as caught:
            read(record)
        assert f"rm {record}" in str(caught.value)

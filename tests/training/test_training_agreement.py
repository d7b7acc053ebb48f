"""Folds of two different inputs are never put together."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.errors import FoldError
from gendmr.files.atomic import sha256, write_json
from gendmr.training.agreement import check_agreement, check_methods

FILES = ("participants.tsv", "participants.json", "splits.tsv", "snp.nc", "region.nc")


def runs(folder, count=4):
    """Write the records of some folds that agree, and the cohort that they were made of."""
    cohort = folder / "cohort"
    cohort.mkdir(parents=True)
    for name in FILES:
        (cohort / name).write_text(f"content of {name}\n")
    inputs = {name: sha256(cohort / name) for name in FILES}
    folders = [folder / f"training/m/repeat-{k // 2}/fold-{k % 2}" for k in range(count)]
    record = {"method": "m", "outcome": "diagnosis", "options": {"a": 1}}
    for place in folders:
        write_json(place / "run.json", record | {"inputs": inputs, "repeat": 0})
    return cohort, folders, record | {"inputs": inputs}


@settings(max_examples=40, deadline=None)
@given(
    fold=st.integers(0, 3),
    entry=st.sampled_from([*FILES, "options", "outcome"]),
    with_files=st.booleans(),
)
def test_one_fold_of_something_else_is_refused_and_named(tmp_path_factory, fold, entry, with_files):
    cohort, folders, record = runs(tmp_path_factory.mktemp("agreement"))
    present = [cohort / "snp.nc", cohort / "region.nc"] if with_files else []
    check_agreement(folders, present=present)
    odd = folders[fold] / "run.json"
    if entry in FILES:
        changed = record | {"inputs": record["inputs"] | {entry: "0" * 64}}
    else:
        changed = record | {entry: {"a": 2} if entry == "options" else "other"}
    write_json(odd, changed)
    with pytest.raises(FoldError) as error:
        check_agreement(folders, present=present)
    assert entry in error.value.what
    assert str(odd) in error.value.what
    # What is printed removes just this record, so that the fold is trained again.
    command = error.value.next_step.partition(": ")[2].partition(", then")[0]
    subprocess.run(shlex.split(command), check=True)
    assert [place for place in folders if not (place / "run.json").exists()] == [folders[fold]]
    check_agreement(folders, present=present)


def test_all_folds_of_another_file_than_there_is_now_are_refused(tmp_path):
    cohort, folders, _ = runs(tmp_path)
    (cohort / "snp.nc").write_text("one bit flipped\n")
    check_agreement(folders)
    with pytest.raises(FoldError, match=r"4 of 4 .* another snp\.nc than the file that is there"):
        check_agreement(folders, present=[cohort / "snp.nc"])


def test_a_chunk_of_the_null_of_another_file_is_refused(tmp_path):
    _, folders, record = runs(tmp_path)
    chunk = tmp_path / "training/m/null/repeat-0/fold-1/chunk-0.nc"
    check_agreement(folders, {chunk: record["inputs"]})
    with pytest.raises(FoldError, match=r"chunk-0\.nc"):
        check_agreement(folders, {chunk: record["inputs"] | {"snp.nc": "0" * 64}})


def test_methods_of_two_cohorts_are_refused(tmp_path):
    _, _, record = runs(tmp_path)
    check_methods({"a/run.json": record, "b/run.json": record, "c/summary.json": {}})
    other_record = record | {"inputs": {"splits.tsv": "0" * 64}}
    with pytest.raises(FoldError, match=r"b/run\.json and a/run\.json .* different splits\.tsv"):
        check_methods({"a/run.json": record, "b/run.json": other_record})

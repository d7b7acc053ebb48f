"""Panels in the terminal: what starts, and what failed with its reason."""

from __future__ import annotations

import os

from gendmr.config.study import Study
from gendmr.report.panel import failure_panel, start_panel


def write(path, text, age):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (age, age))


def test_only_failed_jobs_of_this_run_are_shown(tmp_path):
    logs = tmp_path / "logs"
    write(logs / "s/genotypes/merge.log", "noise\nGenotypeFileError: x.bed: 3 bytes short\n", 200)
    write(logs / "s/imaging/0001.log", "KeyError: 'old'\n", 50)
    write(logs / "s/imaging/0002.log", "registered; error of overlap: 0.01\n", 200)
    write(logs / "other/a.log", "ValueError: not mine\n", 200)
    text = failure_panel("s", 100, logs)
    assert "merge.log" in text
    assert "3 bytes short" in text
    assert "same command again" in text
    assert "old" not in text
    assert "0002" not in text
    assert "not mine" not in text


def test_a_failure_without_a_named_error_says_where_to_look(tmp_path):
    write(tmp_path / "logs/s/a.log", "killed\n", 200)
    text = failure_panel("s", 100, tmp_path / "logs")
    assert "No job's log names an error" in text
    assert str(tmp_path / "logs/s") in text


def test_the_start_names_what_will_run(root):
    study = Study.parse(root / "config/config.yaml")
    text = start_panel(study, images=62)
    for words in (
        *("study demo", "seed 2025", "62 participants", "gendmr, single-snp", "5 x 1"),
        "null      19 permutations of gendmr, single-snp",
    ):
        assert words in text
    off = study.model_copy(
        update={"tracking": study.tracking.model_copy(update={"enabled": False})}
    )
    assert "tracking  off" in start_panel(off, images=0)

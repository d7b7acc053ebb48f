"""The how-to pages are true: their members work as written, and nothing that was there reruns."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from pages import files_of

# Prints what each job of a study would be rerun for: fingerprints and slices of the methods.
PLAN = """
import json
from gendmr.config.study import Study
from gendmr.files.fingerprint import fingerprint
study = Study.parse("config/studies/outcomes.yaml")
plan = {}
for name in study.methods:
    slice_ = study.method_options(name)
    plan[name] = [slice_.dump(), *(fingerprint(*slice_.code(job)) for job in
                                   ("training.fold", "training.null"))]
plan["ranking"] = fingerprint("ranking.rank")
plan["cohort"] = [fingerprint("cohort.splits"), study.cohort.dump()]
print(json.dumps(plan))
"""
METRICS = "import json; from gendmr.files.fingerprint import fingerprint; print(fingerprint({!r}))"


@pytest.fixture
def extended(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """``extended("method")`` is a copy of the package with the members of some pages in it."""

    def copied(*pages: str) -> Path:
        shutil.copytree(
            root / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__")
        )
        for path, body in files_of(root, *pages).items():
            if path.startswith("workflow/"):
                target = tmp_path / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(body, encoding="utf-8")
        return tmp_path / "workflow"

    return copied


def run(root: Path, package: Path, *command: str) -> str:
    """Run Python with a copy of the package; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_toy_members_pass_the_contract(root: Path, extended: Callable[..., Path]) -> None:
    package = extended("method", "modality", "task")
    output = run(
        root,
        package,
        *(
            "-m",
            "pytest",
            "tests/contract/test_contract_members.py",
            "-q",
            "-p",
            "no:cacheprovider",
        ),
        *("-k", "toy", "-o", f"pythonpath={package} tests"),
    )
    # Every task, its own among them, and every check.
    assert re.search(r"\b(\d+) passed", output)
    assert "relapses" in run(
        root,
        package,
        *("-m", "pytest", "tests/contract/test_contract_members.py", "-q", "--collect-only"),
        *("-k", "toy", "-o", f"pythonpath={package} tests", "-p", "no:cacheprovider"),
    )


@pytest.mark.parametrize("page", ["method", "modality", "task"])
def test_a_new_member_reruns_nothing_that_was_there(
    root: Path, extended: Callable[..., Path], page: str
) -> None:
    before = json.loads(run(root, root / "workflow", "-c", PLAN))
    assert json.loads(run(root, extended(page), "-c", PLAN)) == before


def test_a_new_metric_or_figure_trains_nothing_again(
    root: Path, extended: Callable[..., Path]
) -> None:
    before = json.loads(run(root, root / "workflow", "-c", PLAN))
    package = extended()
    metrics = package / "gendmr/tasks/quantitative/metrics.py"
    metrics.write_text(metrics.read_text() + "\n\nEXTRA = METRICS[:1]\n")
    figures = package / "gendmr/tasks/quantitative/figures.py"
    figures.write_text(figures.read_text() + "\n\nEXTRA = 1\n")
    assert json.loads(run(root, package, "-c", PLAN)) == before
    code = METRICS.format("training.evaluate"), METRICS.format("tasks.quantitative.metrics")
    assert run(root, package, "-c", code[0]) == run(root, root / "workflow", "-c", code[0])
    assert run(root, package, "-c", code[1]) != run(root, root / "workflow", "-c", code[1])


def test_a_member_touches_as_few_files_as_the_pages_say(root: Path) -> None:
    def places(page: str) -> set[str]:
        """A package counts once."""
        return {
            str(PurePosixPath(path).parent) if "/toy/" in path else path
            for path in files_of(root, page)
        }

    assert len(places("method")) == 3  # section, package, test
    assert len(places("modality")) == 2  # section, package
    assert len(places("task")) == 2  # section, package
    assert len(places("figure")) == 2  # its function, its row
    assert [path for path in files_of(root, "task") if path.endswith("metrics.py")] == [
        "workflow/gendmr/tasks/toy/metrics.py"
    ]

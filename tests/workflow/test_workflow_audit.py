"""The look-up of vulnerabilities says what it knows, and when it knows nothing.

The program that asks is not ours and needs a network: here a stand-in gives its recorded answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FINE = {"name": "numpy", "version": "2.4.1", "vulns": []}
SKIPPED = {"name": "scipy", "skip_reason": "could not be audited: scipy (1.15)"}
BAD = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["3.1.6"], "aliases": []}],
}


@pytest.fixture
def audit(root, tmp_path):
    """Run envs/audit.py in an environment whose pip-audit gives an answer."""

    def run(answer: str, *words: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "bin" / "pip-audit"
        program.parent.mkdir(exist_ok=True)
        (tmp_path / "answer").write_text(answer)
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
        program.chmod(0o755)
        return subprocess.run(
            [sys.executable, str(root / "envs/audit.py"), str(tmp_path), *words],
            check=False,
            capture_output=True,
            text=True,
        )

    return run


def answer(*items: dict[str, object]) -> str:
    return json.dumps({"dependencies": items, "fixes": []})


def test_a_known_vulnerability_fails(audit):
    for words in ((), ("--when-reachable",)):
        done = audit(answer(FINE, BAD, SKIPPED), *words)
        assert done.returncode == 1
        assert "jinja2 3.1.0: PYSEC-2021-66 (fixed in 3.1.6)" in done.stderr


def test_all_looked_up_and_none_found(audit, root, tmp_path):
    done = audit(answer(FINE))
    assert done.returncode == 0
    assert "1 packages looked up, no known vulnerability" in done.stdout
    requirements = (tmp_path / "wanted.txt").read_text().splitlines()
    lock = (root / "envs/requirements.lock").read_text().splitlines()
    assert set(requirements) > {line for line in lock if "==" in line}
    assert any(line.startswith("torch==") for line in requirements)


@pytest.mark.parametrize(
    "text", [answer(SKIPPED), answer(FINE, SKIPPED), answer(), "", "no network"]
)
def test_nothing_known_is_never_called_nothing_found(audit, text):
    done = audit(text)
    assert done.returncode == 3
    assert "NOT AUDITED" in done.stderr
    assert "no known vulnerability" not in done.stdout
    tolerant = audit(text, "--when-reachable")
    assert tolerant.returncode == 0
    assert "NOT AUDITED" in tolerant.stderr


def test_ci_runs_the_tests_and_the_look_up(root):
    lines = (root / ".ci/run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make ")] == [
        "make validators",
        "make test",
        "make audit AUDIT=--when-reachable",
    ]
    assert os.access(Path(root) / ".ci/run", os.X_OK)

"""Set-up says clearly what it cannot do, and installs nothing twice; versions agree everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

STAGES = "simulate genotypes annotation imaging expression cohort training ranking tracking report"


def setup(root: Path, venv: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(root / "envs/setup.sh"), str(venv)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_second_run_installs_nothing(root):
    venv = Path(sys.prefix)
    if not (venv / ".installed").is_file():
        pytest.skip("this environment was not made by make setup")
    # Set-up of this checkout would make the environment of another one its own.
    origins = venv.glob("lib/python*/site-packages/gendmr-*.dist-info/direct_url.json")
    if [json.loads(path.read_text())["url"] for path in origins] != [root.resolve().as_uri()]:
        pytest.skip("this environment is that of another checkout")
    stamp = (venv / ".installed").stat().st_mtime_ns
    before = sorted((venv / "lib").glob("python*/site-packages/*"))
    done = setup(root, venv, TORCH=(venv / ".installed").read_text().split("-")[1])
    assert done.returncode == 0, done.stderr
    assert done.stderr == done.stdout == ""
    assert (venv / ".installed").stat().st_mtime_ns == stamp
    assert sorted((venv / "lib").glob("python*/site-packages/*")) == before


def test_an_old_python_is_refused_with_the_next_step(root, tmp_path):
    old_python = script(
        tmp_path / "python-old", '[ "$1" = --version ] && echo "Python 3.10.9" || exit 1'
    )
    done = setup(root, tmp_path / "venv", PYTHON=str(old_python))
    assert done.returncode == 1
    assert "Python 3.10.9 is too old: 3.11 or newer" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_and_a_wrong_switch_are_named(root, tmp_path):
    done = setup(root, tmp_path / "venv", PYTHON="no-such-python")
    assert done.returncode == 1
    assert "no no-such-python found" in done.stderr
    done = setup(root, tmp_path / "venv", TORCH="rocm")
    assert done.returncode == 1
    assert "must be auto, cpu or cuda" in done.stderr


def pins(root: Path) -> dict[str, str]:
    lines = (root / "envs/requirements.in").read_text().splitlines()
    matches = [re.match(r"([A-Za-z0-9._-]+)==([\d.]+)", line) for line in lines]
    return {match[1].lower(): match[2].rstrip(".") for match in matches if match}


def test_locked_packages_run_on_the_python_of_debian(root):
    """Debian 12 has 3.11.2: a package that wants a later 3.11 installs nowhere but on new ones."""
    refused = {}
    for line in (root / "envs/requirements.lock").read_text().splitlines():
        name = line.partition("==")[0]
        try:
            wanted = metadata(name).get("Requires-Python")
        except PackageNotFoundError:
            continue
        if wanted and not SpecifierSet(wanted).contains("3.11.2"):
            refused[name] = wanted
    assert refused == {}


def test_the_lock_holds_what_was_asked_for(root):
    locked = dict(
        line.lower().replace("_", "-").split("==")
        for line in (root / "envs/requirements.lock").read_text().splitlines()
        if "==" in line
    )
    for name, version in pins(root).items():
        if name not in ("torch", "torchvision"):  # of envs/setup.sh
            assert locked[name.replace("_", "-")].startswith(version), name
    assert not [name for name in locked if name.startswith(("nvidia", "torch"))]


@pytest.mark.parametrize("stage", STAGES.split())
def test_the_conda_form_pins_the_same_versions(root, stage):
    wanted = pins(root)
    other_names = {"pytorch": "torch", "h5netcdf": "h5netcdf"}
    entries = yaml.safe_load((root / f"envs/{stage}.yaml").read_text())["dependencies"]
    flat = [
        item for entry in entries for item in (entry["pip"] if isinstance(entry, dict) else [entry])
    ]
    assert flat
    for entry in flat:
        match = re.match(r"([A-Za-z0-9._-]+?)\s*=+\s*([\d.]+)", entry)
        if match:
            name = other_names.get(match[1].lower(), match[1].lower())
            if name in wanted:
                assert match[2].rstrip(".").startswith(wanted[name]) or wanted[name].startswith(
                    match[2].rstrip(".")
                ), entry

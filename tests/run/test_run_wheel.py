"""The package by name: a wheel holds the rules, and runs them from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from gendmr import __version__
from gendmr.errors import InputFileError
from gendmr.files import shipped
from gendmr.run.commands import command_of

BUILT = ("workflow", "envs", "resources", "config")
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "Snakefile")


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed, and nothing else."""
    # A copy, because a build leaves folders beside its sources.
    source = tmp_path_factory.mktemp("source")
    for name in BUILT:
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(root / name, source / name)
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*pip, "wheel", *alone, "--wheel-dir", str(wheels), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gendmr", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel__holds_every_file_that_the_rules_read(root: Path, installed: Path) -> None:
    inside = installed / "gendmr" / "shipped"
    for folder in ("workflow/rules", "workflow/report", "workflow/schemas", "envs", "resources"):
        wanted = {path.name for path in (root / folder).iterdir() if path.name != "__pycache__"}
        assert {path.name for path in (inside / folder).iterdir()} == wanted
    done = run(installed, installed, "--version")
    assert done.stdout.strip().endswith(__version__), done.stderr


@pytest.mark.slow
def test_run__plans_a_study_from_a_wheel_in_an_empty_folder(
    root: Path, installed: Path, tmp_path: Path
) -> None:
    nothing = run(installed, tmp_path, "run", "-n")
    assert nothing.returncode == 2
    demo = nothing.stderr.partition("gendmr run --configfile ")[2].split()[0]
    assert Path(demo).is_relative_to(installed)
    # The remedy as it is printed.
    done = run(installed, tmp_path, "run", "--configfile", demo, "-n", "--quiet", "rules")
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert "train_fold" in output and "summarize_study" in output
    # Jobs import the package, and nothing that lies beside it.
    folder = tmp_path / ".snakemake" / "gendmr"
    assert [path.name for path in folder.iterdir()] == ["gendmr"]
    assert (folder / "gendmr").resolve() == (installed / "gendmr").resolve()


def test_import_folder__mends_a_link_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    link = tmp_path / ".snakemake" / "gendmr" / "gendmr"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "gone")
    assert shipped.import_folder() == link.parent
    assert link.resolve() == shipped.PACKAGE
    assert list(link.parent.iterdir()) == [link]


def test_run__gives_further_words_to_snakemake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump({"study": "mine"}))
    command = command_of(Path("mine.yaml"), "4", ("-n", "cohort"))
    assert command[0] == "snakemake" and command[-2:] == ["-n", "cohort"]
    assert command[command.index("--cores") + 1] == "4"
    with pytest.raises(InputFileError, match="no such configuration") as error:
        command_of(None, "2", ())
    assert "gendmr init" in error.value.next_step

"""Recipes of containers copy what is there, and all that the set-up and the rules need."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

from export.validators import said, validator

COPIED = {"envs", "workflow", "resources", "config", "pyproject.toml", "setup.py", "Snakefile"}
INSTRUCTIONS = {
    *("FROM", "LABEL", "RUN", "WORKDIR", "COPY", "ARG", "ENV", "ENTRYPOINT", "CMD"),
}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return instruction and words of a Dockerfile; comments left out, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def test_dockerfile__copies_what_is_there_and_all_that_is_needed(root: Path) -> None:
    rows = instructions((root / "Dockerfile").read_text())
    assert {name for name, _ in rows} <= INSTRUCTIONS and rows[0][0] == "FROM"
    # A tag that moves would make another image of the same recipe.
    assert re.search(r":\d+\.\d+", rows[0][1])
    copied = {word for name, words in rows if name == "COPY" for word in words.split()[:-1]}
    assert copied >= COPIED and [name for name in copied if not (root / name).exists()] == []
    (packages,) = [words for name, words in rows if name == "RUN" and "apt-get install" in words]
    assert "plink1.9" in packages and "--no-install-recommends" in packages
    assert "rm -rf /var/lib/apt/lists" in packages
    setup = next(words for name, words in rows if name == "RUN" and "setup.sh" in words)
    assert "/opt/venv" in setup
    assert ("ENTRYPOINT", '["gendmr"]') in rows


def test_dockerfile__has_no_fault_that_its_linter_knows(root: Path) -> None:
    program = validator("validators", "hadolint")
    said(program, "--no-color", "--failure-threshold", "style", root / "Dockerfile")


def test_apptainer__has_the_same_image_files_and_packages(root: Path) -> None:
    text = (root / "gendmr.def").read_text()
    docker = (root / "Dockerfile").read_text()
    header = dict(
        line.split(": ", 1) for line in text.splitlines() if re.match(r"(Bootstrap|From): ", line)
    )
    assert header["Bootstrap"] == "docker" and f"FROM {header['From']}\n" in docker
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == {"files", "post", "environment", "runscript", "labels"}
    pairs = [line.split() for line in sections["files"].splitlines() if line.strip()]
    assert {source for source, _ in pairs} >= COPIED
    assert all((root / source).exists() for source, _ in pairs)
    assert all(target == f"/opt/gendmr/{source}" for source, target in pairs)
    packages = re.search(r"plink1\.9[^\n\\]*", docker)
    assert (
        packages
        and packages[0].split()
        == re.search(r"--no-install-recommends (.*)", sections["post"])[1].split()
    )  # type: ignore[index]


def test_setup__ships_what_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import setuptools

    monkeypatch.setattr(setuptools, "setup", lambda **options: None)
    shipped = runpy.run_path(str(root / "setup.py"))["SHIPPED"]
    assert [name for name in shipped if not (root / name).exists()] == []


def test_catalogue__is_described_as_it_asks(root: Path) -> None:
    """https://snakemake.github.io/snakemake-workflow-catalog/docs/catalog.html"""
    described = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())
    usage = described["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) <= {"conda", "singularity", "apptainer"}
    for path in ("workflow/Snakefile", "config/README.md", "config/config.yaml", "README.md"):
        assert (root / path).is_file()
    # What snakedeploy makes a workflow of: `configfile:` and no path that leaves the repository.
    assert 'configfile: "config/config.yaml"' in (root / "workflow/Snakefile").read_text()

"""The workflow as a module that Snakemake fetches by git, which is what snakedeploy writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

# As `snakedeploy deploy-workflow` writes it, with a repository of this disk in place of a host's.
SNAKEFILE = """
configfile: "config/config.yaml"


module gendmr:
    snakefile:
        gitfile("{repository}", path="workflow/Snakefile", tag="v0.3.0")
    config:
        config


use rule * from gendmr
"""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "core.hooksPath=/dev/null"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_deployed__plans_all_jobs_where_the_package_is_installed(
    root: Path, tmp_path: Path
) -> None:
    repository, mine = tmp_path / "repository", tmp_path / "my-study"
    ignored = shutil.ignore_patterns("__pycache__", "gendmr")
    for name in ("workflow", "envs", "config", "resources"):
        shutil.copytree(root / name, repository / name, ignore=ignored)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "release")
    git(repository, "tag", "v0.3.0")
    shutil.copytree(root / "config", mine / "config")
    (mine / "workflow").mkdir()
    (mine / "workflow/Snakefile").write_text(SNAKEFILE.format(repository=repository))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1"],
        cwd=mine,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root / "workflow"), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The rules are those of the repository, not of this checkout: it holds no modules.
    assert not (repository / "workflow" / "gendmr").exists()
    for rule in ("merge_genotypes", "register_t1w", "train_fold", "summarize_study"):
        assert rule in done.stdout


def test_readme__says_what_the_catalogue_looks_for(root: Path) -> None:
    """https://snakemake.github.io/snakemake-workflow-catalog/docs/catalog.html"""
    readme = (root / "README.md").read_text(encoding="utf-8").casefold()
    assert "snakemake" in readme and "workflow" in readme
    described = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())
    flags = described["usage"]["mandatory-flags"]
    assert flags["flags"] == "" and "none" in flags["desc"], "the test above gives none"
    if described["usage"]["software-stack-deployment"]["conda"]:
        assert list((root / "envs").glob("*.yaml"))

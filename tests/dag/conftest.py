"""Dry runs of the whole workflow over empty files."""

from __future__ import annotations

import contextlib
import copy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from gendmr.estimate.plan import Job, planned_jobs

ROOT = Path(__file__).resolve().parents[2]


class Dry:
    """A scratch folder in which `snakemake -n` plans a study."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "resources").symlink_to(ROOT / "resources")
        (folder / "config").symlink_to(ROOT / "config")
        (folder / "slurm").symlink_to(ROOT / "workflow/profiles/slurm")
        self.config = yaml.safe_load((ROOT / "config/config.yaml").read_text())

    def own_study(self, images: int = 4) -> None:
        """Make the configuration one of a user's own, with empty input files."""
        config = copy.deepcopy(self.config)
        del config["simulate"]
        config["study"] = "own"
        for suffix in ("bed", "bim", "fam"):
            (self.folder / f"own.{suffix}").touch()
        for name in ("genes.loc", "participants.tsv", "atlas.nii.gz", "atlas.tsv"):
            (self.folder / name).touch()
        for number in range(images):
            image = self.folder / f"bids/sub-{number:03d}/anat/sub-{number:03d}_T1w.nii.gz"
            image.parent.mkdir(parents=True)
            image.touch()
        config["genotypes"]["inputs"] = ["own"]
        config["annotation"]["genes"] = "genes.loc"
        config["cohort"]["participants"] = "participants.tsv"
        config["imaging"]["bids"] = "bids"
        config["imaging"]["atlas"] = {"labels": "atlas.nii.gz", "table": "atlas.tsv"}
        config.get("report", {}).pop("truth", None)
        self.config = config

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake in the folder."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.config))
        return subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")),
                *("-d", str(self.folder), *words),
                *("--configfile", str(self.folder / "study.yaml")),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )

    def jobs(self, *words: str) -> list[Job]:
        """Return the jobs that a dry run plans, in this process: a fraction of a second each."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.config))
        with contextlib.chdir(self.folder):
            return planned_jobs(
                *("-s", str(ROOT / "Snakefile"), *words, "--configfile", "study.yaml")
            )

    def plan(self, *words: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        return Counter(job.rule for job in self.jobs(*words))


@pytest.fixture
def dry(tmp_path: Path) -> Dry:
    return Dry(tmp_path)

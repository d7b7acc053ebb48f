"""A first configuration from files, which the study's own check accepts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, GendmrError, InputFileError
from gendmr.files.atomic import read_json
from gendmr.init.commands import group


def run(*words: str) -> str:
    result = CliRunner().invoke(group, list(words))
    if isinstance(result.exception, GendmrError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Participants with names of their own, and a table of regions."""
    monkeypatch.chdir(tmp_path)
    people = pd.DataFrame(
        {
            "Subject_ID": ["1", "2", "3"], "AGE": ["70.5", "n/a", "66"],
            "gender": ["Male", "female", "F"], "DX": ["AD", "CN", "MCI?"],
            "no": ["1", "2", "3"], "score": ["1", "2", "3"],
        }
    )  # fmt: skip
    people.to_csv("people.tsv", sep="\t", index=False)
    Path("regions.tsv").write_text("participant_id\ticv\tA_volume\n1\t1\t1\n")
    return tmp_path


def draft(*more: str) -> Study:
    run("mine", "--participants", "people.tsv", "--measurements", "regions.tsv", *more)
    return Study.parse("config/studies/mine.yaml")


def test_init__reads_columns_labels_and_names(folder: Path) -> None:
    cohort = draft().cohort
    assert cohort.columns == {"participant_id": "Subject_ID", "age": "AGE", "sex": "gender"}
    assert cohort.covariates == ("age", "sex") and cohort.categorical == ("sex",)
    (outcome,) = yaml.safe_load(Path("config/studies/mine.yaml").read_text())["cohort"][
        "outcomes"
    ].values()
    assert outcome == {"kind": "binary", "column": "DX", "case": ["AD"], "control": ["CN"]}


def test_init__says_what_it_guessed_and_what_comes_next(folder: Path) -> None:
    said = run("mine", "--participants", "people.tsv", "--measurements", "regions.tsv")
    assert "left out 'MCI?'" in said and "Subject_ID" in said
    assert "results/mine/cohort/check.json" in said
    with pytest.raises(ConfigurationError, match="exists already"):
        draft()


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ((), ConfigurationError, "nothing to learn from"),
        (("--measurements", "absent.tsv"), InputFileError, "1 of 2 files are not there"),
        (("--genotypes", "x"), InputFileError, "3 of 4 files"),
        (("--genotypes", "x.bgen"), ConfigurationError, "plink2 --bgen x.bgen ref-first"),
        (("--images", "."), ConfigurationError, "without --atlas"),
        (("--measurements", "regions.tsv", "--images", "."), ConfigurationError, "both"),
        (("--measurements", "regions.tsv", "--outcome", "nobody"), ConfigurationError, "nobody"),
    ],
)
def test_init__refuses_what_leads_nowhere(
    folder: Path, words: tuple[str, ...], error: type[GendmrError], match: str
) -> None:
    with pytest.raises(error, match=match):
        run("mine", "--participants", "people.tsv", *words)
    assert not Path("config/studies/mine.yaml").exists()


@pytest.mark.real_data
@pytest.mark.slow
def test_two_commands_lead_to_a_checked_configuration(
    real_data: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PLINK and FreeSurfer as they were exported; one cohort is made of two by renaming people."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(root / "resources")
    plink = real_data / "genotypes/snpstats_chr10/chr10_cc1000"
    people = pd.read_csv(real_data / "genotypes/snpstats_chr10/subjects.tsv", sep="\t", dtype=str)
    people.to_csv("people.tsv", sep="\t", index=False)
    anatomy = pd.read_csv(real_data / "freesurfer_impac/anatomy.csv.gz", dtype=str).head(300)
    anatomy["subject_id"] = people["id"].head(300).to_numpy()
    anatomy.to_csv("anatomy.csv", index=False)
    words = ["--participants", "people.tsv", "--genotypes", str(plink)]
    words += ["--measurements", "anatomy.csv"]
    words += ["--genes", str(real_data / "annotation/NCBI37.3.gene.loc")]
    said = run("mine", *words)
    assert "genotypes are in NCBI36" in said
    command = next(line for line in said.splitlines() if line.strip().startswith("snakemake"))
    checked = subprocess.run(
        [sys.executable, "-m", *command.split(), "-s", str(root / "Snakefile")],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    check = read_json(tmp_path / "results/mine/cohort/check.json")
    assert check

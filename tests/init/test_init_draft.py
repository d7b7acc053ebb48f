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
from gendmr.genotypes.plink import find
from gendmr.init import commands
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
    output = run("mine", "--participants", "people.tsv", "--measurements", "regions.tsv")
    assert "left out 'MCI?'" in output and "Subject_ID" in output
    assert output.splitlines()[-1] == "  gendmr check config/studies/mine.yaml"
    with pytest.raises(ConfigurationError, match="exists already"):
        draft()


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ((), ConfigurationError, "nothing to learn from"),
        (("--measurements", "absent.tsv"), InputFileError, "1 of 2 files are not there"),
        (("--genotypes", "x"), InputFileError, "3 of 4 files"),
        (("--genotypes", "x.bgen"), ConfigurationError, "--bgen-reference first"),
        (("--genotypes", "x.gen"), ConfigurationError, "plink2 --gen x.gen ref-first"),
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


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--measurements", "empty"), "neither <subject>/stats/aseg.stats nor sub-"),
        (("--images", "empty", "--atlas", "a.nii", "--regions", "a.tsv"), "T1w"),
    ],
)
def test_init__says_what_it_looked_for_in_a_folder_without_it(
    folder: Path, words: tuple[str, ...], match: str
) -> None:
    for name in ("empty/notes.txt", "a.nii", "a.tsv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    with pytest.raises(InputFileError, match=match):
        run("mine", "--participants", "people.tsv", *words)
    assert not Path("config/studies/mine.yaml").exists()


def write_imputed(folder: Path) -> None:
    """Write c1.bgen and c2.bgen of the people of people.tsv, and all.sample."""
    folder.joinpath("x.vcf").write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t1\t2\t3\n"
        "1\t1000\trs1\tG\tA\t.\t.\t.\tGT\t0/1\t1/1\t0/0\n"
    )
    for name in ("c1", "c2"):
        command = [find("2").path, "--vcf", "x.vcf", "--memory", "700", "--out", name]
        command += ["--export", "bgen-1.2", "ref-first", "bits=8", "id-paste=iid"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        (folder / f"{name}.sample").rename(folder / "all.sample")
    Path("genes.gene.loc").write_text("1\t1\t500\t1500\t+\tGENE\n")


BGEN = (
    *("mine", "--participants", "people.tsv", "--genes", "genes.gene.loc"),
    *("--genotypes", "c1.bgen", "--genotypes", "c2.bgen", "--bgen-samples", "all.sample"),
)


def test_init__takes_what_a_bgen_does_not_say(folder: Path) -> None:
    write_imputed(folder)
    with pytest.raises(ConfigurationError, match="do not say which") as caught:
        run(*BGEN)
    option = caught.value.next_step.removeprefix("add ").partition(" (")[0]
    assert option == "--bgen-reference first"
    output = run(*BGEN, *option.split())
    assert "the 3 people of c2.bgen are those of all.sample" in output
    genotypes = Study.parse("config/studies/mine.yaml").genotypes
    assert genotypes and genotypes.bgen
    assert (genotypes.bgen.reference, genotypes.bgen.samples) == ("first", "all.sample")


def test_init__asks_which_allele_of_a_bgen_is_the_reference(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_imputed(folder)
    monkeypatch.setattr(commands, "is_asked", lambda: True)
    result = CliRunner().invoke(group, list(BGEN), input="perhaps\nlast\n")
    assert result.exit_code == 0 and "UK Biobank: first" in result.output
    genotypes = Study.parse("config/studies/mine.yaml").genotypes
    assert genotypes and genotypes.bgen and genotypes.bgen.reference == "last"


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
    output = run("mine", *words)
    assert "genotypes are in NCBI36" in output
    command = output.splitlines()[-1].split()
    checked = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, timeout=200
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "nothing is missing, and all fits" in checked.stdout

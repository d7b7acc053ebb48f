"""What an error of `gendmr init` says to name is named, and the draft is written then."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gendmr.errors import ConfigurationError, GendmrError, InputFileError
from gendmr.init.commands import group
from remedies import mended, row

DRAFT = "init/draft.py"
PEOPLE = "participant_id\tDX\tscore\tname\n1\tAD\t1\ta b\n2\tCN\t2\tc d\n3\tCN\t3\te f\n"
MEASURED = ("--measurements", "regions.tsv")
IMAGES = ("--images", "bids")
ATLAS = ("--atlas", "labels.nii", "--regions", "labels.tsv")
GENOTYPES = ("--genotypes", "array")
GENES = ("--genes", "NCBI37.3.gene.loc")


def run(*words: str) -> None:
    done = CliRunner().invoke(group, ["mine", "--participants", "people.tsv", *words])
    if done.exception is not None and isinstance(done.exception, GendmrError):
        raise done.exception
    assert done.exit_code == 0, done.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that a study may be made of."""
    monkeypatch.chdir(tmp_path)
    Path("people.tsv").write_text(PEOPLE)
    Path("regions.tsv").write_text("participant_id\ticv\tA_volume\n1\t1\t1\n")
    Path("labels.nii").touch()
    Path("labels.tsv").touch()
    Path("array.bim").write_text("1 rs1 0 1000 A G\n")
    Path("array.fam").write_text("".join(f"F {n} 0 0 1 -9\n" for n in (1, 2, 3)))
    Path("array.bed").write_bytes(b"\x6c\x1b\x01\x00")
    Path("NCBI37.3.gene.loc").write_text("1\t1\t500\t1500\t+\tGENE\n")
    for label in ("1", "2"):
        image = Path(f"bids/sub-{label}/anat/sub-{label}_T1w.nii.gz")
        image.parent.mkdir(parents=True)
        image.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(DRAFT, "name PLINK prefixes, a BIDS folder, or tables of region measurements",
            ConfigurationError, (), MEASURED),
        row(DRAFT, "name PLINK prefixes, a BIDS folder, or tables of region measurements",
            ConfigurationError, (), (*GENOTYPES, *GENES)),
        row(DRAFT, "name PLINK prefixes, a BIDS folder, or tables of region measurements",
            ConfigurationError, (), (*IMAGES, *ATLAS)),
        row(DRAFT, "name PLINK sets without .bed, and paths as seen from here", InputFileError,
            ("--genotypes", "data/array", *GENES), (*GENOTYPES, *GENES)),
        row(DRAFT, "name a gene table: MAGMA's NCBI37.3.gene.loc, PLINK's glist-hg19, or a GTF",
            ConfigurationError, GENOTYPES, (*GENOTYPES, *GENES)),
        row(DRAFT, "name one: images to measure here, or what was measured elsewhere",
            ConfigurationError, (*IMAGES, *ATLAS, *MEASURED), MEASURED),
        row(DRAFT, "name one: images to measure here, or what was measured elsewhere",
            ConfigurationError, (*IMAGES, *ATLAS, *MEASURED), (*IMAGES, *ATLAS)),
        row(DRAFT, "name the image of its labels (--atlas) and their table (--regions)",
            ConfigurationError, IMAGES, (*IMAGES, *ATLAS)),
        row(DRAFT, "name it with --outcome", ConfigurationError, (*MEASURED, "--outcome", "group"),
            (*MEASURED, "--outcome", "DX")),
        row(DRAFT, "name another column with --outcome", ConfigurationError,
            (*MEASURED, "--outcome", "participant_id"), (*MEASURED, "--outcome", "DX")),
    ],
)  # fmt: skip
def test_init__after_what_the_remedy_says(folder, module, remedy, error, wrong, mending):
    if "participant_id" in wrong:
        # As many labels as people, which are neither numbers nor few classes.

        rows = [
            f"p{number}{letter}\t{label}\t1\tx\n"
            for number in range(6)
            for letter, label in (("x", "AD"), ("y", "CN"))
        ]
        Path("people.tsv").write_text(PEOPLE.splitlines(keepends=True)[0] + "".join(rows))
    words = list(wrong)
    with mended(module, remedy, error, lambda: run(*words)):
        words[:] = mending


def test_init__another_file_and_another_name_of_a_column(folder):
    run(*MEASURED)
    words = list(MEASURED)
    with mended(DRAFT, "name another file with --output", ConfigurationError, lambda: run(*words)):
        words += ["--output", "config/other.yaml"]
    path = Path("people.tsv")
    path.write_text(PEOPLE.replace("participant_id", "who"))
    remedy = "rename the column of people's names to participant_id"
    words[-1] = "config/third.yaml"
    with mended(DRAFT, remedy, ConfigurationError, lambda: run(*words)):
        path.write_text(PEOPLE)

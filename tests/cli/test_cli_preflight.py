"""All that is missing or does not fit is listed at once, before anything runs."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
import zstandard
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gendmr.cli.console import missing_summary, refusal
from gendmr.cli.main import root
from gendmr.cli.preflight import examine_study
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, GendmrError, InputFileError
from gendmr.files.shipped import ROOT
from gendmr.simulate.plink import write_fileset
from remedies import mended

N = 40
PEOPLE = [f"P{number:02d}" for number in range(N)]
GENES = [f"GENE{number}" for number in range(8)]


def write_table(path: Path, **columns) -> None:
    pd.DataFrame({"participant_id": PEOPLE, **columns}).to_csv(path, sep="\t", index=False)


def healthy(folder: Path) -> dict:
    """Write a study with files of every stage; return its configuration."""
    rng = np.random.default_rng(1)
    sex = np.arange(N) % 2
    write_table(
        folder / "people.tsv",
        diagnosis=["AD", "AD", "CN", "CN"] * (N // 4),
        age=rng.normal(70, 5, N).round(1),
        sex=np.where(sex, "M", "F"),
        site=["a", "b", "c", "b", "c"] * (N // 5),
    )
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "snp": [f"rs{i}" for i in range(12)],
            "position": range(1000, 13000, 1000),
        }
    ).assign(a1="A", a2="G")
    people = pd.DataFrame({"fid": PEOPLE, "iid": PEOPLE, "sex": np.where(sex, 1, 2)})
    write_fileset(folder / "array", rng.integers(0, 3, (12, N)).astype(np.int8), variants, people)
    (folder / "genes.loc").write_text(
        "".join(
            f"{n}\t1\t{1000 * n + 500}\t{1000 * n + 900}\t+\t{g}\n" for n, g in enumerate(GENES)
        )
    )
    write_table(
        folder / "regions.tsv",
        icv=rng.normal(1.5e6, 1e5, N).round(1),
        **{
            f"{name}_volume": rng.normal(4000, 300, N).round(1) for name in ("lh_a", "rh_a", "lh_b")
        },
    )
    counts = pd.DataFrame(rng.integers(1, 99, (len(GENES), N)), index=GENES, columns=PEOPLE)
    counts.to_csv(folder / "counts.tsv", sep="\t", index_label="gene")
    write_table(folder / "alterations.tsv", KRAS=rng.integers(0, 2, N), TP53=rng.integers(0, 2, N))
    (folder / "sets.gmt").write_text("one\t-\tGENE1\tGENE2\n")
    for name, column, ending in (("series", "file", "tsv"), ("volumes", "file", "nii.gz")):
        write_table(
            folder / f"{name}.tsv", **{column: [f"{name}/{who}.{ending}" for who in PEOPLE]}
        )
        (folder / name).mkdir()
        for who in PEOPLE:
            (folder / name / f"{who}.{ending}").touch()
    write_table(folder / "slides.tsv", slide_id=[f"S{who}" for who in PEOPLE])
    (folder / "slides").mkdir()
    for who in PEOPLE:
        (folder / "slides" / f"S{who}.h5").touch()
        (folder / "lesions" / who).mkdir(parents=True)
        for name in ("1", "1_mask"):
            (folder / "lesions" / who / f"{who}_{name}.tif").touch()
    return {
        "study": "all",
        "seed": 1,
        "cohort": {
            "participants": "people.tsv",
            "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
        },
        "genotypes": {"inputs": ["array"], "build": "GRCh37"},
        "annotation": {"genes": "genes.loc", "build": "GRCh37"},
        "imaging": {"measurements": "regions.tsv"},
        "connectivity": {"series": "series.tsv"},
        "expression": {"matrices": [{"path": "counts.tsv", "unit": "counts"}]},
        "histology": {"slides": "slides.tsv", "folder": "slides"},
        "lesions": {"tif": "lesions", "channels": ["pre", "flair", "post"]},
        "modalities": {
            "alteration": {"table": "alterations.tsv"},
            "volume": {"table": "volumes.tsv"},
        },
        "training": {"methods": {"ridge": {"kind": "ridge", "reads": ["snp"]}}},
        "ranking": {"enrichment": {"sets": ["sets.gmt"]}},
        "tracking": {"enabled": False},
    }


def edit(folder: Path, name: str, old: str, new: str, count: int = -1) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, count))


def cut(folder: Path) -> None:
    (folder / "array.bed").write_bytes((folder / "array.bed").read_bytes()[:-3])


def without_masks(folder: Path) -> None:
    for path in (folder / "lesions").rglob("*_mask.tif"):
        path.unlink()


def build(folder: Path) -> None:
    edit(folder, "study.yaml", "annotation:\n  build: GRCh37", "annotation:\n  build: GRCh38")


def two_of_variants(folder: Path) -> None:
    """Give a .pgen with an old .pvar.zst beside its .pvar in place of the file set."""
    edit(folder, "study.yaml", "- array\n", "- new.pgen\n")
    for source, target in (("array.bed", "new.pgen"), ("array.fam", "new.psam")):
        (folder / target).write_bytes((folder / source).read_bytes())
    rows = [f"1\t{1000 * (n + 1)}\trs{n}\tG\tA\n" for n in range(12)]
    for name, text in (("new.pvar.zst", rows[:-1]), ("new.pvar", rows)):
        content = ("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(text)).encode()
        packed = zstandard.compress(content) if name.endswith(".zst") else content
        (folder / name).write_bytes(packed)


# What is broken -> how, and what is said of it.
FAULTS = {
    "x": (
        lambda f: edit(f, "array.bim", "1\trs", "X\trs"),
        "none of 12 variants is on an autosome",
    ),
    "column": (lambda f: edit(f, "people.tsv", "\tsite\n", "\tplace\n"), "needed columns missing"),
    "age": (lambda f: edit(f, "people.tsv", "\tM\t", "x\tM\t"), "are no ages"),
    "label": (lambda f: edit(f, "people.tsv", "\tAD\t", "\tMCI\t"), "nobody's diagnosis is 'AD'"),
    "bed": (cut, "array.bed: 120 bytes, but 12 variants"),
    "join": (lambda f: edit(f, "array.fam", "\tP", "\tX"), "0 people of array.fam"),
    "genes": (lambda f: edit(f, "genes.loc", "\t1500\t", "\tfive\t"), "genes.loc: line 2"),
    "build": (build, "genotypes are GRCh37, the gene table genes.loc is GRCh38"),
    "regions": (lambda f: edit(f, "regions.tsv", "P03\t", "P03\tten", 1), "regions.tsv"),
    "counts": (lambda f: edit(f, "counts.tsv", "GENE3\t", "GENE3\tx", 1), "counts.tsv"),
    "alterations": (lambda f: edit(f, "alterations.tsv", "P05\t", "P05\twild", 1), "column KRAS"),
    "sets": (lambda f: edit(f, "sets.gmt", "\t", " "), "sets.gmt: line 1"),
    "scans": (lambda f: (f / "series").rename(f / "gone"), "files of functional data is there"),
    "maps": (lambda f: (f / "volumes").rename(f / "maps"), "none of 40 maps is there"),
    "slides": (lambda f: (f / "slides").rename(f / "old"), "files of 40 slides is there"),
    "masks": (without_masks, "none of 40 people has images with masks"),
    "absent": (lambda f: (f / "slides.tsv").unlink(), "files that the study names are not there"),
}
# Of these only one can be seen at a time: the first hides what stands behind it.
HIDDEN = {"genes": {"sets"}, "absent": {"slides"}}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    with contextlib.chdir(folder):
        (folder / "study.yaml").write_text(yaml.safe_dump(healthy(folder)))
    return folder


@pytest.fixture
def study(original, tmp_path) -> Path:
    subprocess.run(["cp", "-r", f"{original}/.", tmp_path], check=True)
    return tmp_path


def check(folder: Path):
    with contextlib.chdir(folder):
        return CliRunner().invoke(root, ["check", "study.yaml"], catch_exceptions=False)


def test_check__says_what_joins_where_all_fits(study):
    done = check(study)
    assert done.exit_code == 0, done.output
    assert "nothing is missing, and all fits" in done.output
    for name in ("snp", "region", "alteration", "volume"):
        assert f"{name:<11} 40 measured, 40 of them join" in done.output


@pytest.mark.parametrize("fault", FAULTS)
def test_check__names_each_fault_and_no_other(study, fault):
    FAULTS[fault][0](study)
    done = check(study)
    assert done.exit_code == 2
    assert FAULTS[fault][1] in done.output
    # A table of slides that is not there is no problem of its own to its modality.
    assert "1 thing is missing or does not fit" in done.output, done.output


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.sets(st.sampled_from(sorted(FAULTS)), min_size=2))
def test_check__lists_any_faults_at_once(original, tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("faults")
    subprocess.run(["cp", "-r", f"{original}/.", folder], check=True)
    for fault in sorted(faults, key=lambda name: (name == "absent", name)):
        FAULTS[fault][0](folder)
    hidden = {hidden_fault for fault in faults for hidden_fault in HIDDEN.get(fault, ())}
    done = check(folder)
    for fault in faults - hidden:
        assert FAULTS[fault][1] in done.output, (fault, done.output)
    assert f"{len(faults - hidden)} things are missing or do not fit" in done.output
    assert "Traceback" not in done.output


# Mistakes in the configuration itself -> how, and what is said of it.
MISTAKES = {
    "key": (("tracking:\n", "tracing:\n"), "tracing: unknown key; did you mean 'tracking'"),
    "number": (("seed: 1", "seed: one"), "seed = 'one'"),
    "contradiction": (
        ("tif: lesions", "tif: lesions\n  percentiles: [90.0, 10.0]"),
        "`percentiles`: the lower one first",
    ),
    "null": (
        ("methods:\n", "null: {permutations: -5}\n  methods:\n"),
        "training.null.permutations = -5",
    ),
    "reference": (("study: all", "study: all\nreport: {reference: one}"), "reference = 'one'"),
}
# Files of a section of which entries contradict each other are not read.
UNREAD = {"contradiction": {"masks"}}


@settings(
    max_examples=6,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    mistakes=st.sets(st.sampled_from(sorted(MISTAKES)), min_size=1),
    faults=st.sets(st.sampled_from(["age", "label", "regions", "counts", "sets", "masks", "maps"])),
)
def test_check__lists_mistakes_and_faults_of_files_together(
    original, tmp_path_factory, mistakes, faults
):
    folder = tmp_path_factory.mktemp("both")
    subprocess.run(["cp", "-r", f"{original}/.", folder], check=True)
    for mistake in mistakes:
        edit(folder, "study.yaml", *MISTAKES[mistake][0])
    for fault in faults:
        FAULTS[fault][0](folder)
    with contextlib.chdir(folder):
        config = yaml.safe_load((folder / "study.yaml").read_text())
        with pytest.raises(GendmrError) as error:
            Study.parse(config, where="configuration")
        message = refusal(None, error.value, config)
    output = check(folder).output
    for words in (MISTAKES[mistake][1] for mistake in mistakes):
        assert words in output, (words, output)
        assert words in message
    for fault in faults - {unread for misread in mistakes for unread in UNREAD.get(misread, ())}:
        assert FAULTS[fault][1] in output, (fault, output)
        assert FAULTS[fault][1] in message
    assert "Traceback" not in output


def gliomas(folder: Path) -> dict:
    """Write a study of expression with families of genes; return its configuration."""
    rng = np.random.default_rng(1)
    write_table(folder / "people.tsv", diagnosis=["AD", "CN"] * (N // 2))
    levels = pd.DataFrame(rng.normal(8, 2, (len(GENES), N)).round(3), GENES, PEOPLE)
    levels.to_csv(folder / "levels.tsv", sep="\t", index_label="gene")
    families = ["Oncogenes", "Kinases"] * (len(GENES) // 2)
    table = pd.DataFrame({"gene": GENES, "group": families})
    table.to_csv(folder / "families.tsv", sep="\t", index=False)
    return {
        "study": "gliomas",
        "seed": 1,
        "expression": {
            "matrices": [{"path": "levels.tsv", "unit": "log2"}],
            "groups": "families.tsv",
        },
        "cohort": {
            "participants": "people.tsv",
            "covariates": [],
            "categorical": [],
            "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
            "folds": 3,
        },
        "training": {
            "covariates": [],
            "methods": {
                "network": {
                    "kind": "subspace",
                    "subspaces": {"tumour": ["Oncogenes"], "rest": ["Kinase"]},
                }
            },
        },
    }


def test_check__a_family_that_the_table_lacks_is_named_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = gliomas(tmp_path)
    subspaces = config["training"]["methods"]["network"]["subspaces"]

    def plan() -> None:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
        words = ["-n", "--configfile", "study.yaml", "--snakefile", str(ROOT / "Snakefile")]
        run = subprocess.run(["snakemake", *words], check=False, capture_output=True, text=True)
        outputs.append(run.stdout + run.stderr)
        problems = examine_study(config)[1].errors
        assert (run.returncode != 0) == bool(problems), outputs[-1]
        if problems:
            raise problems[0]

    outputs: list[str] = []
    words = "name families of the table in `subspaces` of the method"
    with mended("methods/subspace/preflight.py", words, ConfigurationError, plan) as refused:
        assert "did you mean 'Kinases' for 'Kinase'" in refused.what
        assert outputs[-1].count("has no family 'Kinase'") == 1
        subspaces["rest"] = ["Kinases"]


def test_check__reads_the_atlas(tmp_path):
    labels = np.zeros((32, 32, 32), dtype=np.int16)
    labels[5:9], labels[15:20] = 1, 2
    nib.save(nib.Nifti1Image(labels, np.diag([5, 5, 5, 1])), tmp_path / "labels.nii.gz")
    (tmp_path / "labels.tsv").write_text("index\tregion\themisphere\n1\ta\tL\n7\tb\tR\n")
    image = tmp_path / "bids/sub-P01/anat/sub-P01_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    write_table(tmp_path / "people.tsv", diagnosis=["AD", "CN"] * (N // 2))
    atlas = {"labels": "labels.nii.gz", "table": "labels.tsv"}
    config = {
        "study": "imaged",
        "seed": 1,
        "cohort": {
            "participants": "people.tsv",
            "covariates": [],
            "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
        },
        "imaging": {
            "bids": "bids",
            "atlas": atlas,
            "brain": "given",
            "mask": "m/{participant}.nii",
        },
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    done = check(tmp_path)
    assert "1 of 2 rows of labels.tsv have no voxel: '7 b'" in done.output
    assert "none of 1 participants has a mask: 'm/P01.nii'" in done.output
    assert "2 things" in done.output


def test_missing_summary__lists_what_does_not_fit_besides(study):
    FAULTS["age"][0](study)
    (study / "array.bim").unlink()
    with contextlib.chdir(study):
        summary = missing_summary(Study.parse("study.yaml"))
    assert "files that the study names are not there:\n    array.bim\n" in summary
    assert "1. TableError: people.tsv: column age" in summary
    assert "array.bim: no such file" not in summary


def test_refusal__lists_all_beside_what_stopped_the_planning(study):
    FAULTS["age"][0](study)
    error = InputFileError("bids: no such folder of images")
    with contextlib.chdir(study):
        message = refusal(Study.parse("study.yaml"), error)
    assert message.startswith(
        "2 things are missing or do not fit\n1. InputFileError: bids: no such"
    )
    assert "2. TableError: people.tsv: column age" in message
    assert refusal(None, error) == "InputFileError: bids: no such folder of images"


def test_check__the_remedy_of_a_covariate_that_nobody_has_goes_on(study):
    FAULTS["column"][0](study)
    output = check(study).output
    assert "where nobody has 'site': cohort: covariates: [age, sex]" in output
    edit(study, "study.yaml", "cohort:\n", "cohort:\n  covariates: [age, sex]\n")
    assert check(study).exit_code == 0


def test_check__names_an_old_file_of_variants_and_the_command_that_puts_it_aside(study):
    two_of_variants(study)
    (study / "new.psam").write_text("#FID\tIID\tSEX\n" + "".join(f"{p}\t{p}\t0\n" for p in PEOPLE))
    done = check(study)
    assert done.exit_code == 2
    assert "new.pvar.zst and new.pvar beside it hold different variants" in done.output
    (study / "new.pvar.zst").unlink()
    assert "different variants" not in check(study).output


@pytest.mark.parametrize("part", ["path", "file"])
def test_examine_study__after_paths_are_corrected_or_files_brought(study, part):
    config = yaml.safe_load((study / "study.yaml").read_text())
    (study / "slides.tsv").rename(study / "other.tsv")

    def examine():
        with contextlib.chdir(study):
            examine_study(config)[1].refuse()

    words = "correct the paths in the configuration, or bring the files"
    with mended("cli/preflight.py", words, InputFileError, examine):
        if part == "path":
            config["histology"]["slides"] = "other.tsv"
        else:
            (study / "other.tsv").rename(study / "slides.tsv")

"""What an error of genotypes says to write, in no command, is written: they are read then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, InputFileError, TableError
from gendmr.genotypes.builds import read_reference
from gendmr.genotypes.commands import group
from gendmr.genotypes.filesets import check_fileset, read_bim
from gendmr.genotypes.formats import refuse_absent
from gendmr.genotypes.lifting import lift_variants
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.sexes import read_sexes
from positions import chain_between, on_build
from remedies import mended, row

LIFTING, FILESETS = "genotypes/lifting.py", "genotypes/filesets.py"


def dosages(variants: int, people: int = 12) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, (people, variants)).astype(np.int8)


def merge(folder: Path, *inputs: Path | str, **options) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **options})
    merge_genotypes(section, folder, Plink())
    return json.loads((folder / "merge.json").read_text())


@pytest.mark.parametrize("part", ["build", "lift"])
def test_merge__of_the_build_that_is_printed_or_lifted(reference, make_set, tmp_path, part):
    bim = on_build(reference, "NCBI36")
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    options = {"build": "GRCh37"}
    words = "set genotypes.build (and annotation.build and its genes) to "
    with mended(
        "genotypes/builds.py",
        words,
        GenotypeFileError,
        lambda: merge(tmp_path / "w", fileset.prefix, **options),
    ) as refused:
        printed = refused.next_step.removeprefix(words).partition(",")[0]
        assert printed == "NCBI36"
        if part == "build":
            options["build"] = printed
        else:
            chain = chain_between(reference, tmp_path / "36to37.over.chain.gz")
            options["lift"] = {str(fileset.prefix): {"build": printed, "chain": str(chain)}}


def test_lift_variants__with_the_chain_of_the_two_builds(reference, make_set, tmp_path):
    bim = on_build(reference, "NCBI36")
    variants = read_bim(make_set(tmp_path / "set", dosages(len(bim)), bim=bim).prefix)
    right = chain_between(reference, tmp_path / "36to37.over.chain.gz")
    chain = [tmp_path / "absent.chain"]
    words = "check genotypes.lift in the configuration"
    with mended(LIFTING, words, InputFileError, lambda: lift_variants(variants, chain[0])):
        chain[0] = right
    chain[0] = tmp_path / "x.chain"
    chain[0].write_text("garbage\n")
    words = "take the chain file FROMToTO.over.chain.gz of the two builds"
    with mended(LIFTING, words, InputFileError, lambda: lift_variants(variants, chain[0])):
        chain[0] = right
    chain[0] = tmp_path / "empty.chain"
    chain[0].write_text("")
    words = "give the chain file from the build of this set to that of the study"
    with mended(LIFTING, words, GenotypeFileError, lambda: lift_variants(variants, chain[0])):
        chain[0] = right


def test_read_reference__columns_named_after_builds(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("snp\tchromosome\nrs1\t7\n")
    words = "name the columns of positions after their builds"
    with mended("genotypes/builds.py", words, TableError, lambda: read_reference(str(path))):
        path.write_text("snp\tchromosome\tGRCh37\nrs1\t7\t5\n")


def test_read_sexes__words_that_are_known(tmp_path):
    path = tmp_path / "sexes.tsv"
    path.write_text("iid\tsex\nP1\tmaschio\n")
    for word in ("M", "F", "n/a"):
        path.write_text("iid\tsex\nP1\tmaschio\n")
        with mended(
            "genotypes/sexes.py", "write M, F or n/a", TableError, lambda: read_sexes(path)
        ):
            path.write_text(f"iid\tsex\nP1\t{word}\n")


def test_check_fileset__files_and_columns_as_they_are_told(make_set, tmp_path):
    fileset = make_set(tmp_path / "set", dosages(8))
    prefix = [f"{fileset.prefix}.bed"]
    words = "give the path without .bed, and keep .bed, .bim and .fam together"
    with mended(FILESETS, words, InputFileError, lambda: check_fileset(prefix[0])):
        prefix[0] = str(fileset.prefix)
    bed = fileset.prefix.with_suffix(".bed")
    bed.rename(tmp_path / "away")
    words = "keep .bed, .bim and .fam together"
    with mended(
        "genotypes/bed_file.py", words, InputFileError, lambda: check_fileset(fileset.prefix)
    ):
        (tmp_path / "away").rename(bed)
    bim = fileset.prefix.with_suffix(".bim")
    right = bim.read_text()
    rows = [line.split("\t") for line in right.splitlines()]
    bim.write_text("".join("\t".join([*r[:3], r[4], r[3], r[5]]) + "\n" for r in rows))
    words = "columns are: chromosome, name, centimorgans, position, A1, A2"
    with mended(FILESETS, words, GenotypeFileError, lambda: check_fileset(fileset.prefix)):
        bim.write_text(right)


def test_merge__a_limit_that_calls_keep(make_set, tmp_path):
    few = dosages(40, 60)
    few[:, :] = np.where(np.random.default_rng(2).random(few.shape) < 0.3, -1, few)
    fileset = make_set(tmp_path / "set", few)
    options = {"check_build": False, "variant_missingness": 0.02}
    words = "raise variant_missingness, or give sets of the same array"
    with mended(
        "genotypes/merging.py",
        words,
        GenotypeFileError,
        lambda: merge(tmp_path / "w", fileset.prefix, **options),
    ):
        options["variant_missingness"] = 0.6


CALLED = np.random.default_rng(3).random((60, 80))


def filtered(folder: Path, prefix: Path, **options) -> None:
    section = json.dumps({"inputs": [str(prefix)], **options})
    for verb, more in (("merge", []), ("filter", ["--seed", "1"])):
        words = [verb, "--options", section, "--work", str(folder / "work"), *more]
        done = CliRunner().invoke(group, words)
        if done.exception is not None:
            raise done.exception


@pytest.mark.parametrize(
    ("module", "remedy", "called", "settings", "looser"),
    [
        row("genotypes/people_step.py", "loosen the thresholds of the section genotypes",
            np.where(CALLED < 0.4, -1, dosages(80, 60)), {"variant_missingness": 0.9},
            {"person_missingness": 0.9}),
        row("genotypes/variants.py", "loosen the thresholds of the section genotypes",
            np.ones((60, 80), np.int8), {"maf": 0.01}, {"hwe": 0.0}),
    ],
)  # fmt: skip
def test_looser_thresholds_go_on_as_the_error_says(
    make_set, tmp_path, module, remedy, called, settings, looser
):
    fileset = make_set(tmp_path / "few", called.astype(np.int8))
    options = {**settings, "most_lost": 1.0, "check_build": False}
    with mended(
        module,
        remedy,
        GenotypeFileError,
        lambda: filtered(tmp_path / "g", fileset.prefix, **options),
    ):
        options |= looser


def test_refuse_absent__names_the_folder_to_look_into(tmp_path):
    with pytest.raises(InputFileError) as refused:
        refuse_absent(tmp_path / "x.vcf")
    assert refused.value.next_step == f"ls -l {tmp_path}"

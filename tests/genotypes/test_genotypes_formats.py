"""Dosages as hard calls, forms of input and how others are converted, headers of any size."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zstandard

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import ConfigurationError, GenotypeFileError, InputFileError, TableError
from gendmr.files.tables import read_table
from gendmr.genotypes import plink
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink, Program, find
from gendmr.genotypes.removals import COLUMNS
from gendmr.genotypes.vcf_header import read_vcf_header
from plink_reader import read_dosages
from remedies import carry_out

N, M = 24, 60


def merge(folder: Path, *inputs: Path, **settings) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings})
    merge_genotypes(section, folder, Plink())
    return json.loads((folder / "merge.json").read_text())


def plink2(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [find("2").path, "--memory", "700", *arguments], check=True, capture_output=True, cwd=folder
    )


def write_vcf(
    path: Path,
    dosages: np.ndarray,
    form: str = "GT",
    *,
    chromosomes: list[str] | None = None,
    samples: list[str] | None = None,
) -> Path:
    """Write dosages (people, variants) of the second allele as genotypes, DS, GP, or both."""
    chromosomes = chromosomes or ["1"] * dosages.shape[1]
    samples = samples or [f"S{i}" for i in range(len(dosages))]
    lines = ["##fileformat=VCFv4.2"]
    for name, number, kind in (("GT", "1", "String"), ("DS", "A", "Float"), ("GP", "G", "Float")):
        lines.append(f'##FORMAT=<ID={name},Number={number},Type={kind},Description="x">')
    lines += [f"##contig=<ID={name}>" for name in dict.fromkeys(chromosomes)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples))
    for j, chromosome in enumerate(chromosomes):
        cells = []
        for value in dosages[:, j]:
            best = ("0/0", "0/1", "1/1")[round(float(value))]
            low, part = int(min(value, 1)), value - int(min(value, 1))
            sure = [0.0, 0.0, 0.0]
            sure[low] += 1 - part
            sure[min(low + 1, 2)] += part
            field = {"DS": f"{value:.3f}", "GP": ",".join(f"{p:.3f}" for p in sure), "GT": best}
            cells.append(":".join(field[name] for name in form.split(":")))
        position = 1000 * (j + 1) + (5_000_000 if chromosome == "X" else 0)
        place = f"{chromosome}\t{position}\trs{j}\tG\tA\t.\tPASS\t.\t{form}\t"
        lines.append(place + "\t".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def imputed(seed: int, poor: int) -> np.ndarray:
    """Dosages of which `poor` variants were imputed badly, to three digits, none at a limit."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 3, (N, M)).astype(float)
    noise = np.where(np.arange(M) < poor, 0.35, 0.02)
    return np.clip(whole + rng.normal(0, noise, (N, M)), 0, 2).round(3) + 0.0004


def called(dosages: np.ndarray, threshold: float) -> np.ndarray:
    """The rule as it is stated: within the threshold of a whole number, or missing."""
    nearest = dosages.round()
    return np.where(np.abs(dosages - nearest) <= threshold, nearest, -1).astype(np.int8)


@pytest.mark.parametrize("form", ["DS", "GT:DS", "GT:GP", "pgen"])
@pytest.mark.parametrize("threshold", [0.1, 0.3])
def test_dosages_become_hard_calls_as_stated(tmp_path, form, threshold):
    """A best guess beside a dosage of 0.4 is no genotype; the note counts what that cost."""
    dosages = np.clip(imputed(1, 20), 0, 2)
    path = write_vcf(tmp_path / "x.vcf", dosages, "GT:DS" if form == "pgen" else form)
    if form == "pgen":
        plink2(tmp_path, "--vcf", "x.vcf", "dosage=DS", "--make-pgen", "--out", "x")
        path = tmp_path / "x.pgen"
    summary = merge(tmp_path / "w", path, hard_call_threshold=threshold)
    expected = called(np.round(dosages, 3), threshold)
    missing = (expected < 0).mean(axis=0)
    retained = missing <= 0.05
    names = read_bim(tmp_path / "w" / "merged")["snp"].tolist()
    assert names == [f"rs{j}" for j in range(M) if retained[j]]
    assert (read_dosages(tmp_path / "w" / "merged") == expected[:, retained]).all()
    calls, lost = expected < 0, int((~retained).sum())
    counts = (
        f"the other {calls.sum()} of {calls.size} calls ({calls.mean():.1%}), in"
        f" {calls.any(axis=0).sum()} of {M} variants, as missing, for which {lost} variants leave"
    )
    assert any(
        f"within {threshold:g} of a whole number" in n and counts in n for n in summary["notes"]
    )
    reasons = read_table(tmp_path / "w" / "merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    assert set(reasons["id"]) == {f"rs{j}" for j in range(M) if not retained[j]}


def test_hard_calls_agree_with_plink(tmp_path):
    """PLINK 2 itself, told the same in one call."""
    path = write_vcf(tmp_path / "x.vcf", np.clip(imputed(2, 10), 0, 2), "GT:DS")
    plink2(
        tmp_path,
        *("--vcf", "x.vcf", "dosage=DS", "--hard-call-threshold", "0.1"),
        *("--geno", "0.05", "--make-bed", "--out", "itself"),
    )
    merge(tmp_path / "w", path)
    assert (read_dosages(tmp_path / "w" / "merged") == read_dosages(tmp_path / "itself")).all()


def test_whole_calls_are_no_dosages(tmp_path):
    path = write_vcf(tmp_path / "x.vcf", np.random.default_rng(3).integers(0, 3, (N, M)))
    assert not any("dosages" in note for note in merge(tmp_path / "w", path)["notes"])


def test_poor_dosages_stop_the_run_until_the_nearest_whole_number_is_asked_for(tmp_path):
    path = write_vcf(tmp_path / "x.vcf", np.clip(imputed(4, 45), 0, 2), "DS")
    with pytest.raises(GenotypeFileError, match=r"for which 45 variants leave") as caught:
        merge(tmp_path / "w", path)
    assert "genotypes.hard_call_threshold: 0.499" in caught.value.next_step
    assert merge(tmp_path / "w", path, hard_call_threshold=0.499)["retained"] == M


def test_variants_of_several_alleles_are_listed_by_name(tmp_path):
    path = write_vcf(tmp_path / "x.vcf", np.random.default_rng(5).integers(0, 3, (N, M)))
    text = path.read_text().replace("\trs7\tG\tA\t", "\trs7\tG\tA,T\t")
    path.write_text(text.replace("\trs9\tG\tA\t", "\t.\tG\tA,T\t"))
    summary = merge(tmp_path / "w", path)
    table = read_table(tmp_path / "w" / "merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    assert table[["id", "reason", "value"]].to_numpy().tolist() == [
        ["rs7", "more than two alleles", "3"],
        ["1:10000:G:A,T", "more than two alleles", "3"],
    ]
    assert summary["retained"] == M - 2


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.vcf.bgz", "x.vcf.zst"])
def test_packed_forms_are_read_as_the_plain_one(tmp_path, name):
    plain = write_vcf(tmp_path / "x.vcf", np.random.default_rng(6).integers(0, 3, (N, M)))
    merge(tmp_path / "plain", plain)
    data = plain.read_bytes()
    pack = zstandard.compress if name.endswith("zst") else gzip.compress
    (tmp_path / name).write_bytes(pack(data))
    merge(tmp_path / "packed", tmp_path / name)
    bed = (tmp_path / "plain" / "merged.bed").read_bytes()
    assert (tmp_path / "packed" / "merged.bed").read_bytes() == bed


@pytest.mark.parametrize("double", [True, False])
def test_samples_that_are_all_named_twice_are_named_once(tmp_path, double):
    """PLINK 1.9 writes FID and IID into one name; A_B is another thing."""
    samples = [f"P{i}_P{i}" for i in range(N)]
    if not double:
        samples[3] = "P3_P4"
    path = write_vcf(
        tmp_path / "x.vcf", np.random.default_rng(7).integers(0, 3, (N, M)), samples=samples
    )
    summary = merge(tmp_path / "w", path)
    iids = read_fam(tmp_path / "w" / "merged")["iid"].tolist()
    assert iids == ([f"P{i}" for i in range(N)] if double else samples)
    assert any("are named twice (P0_P0)" in note for note in summary["notes"]) == double


def x_linked(folder: Path) -> tuple[Path, np.ndarray]:
    rng = np.random.default_rng(8)
    sex = np.arange(N) % 2 + 1
    dosages = rng.integers(0, 3, (N, M))
    dosages[sex == 1, 40:] = 2 * rng.integers(0, 2, ((sex == 1).sum(), 20))
    return write_vcf(folder / "x.vcf", dosages, chromosomes=["1"] * 40 + ["X"] * 20), sex


@pytest.mark.parametrize("words", [{1: "M", 2: "F"}, {1: "male", 2: "n/a"}])
def test_sex_of_samples_comes_from_a_table(tmp_path, words):
    path, sex = x_linked(tmp_path)
    table = pd.DataFrame({"iid": [f"S{i}" for i in range(N)], "sex": [words[code] for code in sex]})
    table.iloc[::-1].to_csv(tmp_path / "sexes.tsv", sep="\t", index=False)
    merge(tmp_path / "w", path, sexes=str(tmp_path / "sexes.tsv"))
    expected = [{"M": "1", "male": "1", "F": "2", "n/a": "0"}[words[code]] for code in sex]
    assert read_fam(tmp_path / "w" / "merged")["sex"].tolist() == expected
    section = GenotypesSection.parse({"inputs": ["x.vcf"], "sexes": "sexes.tsv"})
    assert "sexes.tsv" in section.files
    table["sex"] = "weiblich?"
    table.to_csv(tmp_path / "sexes.tsv", sep="\t", index=False)
    with pytest.raises(TableError, match="'weiblich\\?' \\(24 people\\)"):
        merge(tmp_path / "w", path, sexes=str(tmp_path / "sexes.tsv"))


@pytest.mark.parametrize("sexes_given", [True, False])
def test_newer_plink_2_that_asks_for_sex_reads_a_vcf_with_x(tmp_path, monkeypatch, sexes_given):
    """From alpha 6 on PLINK 2 refuses X without sex: stood in for by a program that does so."""
    path, sex = x_linked(tmp_path)
    newer = tmp_path / "newer"
    newer.write_text(
        f"""#!/bin/bash
case "$*" in
*--psam*|*--not-chr*|*--pfile*|*--bfile*) exec {find("2").path} "$@" ;;
esac
echo "Error: chrX is present in the input file, but no sex information"
echo "was provided; rerun this import with --psam or --update-sex."
exit 3
"""
    )
    newer.chmod(0o755)
    plink_1_9, plink_2 = find("1.9"), Program(str(newer), "PLINK v2.0")
    monkeypatch.setattr(plink, "find", lambda version: plink_1_9 if version == "1.9" else plink_2)
    settings = {}
    if sexes_given:
        rows = "".join(f"S{i}\t{code}\n" for i, code in enumerate(sex))
        (tmp_path / "sexes.tsv").write_text("iid\tsex\n" + rows)
        settings["sexes"] = str(tmp_path / "sexes.tsv")
    summary = merge(tmp_path / "w", path, **settings)
    assert summary["on_x"] == (20 if sexes_given else 0) and summary["retained"] == (
        60 if sexes_given else 40
    )
    assert any("chromosome X was left out" in note for note in summary["notes"]) == (
        not sexes_given
    )


def test_a_header_that_would_fill_the_memory_is_refused_before_it_does(tmp_path):
    """A gigabyte of one line in a megabyte; what is read of it has a limit."""
    line = b"##fileformat=VCFv4.2\n##x=" + b"A" * 2**27 + b"\n"
    for name, pack in (
        ("bomb.vcf.gz", lambda data: gzip.compress(data, 1)),
        ("bomb.vcf.zst", zstandard.compress),
        ("bomb.bcf", lambda _: gzip.compress(b"BCF\x02\x02\xff\xff\xff\x7f" + b"\0" * 2**20, 1)),
    ):
        (tmp_path / name).write_bytes(pack(line))
        tracemalloc.start()
        with pytest.raises(InputFileError, match="a header of more than 64 MiB") as caught:
            read_vcf_header(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * 64 * 2**20
        command = caught.value.next_step.partition("its beginning: ")[2]
        if shutil.which(command.split()[0]):
            shown = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
            assert len(shown) == 2000 and shown.startswith((b"##fileformat", b"BCF"))


def test_a_long_header_of_many_samples_is_read(tmp_path):
    samples = [f"P{i:07d}" for i in range(50_000)]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples)
    text = "##fileformat=VCFv4.2\n" + "##contig=<ID=x>\n" * 20_000 + columns + "\n"
    (tmp_path / "x.vcf.gz").write_bytes(gzip.compress(text.encode(), 1))
    assert read_vcf_header(tmp_path / "x.vcf.gz").samples == tuple(samples)


OTHER_FORMS = {
    "x.gen": (["--export", "oxford", "ref-first"], "2", "x.pgen"),
    "x.ped": (["--recode"], "1.9", "x"),
    "x.map": (["--recode"], "1.9", "x"),
    "x.tped": (["--recode", "transpose"], "1.9", "x"),
}


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_other_forms_are_named_with_the_command_that_converts_them(make_set, tmp_path, name):
    dosages = np.random.default_rng(9).integers(0, 3, (N, M)).astype(np.int8)
    fam = [("0", f"S{i}", "0", "0", "0", "-9") for i in range(N)]
    bim = [("1", f"rs{j}", "0", str(1000 * (j + 1)), "A", "G") for j in range(M)]
    fileset = make_set(tmp_path / "set", dosages, fam=fam, bim=bim)
    arguments, version, converted = OTHER_FORMS[name]
    command = [find(version).path, "--bfile", "set", "--memory", "700", *arguments, "--out", "x"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    with pytest.raises(ConfigurationError, match="is no form that is read") as caught:
        GenotypesSection.parse({"inputs": [str(tmp_path / name)]})
    carry_out(caught.value)
    merge(tmp_path / "w", tmp_path / converted)
    bim, values = read_bim(tmp_path / "w" / "merged"), read_dosages(tmp_path / "w" / "merged")
    turned = (bim["a1"] == "G").to_numpy()
    assert (np.where(turned, 2 - values, values) == fileset.dosages).all()


def test_haplotypes_are_converted_as_it_says(tmp_path):
    """Rows of a variant with two columns for each person, as SHAPEIT writes them."""
    strands = np.random.default_rng(9).integers(0, 2, (M, 2 * N))
    (tmp_path / "x.haps").write_text(
        "".join(
            f"1 rs{j} {1000 * (j + 1)} A G {' '.join(map(str, row))}\n"
            for j, row in enumerate(strands)
        )
    )
    people = "".join(f"S{i} S{i} 0\n" for i in range(N))
    (tmp_path / "x.sample").write_text(f"ID_1 ID_2 missing\n0 0 0\n{people}")
    with pytest.raises(ConfigurationError, match=r"x\.haps: \.haps is no form") as caught:
        GenotypesSection.parse({"inputs": [str(tmp_path / "x.haps")]})
    carry_out(caught.value)
    merge(tmp_path / "w", tmp_path / "x.pgen")
    bim, values = read_bim(tmp_path / "w" / "merged"), read_dosages(tmp_path / "w" / "merged")
    turned = (bim["a1"] == "A").to_numpy()
    copies = np.where(turned, 2 - values, values).T
    np.testing.assert_array_equal(copies, strands[:, ::2] + strands[:, 1::2])


@pytest.mark.parametrize("suffix", [".bed.gz", ".zip"])
def test_packed_sets_are_unpacked_as_it_says(make_set, tmp_path, suffix):
    prefix = make_set(tmp_path / "set", np.zeros((4, 3), dtype=np.int8)).prefix
    content = prefix.with_suffix(".bed").read_bytes()
    path = Path(f"{prefix}{suffix}")
    if suffix == ".zip":
        if shutil.which("zip") is None or shutil.which("unzip") is None:
            pytest.skip("zip and unzip are not installed here")
        subprocess.run(["zip", "-qj", path, prefix.with_suffix(".bed")], check=True)
    else:
        path.write_bytes(gzip.compress(content))
    prefix.with_suffix(".bed").unlink()
    with pytest.raises(ConfigurationError, match="is no form that is read") as caught:
        GenotypesSection.parse({"inputs": [str(path)]})
    carry_out(caught.value)
    unpacked = prefix / "set.bed" if suffix == ".zip" else prefix.with_suffix(".bed")
    assert unpacked.read_bytes() == content


def test_a_file_of_23andme_is_no_prefix(tmp_path):
    rows = "".join(f"rs{j}\t1\t{1000 * (j + 1)}\t{'AG' if j % 2 else 'GG'}\n" for j in range(50))
    (tmp_path / "me.txt").write_text("# rsid\tchromosome\tposition\tgenotype\n" + rows)
    with pytest.raises(ConfigurationError, match=r"me.txt: .txt is no form") as caught:
        GenotypesSection.parse({"inputs": [str(tmp_path / "me.txt")]})
    carry_out(caught.value, FAMILY="F1", PERSON="P1")
    assert read_fam(tmp_path / "me")["iid"].tolist() == ["P1"]
    assert len(read_bim(tmp_path / "me")) == 50


def test_a_set_whose_name_ends_like_another_form_is_read(make_set, tmp_path):
    fileset = make_set(tmp_path / "study", np.ones((4, 40), dtype=np.int8))
    for suffix in ("bed", "bim", "fam"):
        fileset.prefix.with_suffix(f".{suffix}").rename(tmp_path / f"study.txt.{suffix}")
    assert GenotypesSection.parse({"inputs": [str(tmp_path / "study.txt")]}).inputs

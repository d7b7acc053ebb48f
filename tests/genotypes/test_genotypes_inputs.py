"""Chromosome names, VCF, BCF and PGEN, and the coding of alleles, through the whole stage."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import (
    ConfigurationError,
    GenotypeFileError,
    IdentifierError,
    InputFileError,
    ToolError,
)
from gendmr.files.tables import read_table
from gendmr.genotypes.components import compute_components
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.formats import convert
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.participants import filter_participants
from gendmr.genotypes.plink import Plink, find
from gendmr.genotypes.removals import COLUMNS, Removals
from gendmr.genotypes.variants import filter_variants
from plink_reader import read_dosages
from remedies import carry_out

N = 60


def stage(folder: Path, *inputs: Path | str, **settings) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings})
    merge_genotypes(section, folder / "work", Plink())
    filter_participants(section, folder / "work", Plink())
    filter_variants(section, folder / "work", Plink())
    compute_components(section, folder / "work", Plink(), 1)
    return json.loads((folder / "summary.json").read_text())


def draw(rng: np.random.Generator, variants: int) -> np.ndarray:
    frequency = rng.uniform(0.2, 0.8, variants)
    return (rng.random((2, N, variants)) < frequency).sum(axis=0).astype(np.int8)


@pytest.fixture(scope="module")
def small(make_set, tmp_path_factory):
    """60 people, 300 autosomal variants on two chromosomes, 5 % of calls missing in one of them."""
    rng = np.random.default_rng(2)
    dosages = draw(rng, 300)
    dosages[3, rng.random(300) < 0.04] = -1
    bim = [
        [("1", "22")[j // 150], f"v{j}", "0", str(1_000_000 + 5000 * j), "A", "G"]
        for j in range(300)
    ]
    fam = [("0", f"S{i:02d}", "0", "0", str(1 + i % 2), "-9") for i in range(N)]
    return make_set(tmp_path_factory.mktemp("small") / "array", dosages, fam=fam, bim=bim)


def export(source: Path, out: Path, *arguments: str) -> None:
    command = [find("2").path, "--bfile", str(source), *arguments, "--memory", "700"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)


def alleles(folder: Path) -> dict[tuple[str, str], dict[str, int]]:
    bim, values = read_bim(folder / "qc"), read_dosages(folder / "qc")
    return {
        (iid, row.snp): {row.a1: int(values[i, j]), row.a2: int(2 - values[i, j])}
        if values[i, j] >= 0
        else {}
        for i, iid in enumerate(read_fam(folder / "qc")["iid"])
        for j, row in enumerate(bim.itertuples())
    }


@pytest.fixture(scope="module")
def expected(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    stage(folder, small.prefix, kinship=0.35)
    return alleles(folder)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("x.vcf", ["--export", "vcf"]),
        ("x.vcf.gz", ["--export", "vcf", "bgz"]),
        ("x.bcf", ["--export", "bcf"]),
        ("x.pgen", ["--make-pgen"]),
    ],
)
def test_other_forms_give_the_same_genotypes(small, expected, tmp_path, name, arguments):
    export(small.prefix, tmp_path / "x", *arguments)
    stage(tmp_path / "g", tmp_path / name, kinship=0.35)
    genotypes = alleles(tmp_path / "g")
    # PLINK puts FID and IID into one identifier of a VCF; FID 0 is no part of it.
    assert genotypes == expected


def test_what_a_vcf_cannot_be_is_named(small, tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        stage(tmp_path / "g", tmp_path / "none.vcf.gz")
    (tmp_path / "text.vcf").write_text("hello\n")
    with pytest.raises(InputFileError, match="no line of columns"):
        stage(tmp_path / "g", tmp_path / "text.vcf")
    (tmp_path / "row.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n1\t5\tx\n")
    with pytest.raises(ToolError, match="PLINK 2 ended with status"):
        stage(tmp_path / "g", tmp_path / "row.vcf")
    export(small.prefix, tmp_path / "x", "--make-pgen")
    (tmp_path / "x.psam").unlink()
    with pytest.raises(InputFileError, match=r"x.psam: no such file"):
        stage(tmp_path / "g", tmp_path / "x.pgen")
    with pytest.raises(ConfigurationError, match=r"give the path of the \.pgen"):
        GenotypesSection.parse({"inputs": ["x.pvar"]})


def bgzf(data: bytes) -> bytes:
    """Return data in blocks of gzip that state their size, as htslib and PLINK 2 want them."""
    blocks = []
    for start in range(0, len(data), 60_000):
        block = data[start : start + 60_000]
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed = packer.compress(block) + packer.flush()
        head = struct.pack("<4BIBBHBBHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
        blocks += [head, packed, struct.pack("<II", zlib.crc32(block), len(block))]
    return b"".join(blocks) + bytes.fromhex("1f8b08040000000000ff0600424302001b0003" + "00" * 9)


@pytest.mark.parametrize("form", ["vcf", "vcf bgz", "bcf"])
def test_samples_of_a_vcf_that_would_be_cut_or_are_twice_are_refused(small, tmp_path, form):
    """PLINK 2 cuts `S 5` to `S`, and says nothing."""
    name = tmp_path / {"vcf": "x.vcf", "vcf bgz": "x.vcf.gz", "bcf": "x.bcf"}[form]
    for sample, says in ((b"S 5", "1 of 60 samples have a space in their name"), (b"S06", "'S06'")):
        export(small.prefix, tmp_path / "x", "--export", *form.split())
        data = name.read_bytes() if form == "vcf" else gzip.decompress(name.read_bytes())
        assert b"\tS05\t" in data
        data = data.replace(b"\tS05\t", b"\t" + sample + b"\t", 1)
        name.write_bytes(data if form == "vcf" else bgzf(data))
        with pytest.raises(IdentifierError, match=says) as caught:
            stage(tmp_path / "g", name)
        by_bcftools = caught.value.next_step.count("bcftools view")
        assert by_bcftools == (form == "bcf" and sample == b"S 5")
        if not by_bcftools or shutil.which("bcftools"):
            carry_out(caught.value)
            ending = "pgen" if form == "bcf" and not by_bcftools else "vcf"
            stage(tmp_path / "g", tmp_path / f"x.renamed.{ending}", kinship=0.35)
            renamed = "S_5" if sample == b"S 5" else "S06_2"
            assert renamed in set(read_fam(tmp_path / "g" / "qc")["iid"])


def test_a_vcf_with_half_calls_out_of_order_or_cut_short_is_refused(small, expected, tmp_path):
    export(small.prefix, tmp_path / "x", "--export", "vcf", "bgz")
    packed = (tmp_path / "x.vcf.gz").read_bytes()
    text = gzip.decompress(packed).decode()
    (tmp_path / "half.vcf").write_text(text.replace("0/1", "0/.", 1))
    with pytest.raises(GenotypeFileError, match="half of a genotype is missing") as caught:
        stage(tmp_path / "g", tmp_path / "half.vcf")
    carry_out(caught.value)
    stage(tmp_path / "g", tmp_path / "half.whole.pgen", kinship=0.35)
    assert (read_dosages(tmp_path / "g" / "qc") < 0).sum() == 1 + (small.dosages < 0).sum()
    lines = text.splitlines(keepends=True)
    (tmp_path / "turned.vcf").write_text("".join([*lines[:-2], lines[-1], lines[-2]]))
    with pytest.raises(GenotypeFileError, match=r"turned.vcf.* stand behind a later one") as caught:
        stage(tmp_path / "g", tmp_path / "turned.vcf")
    assert ".plink-" not in str(caught.value)
    carry_out(caught.value)
    stage(tmp_path / "g", tmp_path / "turned.sorted.pgen", kinship=0.35)
    assert alleles(tmp_path / "g") == expected
    (tmp_path / "cut.vcf.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises((ToolError, InputFileError)):
        stage(tmp_path / "g", tmp_path / "cut.vcf.gz")


def test_third_alleles_and_missing_names_of_a_vcf(tmp_path):
    rng = np.random.default_rng(4)
    header = "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n"
    header += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines = ["\t".join([*columns, *(f"S{i}" for i in range(N))])]
    for j in range(80):
        alt = "C,T" if j == 7 else "C"
        calls = ["0/1" if rng.random() < 0.5 else "1/1" for _ in range(N)]
        lines.append("\t".join(["chr1", str(100 + j), ".", "A", alt, ".", ".", ".", "GT", *calls]))
    path = tmp_path / "site.vcf"
    path.write_text(header + "\n".join(lines) + "\n")
    summary = stage(
        tmp_path / "g", path, kinship=0.5, duplicate_kinship=0.5, heterozygosity_sd=9.0, hwe=0.0
    )
    assert "1 of 80 variants of site.vcf have more than two alleles and were left out" in (
        " ".join(summary["notes"])
    )
    bim = read_bim(tmp_path / "g" / "qc")
    assert bim["snp"].iloc[0] == "1:100:A:C" and len(bim) == 79
    assert (bim["a1"] == "C").all() and (bim["a2"] == "A").all()


@pytest.mark.parametrize("form", ["1 23", "chr1 chrX", "01 X"])
def test_chromosomes_under_any_name_are_the_same(make_set, tmp_path, form):
    """1, chr1, 23, X, 25 or XY, 26 or MT: one meaning, and nothing of XY, Y or MT stays."""
    rng = np.random.default_rng(6)
    style = {
        "1 23": ["1", "22", "23", "24", "25", "26"],
        "chr1 chrX": ["chr1", "chr22", "chrX", "chrY", "chrXY", "chrMT"],
        "01 X": ["01", "22", "X", "Y", "XY", "MT"],
    }[form]
    sex = np.arange(N) % 2 + 1
    dosages = draw(rng, 460)
    dosages[sex == 1, 300:450] = 2 * (rng.random(((sex == 1).sum(), 150)) < 0.5)
    counts = (150, 150, 150, 3, 4, 3)
    codes = [code for code, count in zip(style, counts, strict=True) for _ in range(count)]
    bim = [
        [code, f"v{j}", "0", str(5_000_000 + 100_000 * j), "A", "G"] for j, code in enumerate(codes)
    ]
    fam = [("0", f"S{i}", "0", "0", str(sex[i]), "-9") for i in range(N)]
    fam[5] = (*fam[5][:4], "1", "-9")  # a woman recorded as a man
    fileset = make_set(tmp_path / "set", dosages, fam=fam, bim=bim)
    summary = stage(
        tmp_path / "g",
        fileset.prefix,
        kinship=0.45,
        duplicate_kinship=0.45,
        heterozygosity_sd=9.0,
        hwe=0.0,
    )
    table = read_table(tmp_path / "g" / "attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    reasons = dict(zip(table["id"], table["reason"], strict=True))
    assert reasons["S5"] == "recorded male, genotypes female"
    assert [reasons[f"v{j}"] for j in (450, 453, 457)] == ["not on an autosome or X"] * 3
    values = dict(zip(table["id"], table["value"], strict=True))
    assert [values[f"v{j}"] for j in (450, 453, 457)] == ["Y", "XY", "MT"]
    assert set(read_bim(tmp_path / "g" / "qc")["chromosome"]) == {"1", "22"}
    assert summary["variants"]["kept"] == 300
    assert not any("sex not checked" in note for note in summary["notes"])


@pytest.fixture(scope="module")
def linked(make_set, tmp_path_factory):
    """60 people, 300 variants every 5 kb in linkage, 120 on X; sex as in the genotypes."""
    rng = np.random.default_rng(13)
    haplotypes = (rng.random((2, N, 420)) < rng.uniform(0.3, 0.7, 420)).astype(np.int8)
    for j in range(1, 300):
        stays = rng.random((2, N)) < 0.9
        haplotypes[..., j] = np.where(stays, haplotypes[..., j - 1], haplotypes[..., j])
    sex = np.arange(N) % 2 + 1
    haplotypes[1, sex == 1, 300:] = haplotypes[0, sex == 1, 300:]
    bim = [["1", f"v{j}", "0", str(1_000_000 + 5000 * j), "A", "G"] for j in range(300)]
    bim += [["23", f"v{j}", "0", str(5_000_000 + 100_000 * j), "A", "G"] for j in range(300, 420)]
    fam = [("0", f"S{i:02d}", "0", "0", str(sex[i]), "-9") for i in range(N)]
    folder = tmp_path_factory.mktemp("linked")
    return make_set(folder / "array", haplotypes.sum(axis=0), fam=fam, bim=bim)


LOOSE = {"kinship": 0.5, "duplicate_kinship": 0.5, "heterozygosity_sd": 9.0}


def test_a_bim_sorted_without_its_bed_is_noticed_by_linkage(linked, make_set, tmp_path):
    """In perfect order, of the right size, and every name on other genotypes."""
    summary = stage(tmp_path / "g", linked.prefix, **LOOSE)
    assert not any("correlate" in note for note in summary["notes"])
    columns = np.r_[np.random.default_rng(1).permutation(300), 300:420]
    sorted_set = make_set(
        tmp_path / "array", linked.dosages[:, columns], fam=linked.fam, bim=linked.bim
    )
    summary = stage(tmp_path / "h", sorted_set.prefix, **LOOSE)
    assert any(
        note.startswith("array: variants within 20 kb correlate no more than distant ones")
        and "the .bim was sorted without its .bed" in note
        for note in summary["notes"]
    )


def test_a_reordered_fam_is_noticed_by_sex(linked, make_set, tmp_path):
    rows = np.random.default_rng(2).permutation(N)
    fam = [linked.fam[row] for row in rows]
    reordered = make_set(tmp_path / "array", linked.dosages, fam=fam, bim=linked.bim)
    with pytest.raises(GenotypeFileError, match=r"disagree in \d+ of 60 people") as caught:
        stage(tmp_path / "g", reordered.prefix, **LOOSE)
    assert "the rows of the .fam are not those of the .bed" in str(caught.value)
    summary = stage(tmp_path / "h", reordered.prefix, **LOOSE, sex_check=False)
    assert "sex not checked: switched off" in summary["notes"]


def test_no_chromosome_of_a_known_name_is_refused(make_set, tmp_path):
    bim = [["NC_000001.11", f"v{j}", "0", str(5 + j), "A", "G"] for j in range(40)]
    fileset = make_set(tmp_path / "set", np.ones((N, 40), dtype=np.int8), bim=bim)
    with pytest.raises(GenotypeFileError, match="not on an autosome or X 40"):
        stage(tmp_path / "g", fileset.prefix)


def test_exchanging_a1_and_a2_exchanges_nothing_else(small, expected, make_set, tmp_path):
    turned = np.where(small.dosages < 0, -1, 2 - small.dosages).astype(np.int8)
    bim = [[*row[:4], row[5], row[4]] for row in small.bim]
    exchanged = make_set(tmp_path / "array", turned, fam=small.fam, bim=bim)
    summary = stage(tmp_path / "g", exchanged.prefix, kinship=0.35)
    assert alleles(tmp_path / "g") == expected
    again = stage(tmp_path / "h", small.prefix, kinship=0.35)
    assert summary == again
    for name in ("attrition.tsv", "kinship.tsv"):
        assert (tmp_path / "g" / name).read_text() == (tmp_path / "h" / name).read_text()


@pytest.mark.parametrize("better", ["one", "two"])
def test_a_person_genotyped_twice_keeps_the_better_called_copy(small, make_set, tmp_path, better):
    """Under one identifier (S58, S59) and under two (S00 is new00): kinship finds both."""
    rng = np.random.default_rng(9)
    people = [58, 59, 0]
    copies = small.dosages[people].copy()
    worse = rng.random(copies.shape) < 0.04
    first = small.dosages.copy()
    if better == "one":
        copies[worse] = -1
    else:
        first[people] = np.where(worse, -1, first[people])
    other_people = draw(rng, 300)[:40]
    fam = [list(small.fam[i]) for i in people]
    fam[2][1] = "new00"
    fam += [["0", f"T{i:02d}", "0", "0", "1", "-9"] for i in range(40)]
    first_array = make_set(tmp_path / "one", first, fam=small.fam, bim=small.bim)
    second_array = make_set(
        tmp_path / "two", np.vstack([copies, other_people]), fam=fam, bim=small.bim
    )
    summary = stage(
        tmp_path / "g", first_array.prefix, second_array.prefix, kinship=0.35, heterozygosity_sd=9.0
    )
    people_left = read_fam(tmp_path / "g" / "qc")["iid"].tolist()
    table = read_table(tmp_path / "g" / "attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    reasons = table[table["kind"] == "participant"].set_index("id")["reason"].to_dict()
    worse_set = {"one": "two", "two": "one"}[better]
    assert reasons == {
        f"S58@{worse_set}": "same genome: S58 has the better call rate",
        f"S59@{worse_set}": "same genome: S59 has the better call rate",
        **(
            {"new00": "same genome: S00 has the better call rate"}
            if better == "one"
            else {"S00": "same genome: new00 has the better call rate"}
        ),
    }
    assert len(people_left) == len(set(people_left)) == 100 and {"S58", "S59"} <= set(people_left)
    got = read_dosages(tmp_path / "g" / "qc")
    columns = [int(name[1:]) for name in read_bim(tmp_path / "g" / "qc")["snp"]]
    source = first[58] if better == "one" else copies[0]
    np.testing.assert_array_equal(got[people_left.index("S58")], source[columns])
    assert "2 people are in several sets" in " ".join(summary["notes"])
    kin = (tmp_path / "g" / "kinship.tsv").read_text()
    assert f"S58\tS58@{worse_set}" in kin or f"S58@{worse_set}\tS58" in kin
    ids = (tmp_path / "g" / "components.tsv").read_text()
    assert "@" not in ids and "S58" in ids


def test_one_identifier_on_two_genomes_is_refused(small, make_set, tmp_path):
    other_genomes = draw(np.random.default_rng(11), 300)
    fam = [["0", "S07", "0", "0", "1", "-9"]]
    fam += [["0", f"T{i}", "0", "0", "1", "-9"] for i in range(N - 1)]
    two = make_set(tmp_path / "two", other_genomes, fam=fam, bim=small.bim)
    with pytest.raises(IdentifierError, match=r"1 of 1 people .* not the same genome") as caught:
        stage(tmp_path / "g", small.prefix, two.prefix, kinship=0.35, heterozygosity_sd=9.0)
    assert "'S07@array and S07@two'" in str(caught.value)


@given(
    same=st.booleans(),
    packed_is_newer=st.booleans(),
    change=st.sampled_from(["name", "shorter", "longer", "cut"]),
)
@settings(max_examples=8, deadline=None)
def test_two_files_of_variants_beside_a_pgen_must_agree(
    small, tmp_path_factory, same, packed_is_newer, change
):
    folder = tmp_path_factory.mktemp("pair")
    export(small.prefix, folder / "x", "--make-pgen")
    plain, packed = folder / "x.pvar", folder / "x.pvar.zst"
    export(small.prefix, folder / "y", "--make-pgen", "vzs")
    (folder / "y.pvar.zst").rename(packed)
    lines = plain.read_text().splitlines(keepends=True)
    if not same:
        damaged = {
            "name": [*lines[:-1], lines[-1].replace("\tv", "\tother", 1)],
            "shorter": lines[:-1],
            "longer": [*lines, lines[-1]],
        }
        if change == "cut":
            packed.write_bytes(packed.read_bytes()[:-20])
        else:
            plain.write_text("".join(damaged[change]))
    times = (1_000_000_000, 1_000_000_100)
    os.utime(plain, (0, times[not packed_is_newer]))
    os.utime(packed, (0, times[packed_is_newer]))
    (folder / "work").mkdir()

    def converted() -> int:
        convert(
            str(folder / "x.pgen"),
            folder / "work",
            "c",
            section=GenotypesSection.parse({"inputs": [str(folder / "x.pgen")]}),
            sexes={},
            plink=Plink(memory=700),
            removals=Removals("variant"),
            notes=[],
        )
        return len(read_bim(folder / "work/c"))

    if same:
        assert converted() == 300
        return
    with pytest.raises(InputFileError, match="hold different variants") as refused:
        converted()
    older, newer = (plain, packed) if packed_is_newer else (packed, plain)
    assert f"{older.name} is older than {newer.name}" in refused.value.cause
    # The command that is printed mends it, where the newer one belongs to the .pgen.
    subprocess.run(shlex.split(refused.value.next_step.partition(": ")[2]), check=True)
    assert not older.exists()
    if (
        change == "name"
        or (newer == packed and change != "cut")
        or (newer == plain and change == "cut")
    ):
        assert converted() == 300
    else:
        with pytest.raises(ToolError):
            converted()

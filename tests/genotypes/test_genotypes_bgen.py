"""BGEN through PLINK 2: versions, bits, .sample files, and what does not go together."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import (
    ConfigurationError,
    GendmrError,
    GenotypeFileError,
    IdentifierError,
    InputFileError,
)
from gendmr.files.tables import read_table
from gendmr.genotypes.bgen import read_bgen_header, read_variants
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink, find
from gendmr.genotypes.preflight import checks
from gendmr.genotypes.removals import COLUMNS
from plink_reader import read_dosages
from remedies import carry_out

N, M = 24, 60
PEOPLE = [f"S{i}" for i in range(N)]


def merge(folder: Path, *inputs: Path, **settings) -> dict:
    """Check as `gendmr check` does, then merge; both must say the same of what is wrong."""
    settings = {"bgen": {"reference": "first"}, **settings}
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings})
    early: GendmrError | None = None
    try:
        for check in checks({"genotypes": section.model_dump(mode="json")}):
            check()
    except GendmrError as error:
        early = error
    try:
        merge_genotypes(section, folder, Plink())
    except GendmrError as error:
        assert early is None or early.what == error.what
        raise
    assert early is None
    return json.loads((folder / "merge.json").read_text())


def plink2(folder: Path, *words: str) -> None:
    command = [find("2").path, "--memory", "700", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def imputed(seed: int = 1) -> np.ndarray:
    """Dosages of the second allele (people, variants), a third of them poor."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 3, (N, M)).astype(float)
    noise = np.where(np.arange(M) % 3 == 0, 0.3, 0.02)
    return np.clip(whole + rng.normal(0, noise, (N, M)), 0, 2)


def write_dosages(folder: Path, dosages: np.ndarray, sex: list[int] | None = None) -> None:
    """Write x.pgen with these dosages of allele A, G being the reference."""
    lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=DS,Number=A,Type=Float,Description="x">']
    lines += ["##contig=<ID=1>"]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(PEOPLE))
    for j in range(M):
        cells = "\t".join(f"{value:.4f}" for value in dosages[:, j])
        lines.append(f"1\t{1000 * (j + 1)}\trs{j}\tG\tA\t.\t.\t.\tDS\t{cells}")
    (folder / "x.vcf").write_text("\n".join(lines) + "\n")
    rows = [f"{who} {who} {code}\n" for who, code in zip(PEOPLE, sex or [0] * N, strict=True)]
    (folder / "x.ids").write_text("#FID IID SEX\n" + "".join(rows))
    more = ["--psam", "x.ids", "--make-pgen", "--out", "x"]
    plink2(folder, "--vcf", "x.vcf", "dosage=DS", *more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """x.pgen, and x.bgen with x.sample as UK Biobank has them: v1.2, 8 bits, ref-first."""
    write_dosages(tmp_path, imputed(), [1 + i % 2 for i in range(N)])
    export(tmp_path)
    return tmp_path


def export(folder: Path, *words: str) -> None:
    plink2(folder, "--pfile", "x", "--export", *(words or ("bgen-1.2", "ref-first", "bits=8")),
           "--out", "x")  # fmt: skip


def called(dosages: np.ndarray, threshold: float = 0.1) -> np.ndarray:
    nearest = dosages.round()
    return np.where(np.abs(dosages - nearest) <= threshold, nearest, -1).astype(np.int8)


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        (("bgen-1.1", "ref-last"), "last"),
        (("bgen-1.2", "ref-first", "bits=8"), "first"),
        (("bgen-1.2", "ref-last", "bits=16"), "last"),
        (("bgen-1.3", "ref-first", "bits=8"), "first"),
    ],
)
def test_merge_genotypes__reads_each_version_of_bgen(
    folder: Path, words: tuple[str, ...], reference: str
) -> None:
    export(folder, *words)
    # No dosage may stand at the limit, on whose side 8 bits could put it.
    dosages = imputed()
    near = np.abs(np.abs(dosages - dosages.round()) - 0.1) < 0.01
    summary = merge(folder / "w", folder / "x.bgen", bgen={"reference": reference},
                 variant_missingness=1, most_lost=1)  # fmt: skip
    bim, fam = read_bim(folder / "w/merged"), read_fam(folder / "w/merged")
    assert bim["a1"].tolist() == ["A"] * M and bim["a2"].tolist() == ["G"] * M
    assert fam["iid"].tolist() == PEOPLE
    assert fam["sex"].tolist() == [str(1 + i % 2) for i in range(N)]
    values, expected = read_dosages(folder / "w/merged"), called(dosages)
    assert (values == expected)[~near].all() and not near.all()
    assert np.abs((values < 0).sum() - (expected < 0).sum()) <= near.sum()
    counts = f"the other {(values < 0).sum()} of {N * M} calls"
    assert any("x.bgen holds dosages" in note and counts in note for note in summary["notes"])


def test_merge_genotypes__lists_variants_that_leave_for_poor_dosages(folder: Path) -> None:
    merge(folder / "w", folder / "x.bgen")
    reasons = read_table(folder / "w/merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    missing = (called(imputed()) < 0).mean(axis=0)
    assert set(reasons["id"]) == {f"rs{j}" for j in range(M) if missing[j] > 0.05}


def test_merge_genotypes__joins_a_bgen_for_each_chromosome(folder: Path) -> None:
    """As UK Biobank has them: one .sample file, whose name is that of no .bgen."""
    text = (folder / "x.pvar").read_text().splitlines(keepends=True)
    for name in ("c1", "c2"):
        renamed_lines = [
            line if line.startswith("#") else name[1] + line[line.index("\t") :].replace("rs", name)
            for line in text
        ]
        (folder / "x.pvar").write_text("".join(renamed_lines))
        export(folder)
        (folder / "x.bgen").rename(folder / f"{name}.bgen")
    (folder / "x.sample").rename(folder / "ukb_s24.sample")
    bgen = {"reference": "first", "samples": str(folder / "ukb_s24.sample")}
    summary = merge(folder / "w", folder / "c1.bgen", folder / "c2.bgen", bgen=bgen,
                 variant_missingness=1, most_lost=1)  # fmt: skip
    assert summary["people"] == N and summary["retained"] == 2 * M and summary["autosomes"] == 2
    samples_by_file = {str(folder / f"{name}.bgen"): bgen["samples"] for name in ("c1", "c2")}
    files = GenotypesSection.parse(
        {"inputs": list(samples_by_file), "bgen": {**bgen, "samples": samples_by_file}}
    ).files
    assert set(samples_by_file) | {bgen["samples"]} < set(files)


def packed(*texts: str, kind: str = "<H") -> bytes:
    return b"".join(struct.pack(kind, len(text)) + text.encode() for text in texts)


def write_bgen(path: Path, variants: list[tuple[str, str, tuple[str, ...]]], people: int) -> None:
    """Write layout 2 by its description, everybody a homozygote of the first allele."""
    blocks = []
    for number, (name, chromosome, alleles) in enumerate(variants, 1):
        states = len(alleles) * (len(alleles) + 1) // 2
        data = struct.pack("<IHBB", people, len(alleles), 2, 2) + bytes([2] * people) + b"\0\x08"
        data += (b"\xff" + bytes(states - 2)) * people
        body = zlib.compress(data)
        blocks.append(
            packed(".", name, chromosome) + struct.pack("<IH", 1000 * number, len(alleles))
            + packed(*alleles, kind="<I") + struct.pack("<II", len(body) + 4, len(data)) + body
        )  # fmt: skip
    header = struct.pack("<III4sI", 20, len(variants), people, b"bgen", 1 | 2 << 2)
    path.write_bytes(struct.pack("<I", len(header)) + header + b"".join(blocks))


def test_merge_genotypes__lists_variants_of_several_alleles_in_a_bgen(folder: Path) -> None:
    """Chromosomes are written 01 in UK Biobank's files."""
    several = ("G", "A", "T")
    write_bgen(folder / "y.bgen", [("a", "01", ("G", "A")), ("b", "01", several)]
               + [(f"v{j}", "01", ("G", "A")) for j in range(5)], N)  # fmt: skip
    (folder / "x.sample").rename(folder / "y.sample")
    summary = merge(folder / "w", folder / "y.bgen", check_build=False)
    assert summary["retained"] == 6
    assert any(
        "1 of 7 variants of y.bgen have more than two alleles" in n for n in summary["notes"]
    )
    reasons = read_table(folder / "w/merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    assert reasons[["id", "reason", "value"]].to_numpy().tolist() == [
        ["b", "more than two alleles", "3"]
    ]


@pytest.mark.parametrize("words", [("bgen-1.1",), ("bgen-1.2", "ref-first"), ("bgen-1.3",)])
def test_read_variants__gives_what_was_exported(folder: Path, words: tuple[str, ...]) -> None:
    export(folder, *words)
    header = read_bgen_header(folder / "x.bgen")
    variants = list(read_variants(folder / "x.bgen", header))
    assert (header.people, header.variants) == (N, M)
    assert [variant.name for variant in variants] == [f"rs{j}" for j in range(M)]
    assert [variant.position for variant in variants] == [1000 * (j + 1) for j in range(M)]
    assert {frozenset(variant.alleles) for variant in variants} == {frozenset("AG")}


def test_merge_genotypes__leaves_out_who_has_withdrawn(folder: Path) -> None:
    text = (folder / "x.sample").read_text().replace("S3 S3 ", "-1 -1 ").replace("S9 S9", "-2 -2")
    (folder / "x.sample").write_text(text)
    anonymous(folder)
    summary = merge(folder / "w", folder / "x.bgen", check_build=False)
    assert any("2 of 24 people have negative numbers for names" in n for n in summary["notes"])
    assert read_fam(folder / "w/merged")["iid"].tolist() == [
        who for who in PEOPLE if who not in ("S3", "S9")
    ]


def test_genotypes_section__asks_which_allele_is_the_reference(folder: Path) -> None:
    name = str(folder / "x.bgen")
    with pytest.raises(ConfigurationError, match="does not say which of two alleles") as caught:
        GenotypesSection.parse({"inputs": [name]})
    remedy = str(caught.value).partition("add `")[2].partition("`")[0]
    assert GenotypesSection.parse({"inputs": [name], **yaml.safe_load(remedy)}).bgen
    with pytest.raises(ConfigurationError, match=r"no input ends in .bgen"):
        GenotypesSection.parse({"inputs": ["array"], "bgen": {"reference": "first"}})
    with pytest.raises(ConfigurationError, match=r"none of the .bgen inputs"):
        bgen = {"reference": "first", "samples": {"other.bgen": "x.sample"}}
        GenotypesSection.parse({"inputs": [name], "bgen": bgen})


def anonymous(folder: Path) -> None:
    """Make x.bgen one that names nobody, as UK Biobank's."""
    write_bgen(folder / "x.bgen", [(f"v{j}", "1", ("G", "A")) for j in range(5)], N)


def swap(lines: list[str]) -> list[str]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


# What is done to the lines of x.sample -> error, words, remedy, whether the .bgen names people.
SAMPLES = {
    "fewer": (lambda x: x[:-1], GenotypeFileError, "lists 23 people, and .* holds 24", "names"),
    "order": (swap, GenotypeFileError, "2 of 24 people stand at the place of", "names"),
    "twice": (lambda x: [*x[:-1], x[-2]], IdentifierError, "1 names .* than once: 'S22'", "awk"),
    "sex": (lambda x: [*x[:-1], "S23 S23 0 9"], GenotypeFileError, "'9' \\(1 people\\)", "awk"),
    "types": (lambda x: x[1:], InputFileError, "does not say the types", ""),
    "columns": (lambda x: [*x[:-1], "S23 S23"], InputFileError, "1 of 24 people do not", ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", SAMPLES)
def test_merge_genotypes__refuses_a_sample_file_that_does_not_fit(
    folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    change, kind, words, remedy = SAMPLES[fault]
    path = Path("x.sample")
    if remedy != "names":
        anonymous(folder)
    before = path.read_text()
    path.write_text("\n".join(change(before.splitlines())) + "\n")
    settings = {"variant_missingness": 1, "most_lost": 1, "check_build": False}
    with pytest.raises(kind, match=words) as caught:
        merge(folder / "w", Path("x.bgen"), **settings)
    if remedy == "names":
        carry_out(caught.value)
        assert merge(folder / "w", Path("x.bgen"), **settings)["people"] == N
        assert read_fam("w/merged")["iid"].tolist() == PEOPLE
    elif remedy == "awk":
        carry_out(caught.value)
        named = caught.value.next_step.partition("then name ")[2].partition(" in ")[0]
        bgen = {"reference": "first", "samples": named or "known.sample"}
        assert merge(folder / "w", Path("x.bgen"), bgen=bgen, **settings)["people"] == N


def test_merge_genotypes__names_the_key_of_a_sample_file_that_is_elsewhere(folder: Path) -> None:
    anonymous(folder)
    (folder / "x.sample").rename(folder / "other.sample")
    with pytest.raises(InputFileError, match=r"names nobody, and there is no .sample") as caught:
        merge(folder / "w", folder / "x.bgen", check_build=False)
    text = caught.value.next_step.partition("configuration: ")[2]
    assert text == "genotypes: bgen: samples: PATH"
    bgen = {"reference": "first", "samples": str(folder / "other.sample")}
    assert merge(folder / "w", folder / "x.bgen", bgen=bgen, check_build=False)["people"] == N
    with pytest.raises(InputFileError, match=r"gone.sample: no such file"):
        merge(
            folder / "w", folder / "x.bgen", bgen={**bgen, "samples": str(folder / "gone.sample")}
        )


def test_merge_genotypes__takes_the_names_of_a_bgen_without_a_sample_file(folder: Path) -> None:
    export(folder, "bgen-1.2", "ref-first", "bits=8", "id-paste=iid")
    (folder / "x.sample").unlink()
    (folder / "sexes.tsv").write_text("iid\tsex\nS0\tM\n")
    merge(folder / "w", folder / "x.bgen", sexes=str(folder / "sexes.tsv"))
    fam = read_fam(folder / "w/merged")
    assert fam["iid"].tolist() == PEOPLE and fam["sex"].tolist() == ["1"] + ["0"] * (N - 1)


def test_merge_genotypes__notes_names_that_have_nothing_in_common(folder: Path) -> None:
    text = (folder / "x.sample").read_text().replace("S", "P")
    (folder / "x.sample").write_text(text)
    summary = merge(folder / "w", folder / "x.bgen")
    assert any("are none of x.sample, whose names and order count" in n for n in summary["notes"])
    assert read_fam(folder / "w/merged")["iid"].tolist()[:2] == ["P0", "P1"]


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_merge_genotypes__refuses_a_bgen_that_is_cut_off(folder: Path, share: float) -> None:
    data = (folder / "x.bgen").read_bytes()
    (folder / "x.bgen").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(GenotypeFileError, match=r"whole variants, and says that it has 60"):
        merge(folder / "w", folder / "x.bgen")


@pytest.mark.parametrize(
    "data",
    [b"x", b"\0" * 100, gzip.compress(b"x" * 200, mtime=0)],
    ids=["short", "zeros", "gzip"],
)
def test_merge_genotypes__refuses_what_is_no_bgen(folder: Path, data: bytes) -> None:
    (folder / "x.bgen").write_bytes(data)
    with pytest.raises(InputFileError, match="are not those of a BGEN file"):
        merge(folder / "w", folder / "x.bgen")

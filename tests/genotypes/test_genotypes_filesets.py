"""The guard before every reader, and dosages against PLINK's own export."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.errors import GendmrError, GenotypeFileError, IdentifierError, InputFileError
from gendmr.genotypes.filesets import Fileset, check_fileset, read_bim, read_dosages, read_fam
from gendmr.genotypes.plink import find


def small(make_set, folder: Path, people: int = 6, variants: int = 40):
    rng = np.random.default_rng(people)
    return make_set(folder / "set", rng.integers(-1, 3, (people, variants)).astype(np.int8))


def exported(prefix: Path, folder: Path) -> np.ndarray:
    """Copies of A1 as PLINK 1.9 counts them."""
    subprocess.run(
        [
            *(find("1.9").path, "--bfile", str(prefix), "--keep-allele-order", "--allow-no-sex"),
            *("--recode", "A", "--out", str(folder / "out"), "--memory", "500"),
        ],
        check=True,
        capture_output=True,
    )
    rows = (folder / "out.raw").read_text().splitlines()[1:]
    values = [[-1 if call == "NA" else int(call) for call in row.split()[6:]] for row in rows]
    return np.array(values)


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 8, 9])
def test_dosages_are_copies_of_a1_for_any_padding(make_set, tmp_path, people):
    made = small(make_set, tmp_path, people)
    np.testing.assert_array_equal(read_dosages(made.prefix), made.dosages)


def test_dosages_equal_plink_export(make_set, tmp_path):
    made = small(make_set, tmp_path, 11)
    np.testing.assert_array_equal(read_dosages(made.prefix), exported(made.prefix, tmp_path))


def test_swapping_the_alleles_turns_the_dosages(make_set, tmp_path):
    made = small(make_set, tmp_path, 7)
    swapped = [[*row[:4], row[5], row[4]] for row in made.bim]
    turned = np.where(made.dosages < 0, -1, 2 - made.dosages).astype(np.int8)
    other = make_set(tmp_path / "swapped", turned, bim=swapped)
    again = read_dosages(other.prefix)
    ours = read_dosages(made.prefix)
    np.testing.assert_array_equal(np.where(ours < 0, -1, 2 - ours), again)


def test_blocks_do_not_change_the_result(make_set, tmp_path, monkeypatch):
    made = small(make_set, tmp_path, 5, 41)
    monkeypatch.setattr("gendmr.genotypes.filesets.BLOCK", 7)
    np.testing.assert_array_equal(read_dosages(made.prefix), made.dosages)


identifier = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C", "Cs"), exclude_characters='"'),
    min_size=1,
    max_size=12,
).filter(lambda text: not text.startswith("#") and text.split() == [text])


@settings(max_examples=20, deadline=None)
@given(
    ids=st.lists(
        identifier | st.sampled_from(["007", "1e5", "NA", "nan", "-9", "0x1F", "002_S_0295"]),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_identifiers_are_never_parsed(make_set, ids):
    with TemporaryDirectory() as name:
        rows = [("0", iid, "0", "0", "0", "-9") for iid in ids]
        made = make_set(Path(name) / "set", np.ones((len(ids), 3), dtype=np.int8), fam=rows)
        assert read_fam(made.prefix)["iid"].tolist() == ids
        assert read_dosages(made.prefix).shape == (len(ids), 3)


def test_spaces_and_windows_line_ends_are_read(make_set, tmp_path):
    made = small(make_set, tmp_path)
    text = made.prefix.with_suffix(".fam").read_text()
    made.prefix.with_suffix(".fam").write_bytes(
        text.replace("\t", "  ").replace("\n", "\r\n").encode()
    )
    assert check_fileset(made.prefix) == Fileset(str(made.prefix), 6, 40)
    assert read_fam(made.prefix)["iid"].tolist() == [f"P{i}" for i in range(6)]


def test_chromosomes_have_one_name(make_set, tmp_path):
    codes = ["chr1", "01", "23", "chrX", "M", "25"]
    bim = [(code, f"rs{j}", "0", str(1 + j), "A", "G") for j, code in enumerate(codes)]
    made = make_set(tmp_path / "set", np.ones((2, 6), dtype=np.int8), bim=bim)
    assert read_bim(made.prefix)["chromosome"].tolist() == ["1", "1", "X", "X", "MT", "XY"]


def bed(prefix: Path) -> Path:
    return prefix.with_suffix(".bed")


def rewrite(path: Path, change) -> None:
    path.write_bytes(change(path.read_bytes()))


def drop_rows(suffix: str, rows: slice):
    def damage(prefix: Path) -> None:
        lines = prefix.with_suffix(suffix).read_text().splitlines(keepends=True)
        prefix.with_suffix(suffix).write_text("".join(lines[rows]))

    return damage


def add_person(prefix: Path) -> None:
    with prefix.with_suffix(".fam").open("a") as stream:
        stream.write("F9\tP9\t0\t0\t0\t-9\n")


DAMAGES = {
    "no .bed": (lambda p: bed(p).unlink(), InputFileError, "no such file"),
    "no .bim": (lambda p: p.with_suffix(".bim").unlink(), InputFileError, "no such file"),
    "no .fam": (lambda p: p.with_suffix(".fam").unlink(), InputFileError, "no such file"),
    "empty .bed": (lambda p: bed(p).write_bytes(b""), InputFileError, "0 bytes"),
    "empty .bim": (
        lambda p: p.with_suffix(".bim").write_text(""),
        GenotypeFileError,
        "no variants",
    ),
    "empty .fam": (lambda p: p.with_suffix(".fam").write_text(""), GenotypeFileError, "no people"),
    "magic": (lambda p: rewrite(bed(p), lambda b: b"PK" + b[2:]), GenotypeFileError, "50 4b"),
    "sample-major": (
        lambda p: rewrite(bed(p), lambda b: b[:2] + b"\x00" + b[3:]),
        GenotypeFileError,
        "--make-bed",
    ),
    "mode": (lambda p: rewrite(bed(p), lambda b: b[:2] + b"\x10" + b[3:]), GenotypeFileError, "10"),
    "truncated": (lambda p: rewrite(bed(p), lambda b: b[:-1]), GenotypeFileError, "82 bytes"),
    "too long": (lambda p: rewrite(bed(p), lambda b: b + b"\0"), GenotypeFileError, "84 bytes"),
    ".bim misses its first rows": (drop_rows(".bim", slice(2, None)), GenotypeFileError, "79"),
    ".fam five rows short": (drop_rows(".fam", slice(0, 1)), GenotypeFileError, "43"),
    ".fam one row short, same size": (
        drop_rows(".fam", slice(0, 5)),
        GenotypeFileError,
        "bits after the last of 5 people",
    ),
    ".fam one row long, same size": (add_person, GenotypeFileError, "the last of 7 people"),
    "ragged .bim": (
        lambda p: rewrite(p.with_suffix(".bim"), lambda b: b.replace(b"rs3\t", b"rs 3\t")),
        GenotypeFileError,
        "line 4, with 7",
    ),
    "twice in .fam": (
        lambda p: rewrite(p.with_suffix(".fam"), lambda b: b.replace(b"F1\tP1", b"F0\tP0")),
        IdentifierError,
        "'F0 P0'",
    ),
    "twice in .bim": (
        lambda p: rewrite(p.with_suffix(".bim"), lambda b: b.replace(b"rs1\t", b"rs0\t")),
        IdentifierError,
        "--set-all-var-ids",
    ),
    "header in .fam": (
        lambda p: rewrite(p.with_suffix(".fam"), lambda b: b.replace(b"F0", b"#FID")),
        IdentifierError,
        "begin with '#'",
    ),
    "not a position": (
        lambda p: rewrite(p.with_suffix(".bim"), lambda b: b.replace(b"\t1003\t", b"\t1e3\t")),
        GenotypeFileError,
        "column 4",
    ),
    "binary .fam": (
        lambda p: p.with_suffix(".fam").write_bytes(b"\x1f\x8b\xff\xfe"),
        GenotypeFileError,
        "not text",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_sets_are_refused_by_name(make_set, tmp_path, damage):
    made = small(make_set, tmp_path)
    spoil, kind, says = DAMAGES[damage]
    spoil(made.prefix)
    with pytest.raises(kind) as caught:
        read_dosages(made.prefix)
    assert says in str(caught.value)
    assert "next step" in str(caught.value)
    assert isinstance(caught.value, GendmrError)


def test_a_quotation_mark_is_no_scrambled_cohort(make_set, tmp_path):
    rows = [("0", f'"P{i}' if i in (1, 3) else f"P{i}", "0", "0", "0", "-9") for i in range(6)]
    made = make_set(tmp_path / "set", np.ones((6, 40), dtype=np.int8), fam=rows)
    with pytest.raises(GenotypeFileError, match="quotation mark"):
        read_dosages(made.prefix)


def test_brackets_in_the_path_are_no_pattern(make_set, tmp_path):
    made = small(make_set, tmp_path / "a[1]*")
    np.testing.assert_array_equal(read_dosages(made.prefix), made.dosages)

"""The guard before every reader, and dosages against PLINK's own export."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.errors import GendmrError, GenotypeFileError, IdentifierError, InputFileError
from gendmr.genotypes.bed import dosage_blocks
from gendmr.genotypes.filesets import Fileset, check_fileset, read_bim, read_fam
from gendmr.genotypes.plink import find
from plink_reader import read_dosages


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


def plink2(arguments: list[str], out: Path) -> None:
    command = [find("2").path, *arguments, "--memory", "700", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 8, 9])
def test_dosages_are_copies_of_a1_for_any_padding(make_set, tmp_path, people):
    fileset = small(make_set, tmp_path, people)
    np.testing.assert_array_equal(read_dosages(fileset.prefix), fileset.dosages)


def test_dosages_equal_plink_export(make_set, tmp_path):
    fileset = small(make_set, tmp_path, 11)
    np.testing.assert_array_equal(read_dosages(fileset.prefix), exported(fileset.prefix, tmp_path))


def test_swapping_the_alleles_turns_the_dosages(make_set, tmp_path):
    fileset = small(make_set, tmp_path, 7)
    swapped = [[*row[:4], row[5], row[4]] for row in fileset.bim]
    turned = np.where(fileset.dosages < 0, -1, 2 - fileset.dosages).astype(np.int8)
    swapped_set = make_set(tmp_path / "swapped", turned, bim=swapped)
    again = read_dosages(swapped_set.prefix)
    ours = read_dosages(fileset.prefix)
    np.testing.assert_array_equal(np.where(ours < 0, -1, 2 - ours), again)


identifier = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C", "Cs"), exclude_characters='"'),
    min_size=1,
    max_size=12,
).filter(lambda text: not text.startswith("#") and text.split() == [text])


def test_spaces_and_windows_line_ends_are_read(make_set, tmp_path):
    fileset = small(make_set, tmp_path)
    text = fileset.prefix.with_suffix(".fam").read_text()
    fileset.prefix.with_suffix(".fam").write_bytes(
        text.replace("\t", "  ").replace("\n", "\r\n").encode()
    )
    assert check_fileset(fileset.prefix) == Fileset(str(fileset.prefix), 6, 40)
    assert read_fam(fileset.prefix)["iid"].tolist() == [f"P{i}" for i in range(6)]


def test_chromosomes_have_one_name(make_set, tmp_path):
    codes = ["chr1", "01", "23", "chrX", "M", "25"]
    bim = [(code, f"rs{j}", "0", str(1 + j), "A", "G") for j, code in enumerate(codes)]
    fileset = make_set(tmp_path / "set", np.ones((2, 6), dtype=np.int8), bim=bim)
    assert read_bim(fileset.prefix)["chromosome"].tolist() == ["1", "1", "X", "X", "MT", "XY"]


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
        "--rm-dup force-first",
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
    fileset = small(make_set, tmp_path)
    spoil, kind, says = DAMAGES[damage]
    spoil(fileset.prefix)
    with pytest.raises(kind) as caught:
        read_dosages(fileset.prefix)
    assert says in str(caught.value)
    assert "next step" in str(caught.value)
    assert isinstance(caught.value, GendmrError)


@pytest.mark.parametrize("eighths", range(8))
def test_a_bed_cut_at_each_eighth_is_refused(make_set, tmp_path, eighths):
    fileset = small(make_set, tmp_path, people=21, variants=101)
    rewrite(bed(fileset.prefix), lambda b: b[: len(b) * eighths // 8])
    with pytest.raises((GenotypeFileError, InputFileError)) as caught:
        check_fileset(fileset.prefix)
    assert "set.bed" in str(caught.value) and "next step" in str(caught.value)


@pytest.mark.parametrize("more", [1, 2, 5, 6, 606])
def test_a_longer_bed_is_refused(make_set, tmp_path, more):
    fileset = small(make_set, tmp_path, people=21, variants=101)
    rewrite(bed(fileset.prefix), lambda b: b + b[3 : 3 + more])
    with pytest.raises(GenotypeFileError, match=f"{3 + 101 * 6 + more} bytes"):
        check_fileset(fileset.prefix)


@pytest.mark.parametrize("people", [20, 21, 22, 23])
@pytest.mark.parametrize("short", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_short_fam_is_refused(make_set, tmp_path, people, short, end):
    """By the size of the .bed, or by genotypes in its bits of padding."""
    fileset = small(make_set, tmp_path, people=people)
    rows = slice(short, None) if end == "first" else slice(0, people - short)
    drop_rows(".fam", rows)(fileset.prefix)
    with pytest.raises(GenotypeFileError) as caught:
        check_fileset(fileset.prefix)
    same_size = -(-(people - short) // 4) == -(-people // 4)
    assert ("bits after the last" if same_size else " bytes, but ") in str(caught.value)


def test_a_bim_short_by_its_first_hundred_is_refused(make_set, tmp_path):
    fileset = small(make_set, tmp_path, people=21, variants=300)
    drop_rows(".bim", slice(100, None))(fileset.prefix)
    with pytest.raises(GenotypeFileError, match="200 variants"):
        check_fileset(fileset.prefix)


def test_a_reordered_bim_is_refused(make_set, tmp_path):
    fileset = small(make_set, tmp_path)
    drop_rows(".bim", slice(None, None, -1))(fileset.prefix)
    with pytest.raises(GenotypeFileError, match="39 of 40 stand behind a later one") as caught:
        check_fileset(fileset.prefix)
    command = str(caught.value).partition("that of the .bed: ")[2].split()
    subprocess.run([find("1.9").path, *command[1:]], check=True, capture_output=True)
    again = read_dosages(f"{fileset.prefix}.sorted")
    np.testing.assert_array_equal(again, fileset.dosages[:, ::-1])


def test_a_chromosome_in_pieces_is_refused(make_set, tmp_path):
    bim = [(("1", "2")[j % 2], f"rs{j}", "0", str(1 + j), "A", "G") for j in range(40)]
    fileset = make_set(tmp_path / "set", np.ones((4, 40), dtype=np.int8), bim=bim)
    with pytest.raises(GenotypeFileError, match="38 chromosomes are in several pieces"):
        check_fileset(fileset.prefix)


def test_chromosomes_in_the_order_of_text_are_refused(make_set, tmp_path):
    codes = sorted([*map(str, range(1, 23)), "X"])
    bim = [(code, f"rs{j}", "0", "5", "A", "G") for j, code in enumerate(codes)]
    fileset = make_set(tmp_path / "set", np.ones((4, 23), dtype=np.int8), bim=bim)
    with pytest.raises(GenotypeFileError, match="come in the order 1, 10, 11, 12"):
        check_fileset(fileset.prefix)


def test_variants_without_a_position_are_in_no_order(make_set, tmp_path):
    bim = [(("1", "0")[j > 5], f"rs{j}", "0", ("0", str(9 - j))[j > 5], "A", "G") for j in range(9)]
    fileset = make_set(tmp_path / "set", np.ones((4, 9), dtype=np.int8), bim=bim)
    assert check_fileset(fileset.prefix).n_variants == 9


def test_a_sample_major_set_is_refused_and_converted_as_it_says(make_set, tmp_path):
    fileset = small(make_set, tmp_path, 11, 41)
    # The same bytes, but a row for each person: what a set of 41 people and 11 variants holds.
    turned = make_set(tmp_path / "turned", fileset.dosages.T).prefix
    rewrite(bed(turned), lambda b: b[:2] + b"\x00" + b[3:])
    for suffix in (".fam", ".bim"):
        turned.with_suffix(suffix).write_bytes(fileset.prefix.with_suffix(suffix).read_bytes())
    with pytest.raises(GenotypeFileError, match="sample-major") as caught:
        check_fileset(turned)
    command = str(caught.value).partition("plink1.9 ")[2].split()
    subprocess.run([find("1.9").path, *command], check=True, capture_output=True)
    np.testing.assert_array_equal(read_dosages(f"{turned}.variant-major"), fileset.dosages)


@pytest.mark.parametrize("reference", ["column 5", "column 6"])
def test_dosages_equal_the_counts_of_plink_whichever_allele_is_the_reference(
    make_set, tmp_path, reference
):
    """`plink2 --freq counts`, variant by variant, with either allele of the .bim as reference."""
    fileset = small(make_set, tmp_path, 11, 60)
    choice = ["--ref-allele", "force", f"{fileset.prefix}.bim", reference[-1], "2", "--make-bed"]
    rereferenced = tmp_path / "chosen"
    plink2(["--bfile", str(fileset.prefix), *choice], rereferenced)
    plink2(
        [
            "--bfile",
            str(rereferenced),
            "--freq",
            "counts",
            "cols=ref,alt,altfreq,nobs",
            "--bad-freqs",
        ],
        tmp_path / "counts",
    )
    header, *rows = (tmp_path / "counts.acount").read_text().splitlines()
    names = header.lstrip("#").split("\t")
    assert len(rows) == 60
    for prefix in (fileset.prefix, rereferenced):
        dosages, bim = read_dosages(prefix), read_bim(prefix)
        for j, row in enumerate(rows):
            row_of_plink = dict(zip(names, row.split("\t"), strict=True))
            assert row_of_plink["ALT"] == ("G" if reference == "column 5" else "A")
            called = dosages[:, j][dosages[:, j] >= 0]
            of_alt = called.sum() if bim["a1"][j] == row_of_plink["ALT"] else (2 - called).sum()
            assert (of_alt, 2 * len(called)) == (
                int(row_of_plink["ALT_CTS"]),
                int(row_of_plink["OBS_CT"]),
            )


def test_a_quotation_mark_is_no_scrambled_cohort(make_set, tmp_path):
    """Readers of tables lose the rows between two of them."""
    rows = [("0", f'"P{i}' if i in (1, 3) else f"P{i}", "0", "0", "0", "-9") for i in range(6)]
    dosages = np.random.default_rng(1).integers(0, 3, (6, 40)).astype(np.int8)
    quoted = make_set(tmp_path / "set", dosages, fam=rows)
    fileset = check_fileset(quoted.prefix)
    assert read_fam(quoted.prefix)["iid"].tolist() == [row[1] for row in rows]
    blocks = dosage_blocks(fileset, np.arange(6), np.arange(40), 16)
    np.testing.assert_array_equal(np.hstack([block for _, block in blocks]), dosages)


def test_brackets_in_the_path_are_no_pattern(make_set, tmp_path):
    fileset = small(make_set, tmp_path / "a[1]*")
    np.testing.assert_array_equal(read_dosages(fileset.prefix), fileset.dosages)


@st.composite
def trios(draw) -> tuple[np.ndarray, list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Dosages, .fam and .bim as PLINK could have written them."""
    people, variants = draw(st.integers(1, 13)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dosages = rng.integers(-1, 3, (people, variants)).astype(np.int8)
    name = identifier | st.sampled_from(["007", "1e5", "NA", "nan", "-9", "0x1F", "002_S_0295"])
    ids = draw(st.lists(name, min_size=people, max_size=people, unique=True))
    fid = draw(st.sampled_from(["0", "F", "own"]))
    fam = [(iid if fid == "own" else fid, iid, "0", "0", "0", "-9") for iid in ids]
    prefix = draw(st.sampled_from(["", "chr"]))
    codes = sorted(draw(st.lists(st.integers(1, 26), min_size=variants, max_size=variants)))
    gaps = draw(st.lists(st.integers(0, 10**6), min_size=variants, max_size=variants))
    positions = 1 + np.cumsum(gaps)
    alleles = draw(st.sampled_from(["AG", "CT", "AT", "GC", "0A"]))
    bim = [
        (f"{prefix}{code}", f"v{j}", "0", str(positions[j]), *alleles)
        for j, code in enumerate(codes)
    ]
    return dosages, fam, bim


@given(trios(), st.sampled_from(["\t", " ", "  "]), st.sampled_from(["\n", "\r\n"]))
def test_any_valid_trio_is_read_as_written(make_set, trio, gap, end):
    dosages, fam, bim = trio
    with TemporaryDirectory() as name:
        fileset = make_set(Path(name) / "set", dosages, fam=fam, bim=bim)
        for suffix in (".fam", ".bim"):
            path = fileset.prefix.with_suffix(suffix)
            path.write_bytes(
                path.read_bytes().replace(b"\t", gap.encode()).replace(b"\n", end.encode())
            )
        # A last person of A1 alone looks like padding, and is refused rather than trusted.
        last = (len(fam) - 1) % 4 and len(bim) >= 32 and (dosages[-1] == 2).all()
        if last:
            with pytest.raises(GenotypeFileError, match="homozygous for A1"):
                check_fileset(fileset.prefix)
            return
        np.testing.assert_array_equal(read_dosages(fileset.prefix), dosages)
        assert list(read_fam(fileset.prefix)["iid"]) == [row[1] for row in fam]
        assert read_bim(fileset.prefix)["position"].tolist() == [int(row[3]) for row in bim]


@st.composite
def damages(draw):
    """A change of one file of a set that makes the three disagree, or one of them malformed."""
    kind = draw(
        st.sampled_from(
            [
                "cut",
                "extend",
                "magic",
                "mode",
                "row out",
                "row twice",
                "column",
                "binary",
                "padding",
            ]
        )
    )
    suffix = draw(st.sampled_from([".fam", ".bim"]))
    return kind, suffix, draw(st.integers(0, 2**16))


@given(trios(), damages())
def test_any_damaged_trio_ends_with_a_named_error(make_set, trio, damage):
    dosages, fam, bim = trio
    kind, suffix, number = damage
    with TemporaryDirectory() as name:
        fileset = make_set(Path(name) / "set", dosages, fam=fam, bim=bim)
        table, genotypes = fileset.prefix.with_suffix(suffix), bed(fileset.prefix)
        lines = table.read_text().splitlines(keepends=True)
        row, data = number % len(lines), genotypes.read_bytes()
        over = -len(fam) % 4
        if kind == "cut":
            genotypes.write_bytes(data[: number % len(data)])
        elif kind == "extend":
            genotypes.write_bytes(data + bytes(1 + number % 40))
        elif kind == "magic":
            genotypes.write_bytes(bytes([data[0] ^ 1 + number % 255]) + data[1:])
        elif kind == "mode":
            genotypes.write_bytes(data[:2] + bytes([2 + number % 254]) + data[3:])
        elif kind == "row out":
            # Nobody called at the end: a row out of the .fam is then seen, whoever it was.
            fileset = make_set(fileset.prefix, np.where(dosages == 2, 1, dosages), fam=fam, bim=bim)
            table.write_text("".join(lines[:row] + lines[row + 1 :]))
        elif kind == "row twice":
            table.write_text("".join([*lines[:row], lines[row], *lines[row:]]))
        elif kind == "column":
            lines[row] = lines[row].rstrip("\n") + "\textra\n"
            table.write_text("".join(lines))
        elif kind == "binary":
            table.write_bytes(table.read_bytes() + b"\xff\xfe")
        elif over:
            last = 3 + -(-len(fam) // 4) - 1
            changed = data[last] | 1 << (7 - number % (2 * over))
            genotypes.write_bytes(data[:last] + bytes([changed]) + data[last + 1 :])
        else:
            genotypes.unlink()
        with pytest.raises(GendmrError) as caught:
            read_dosages(fileset.prefix)
        assert type(caught.value) is not GendmrError
        assert str(fileset.prefix) in str(caught.value) and "next step" in str(caught.value)

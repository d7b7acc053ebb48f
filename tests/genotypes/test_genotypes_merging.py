"""Several sets: strands, alleles, positions, chromosomes, and people in two sets."""

from __future__ import annotations

import json
import re
from copy import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, IdentifierError
from gendmr.files.tables import read_table
from gendmr.genotypes.filesets import check_fileset, read_bim, read_fam
from gendmr.genotypes.lifting import COMPLEMENT
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.removals import COLUMNS
from gendmr.genotypes.strands import relate
from plink_reader import read_dosages
from remedies import carry_out

N = 8
VARIANTS = [("1", f"rs{j}", "0", str(1000 + 10 * j), "A", "G") for j in range(40)]


def people(start: int, family: str = "0") -> list[tuple[str, ...]]:
    return [(family, f"P{start + i}", "0", "0", "1", "2") for i in range(N)]


def dosages(seed: int, variants: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, (N, variants)).astype(np.int8)


def merge(folder: Path, *inputs: Path, **settings) -> tuple[dict[str, tuple[str, str]], dict]:
    section = GenotypesSection(inputs=tuple(map(str, inputs)), **settings)
    merge_genotypes(section, folder, Plink())
    table = read_table(folder / "merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    reasons = {row.id: (row.step, row.reason) for row in table.itertuples()}
    return reasons, json.loads((folder / "merge.json").read_text())


def counted(folder: Path) -> dict[tuple[str, str], dict[str, int]]:
    """Copies of each allele, by person and variant: what a swap or a flip must not change."""
    bim, fam = read_bim(folder / "merged"), read_fam(folder / "merged")
    values = read_dosages(folder / "merged")
    return {
        (iid, row.snp): {row.a1: int(values[i, j]), row.a2: int(2 - values[i, j])}
        for i, iid in enumerate(fam["iid"])
        for j, row in enumerate(bim.itertuples())
    }


def test_two_arrays_are_joined_allele_by_allele(make_set, tmp_path):
    second = [list(row) for row in VARIANTS]
    second[0][4:] = ["G", "A"]  # the other allele is counted
    second[1][4:] = ["T", "C"]  # the other strand
    second[2][4:] = ["C", "T"]  # both
    second[3][4:] = ["A", "C"]  # a third allele
    second[4][3] = "1041"  # elsewhere
    second[39][0] = "2"  # on another chromosome
    second[6][1] = "new"  # not shared
    first = [list(row) for row in VARIANTS]
    first[7][4:] = second[7][4:] = ["A", "T"]
    first[8][4:] = second[8][4:] = ["0", "G"]
    second[8][4:] = ["A", "G"]
    first_array = make_set(tmp_path / "one", dosages(1), fam=people(0), bim=first)
    first_array.dosages[:, 8] = 0
    first_array = make_set(tmp_path / "one", first_array.dosages, fam=people(0), bim=first)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(100), bim=second)
    reasons, summary = merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    assert reasons == {
        "rs3": ("merge", "alleles differ between input sets"),
        "rs4": ("merge", "position differs between input sets"),
        "rs39": ("merge", "position differs between input sets"),
        "rs6": ("merge", "not in every input set"),
        "new": ("merge", "not in every input set"),
        "rs7": ("merge", "strand cannot be told (A/T or C/G)"),
    }
    assert "2 variants of two were on the other strand and were flipped" in summary["notes"]
    assert (summary["people"], summary["variants"], summary["retained"]) == (2 * N, 41, 35)
    counts = counted(tmp_path / "w")
    turned = str.maketrans("TC", "AG")
    for fileset, rows, flipped in (
        (first_array, first, set()),
        (second_array, second, {"rs1", "rs2"}),
    ):
        for i, person in enumerate(fileset.fam):
            for j, (_, snp, _, _, a1, a2) in enumerate(rows):
                if snp in reasons:
                    continue
                alleles = [a.translate(turned) if snp in flipped else a for a in (a1, a2)]
                copies = int(fileset.dosages[i, j])
                expected = dict(zip(alleles, (copies, 2 - copies), strict=True))
                expected.pop("0", None)
                got = {a: c for a, c in counts[person[1], snp].items() if a in expected}
                assert got == expected


def test_ambiguous_variants_stay_when_strands_are_trusted(make_set, tmp_path):
    bim = [[*row[:4], "A", "T"] for row in VARIANTS]
    first_array = make_set(tmp_path / "one", dosages(1), fam=people(0), bim=bim)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(100), bim=bim)
    reasons, summary = merge(
        tmp_path / "w", first_array.prefix, second_array.prefix, keep_ambiguous=True
    )
    assert reasons == {}
    assert "trusting" in " ".join(summary["notes"])
    with pytest.raises(GenotypeFileError, match="strand cannot be told"):
        merge(tmp_path / "v", first_array.prefix, second_array.prefix)


def test_one_set_for_each_chromosome(make_set, tmp_path):
    bim = [[("1", "2", "X")[j // 14], *VARIANTS[j][1:]] for j in range(40)]
    bim = [[row[0], row[1], "0", str(5_000_000 + j), *row[4:]] for j, row in enumerate(bim)]
    values = dosages(1)
    sets = [
        make_set(tmp_path / f"part {j}", values[:, j : j + 10], fam=people(0), bim=bim[j : j + 10])
        for j in (30, 10, 20, 0)  # in whatever order
    ]
    reasons, summary = merge(tmp_path / "w", *(fileset.prefix for fileset in sets))
    assert reasons == {}
    assert summary["people"] == N and summary["on_x"] == 12 and summary["autosomes"] == 2
    bim_read = read_bim(tmp_path / "w" / "merged")
    assert bim_read["chromosome"].drop_duplicates().tolist() == ["1", "2", "X"]
    order = [int(name[2:]) for name in bim_read["snp"]]
    np.testing.assert_array_equal(read_dosages(tmp_path / "w" / "merged"), values[:, order])


def test_people_in_two_sets_with_common_variants_get_a_name_for_each_copy(make_set, tmp_path):
    first_array = make_set(tmp_path / "one", dosages(1), fam=people(0), bim=VARIANTS)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(5), bim=VARIANTS)
    _, summary = merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    iids = read_fam(tmp_path / "w" / "merged")["iid"].tolist()
    copies = [f"P{i}@{label}" for i in range(5, 8) for label in ("one", "two")]
    assert sorted(iids) == sorted([*(f"P{i}" for i in (0, 1, 2, 3, 4, 8, 9, 10, 11, 12)), *copies])
    assert summary["twice"][0] == {"fid": "0", "iid": "P5", "names": ["P5@one", "P5@two"]}
    assert "3 people are in several sets with common variants ('P5', 'P6', 'P7')" in " ".join(
        summary["notes"]
    )
    got = read_dosages(tmp_path / "w" / "merged")
    rows = [iids.index("P5@one"), iids.index("P5@two")]
    np.testing.assert_array_equal(got[rows], [first_array.dosages[5], second_array.dosages[0]])


def test_a_copy_whose_name_is_taken_is_refused(make_set, tmp_path):
    fam = [*people(0)[:-1], ("0", "P5@two", "0", "0", "1", "2")]
    first_array = make_set(tmp_path / "one", dosages(1), fam=fam, bim=VARIANTS)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(5), bim=VARIANTS)
    with pytest.raises(IdentifierError, match="P5 is in several sets"):
        merge(tmp_path / "w", first_array.prefix, second_array.prefix)


def test_sets_of_the_same_name_are_told_apart(make_set, tmp_path):
    first_array = make_set(tmp_path / "a" / "array", dosages(1), fam=people(0), bim=VARIANTS)
    second_array = make_set(tmp_path / "b" / "array", dosages(2), fam=people(7), bim=VARIANTS)
    _, summary = merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    assert summary["twice"][0]["names"] == ["P7@array-1", "P7@array-2"]


def test_chromosomes_that_list_different_people_are_refused(make_set, tmp_path):
    """A .fam one person short that neither size nor padding shows: the identifiers do."""
    values = dosages(1)
    values[-1, 30:] = 2  # on the second chromosome the last person is of A1 alone: bits of zero
    first = [["1", *row[1:]] for row in VARIANTS[:30]]
    second = [["2", *row[1:]] for row in VARIANTS[30:]]
    first_array = make_set(tmp_path / "chr1", values[:, :30], fam=people(0), bim=first)
    second_array = make_set(tmp_path / "chr2", values[:, 30:], fam=people(0), bim=second)
    path = second_array.prefix.with_suffix(".fam")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert (
        check_fileset(second_array.prefix).n_people == N - 1
    )  # every row is one person off, unseen
    with pytest.raises(IdentifierError, match=r"1 are only in the first \('P0'\) and 0 only in"):
        merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    # People who were filtered chromosome by chromosome: the command leaves those of all.
    fewer = make_set(tmp_path / "chr3", values[1:, 30:], fam=people(0)[1:], bim=second)
    with pytest.raises(IdentifierError, match="only in the first") as caught:
        merge(tmp_path / "w", first_array.prefix, fewer.prefix)
    (tmp_path / "common").write_text("".join(f"{r[0]} {r[1]}\n" for r in people(0)[1:]))
    carry_out(caught.value, COMMON=str(tmp_path / "common"))
    _, summary = merge(tmp_path / "v", Path(f"{first_array.prefix}.common"), fewer.prefix)
    assert summary["people"] == N - 1 and summary["retained"] == 40


def test_arrays_given_chromosome_by_chromosome_are_joined_first(make_set, tmp_path):
    sets = []
    for array, start in (("a", 0), ("b", 4)):
        for chromosome, columns in (("1", slice(0, 20)), ("2", slice(20, 40))):
            bim = [[chromosome, *row[1:]] for row in VARIANTS[columns]]
            name = tmp_path / f"{array}{chromosome}"
            sets.append(make_set(name, dosages(start)[:, columns], fam=people(start), bim=bim))
    with pytest.raises(IdentifierError, match="join the chromosomes of each array") as caught:
        merge(tmp_path / "w", *(fileset.prefix for fileset in sets))
    arrays = []
    for first, second in (sets[:2], sets[2:]):
        (tmp_path / "list").write_text(f"{second.prefix}\n")
        error = copy(caught.value)
        named = re.search(r"--bfile (\S+)", error.next_step)[1]
        error.next_step = error.next_step.replace(named, str(first.prefix))
        carry_out(error, LIST=str(tmp_path / "list"))
        arrays.append(Path(f"{first.prefix}.joined"))
    _, summary = merge(tmp_path / "v", *arrays)
    assert summary["retained"] == 40 and len(summary["twice"]) == 4


def test_one_number_in_two_families_is_refused(make_set, tmp_path):
    first_array = make_set(tmp_path / "one", dosages(1), fam=people(0, "A"), bim=VARIANTS)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(0, "B"), bim=VARIANTS)
    with pytest.raises(IdentifierError, match="8 IIDs are in both sets under different FIDs"):
        merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    two_families = make_set(
        tmp_path / "both",
        np.vstack([dosages(1), dosages(2)]),
        fam=[*people(0, "A"), *people(0, "B")],
        bim=VARIANTS,
    )
    with pytest.raises(IdentifierError, match="--update-ids") as caught:
        merge(tmp_path / "w", two_families.prefix)
    carry_out(caught.value)
    merge(tmp_path / "w", Path(f"{two_families.prefix}.unique"))
    iids = set(read_fam(tmp_path / "w" / "merged")["iid"])
    assert iids == {f"{family}_P{i}" for family in "AB" for i in range(N)}


def test_sets_without_common_variants_are_refused(make_set, tmp_path):
    renamed = [[row[0], f"other{j}", *row[2:]] for j, row in enumerate(VARIANTS)]
    first_array = make_set(tmp_path / "one", dosages(1), fam=people(0), bim=VARIANTS)
    second_array = make_set(tmp_path / "two", dosages(2), fam=people(100), bim=renamed)
    with pytest.raises(GenotypeFileError, match=r"share 0: 0\.0% of the smallest"):
        merge(tmp_path / "w", first_array.prefix, second_array.prefix)


def test_parents_elsewhere_make_nobody_a_non_founder(make_set, tmp_path):
    fam = [
        [*row[:2], "absent", "P0" if i == 3 else "gone", *row[4:]]
        for i, row in enumerate(people(0))
    ]
    fileset = make_set(tmp_path / "one", dosages(1), fam=fam, bim=VARIANTS)
    merge(tmp_path / "w", fileset.prefix)
    read = read_fam(tmp_path / "w" / "merged")
    assert read["father"].tolist() == ["0"] * N
    assert read["mother"].tolist() == ["P0" if i == 3 else "0" for i in range(N)]


BASES = st.sampled_from("ACGT")


@given(BASES, BASES, st.booleans(), st.booleans())
def test_relation_does_not_depend_on_order_or_strand(a1, a2, swap, flip):
    if a1 == a2:
        return
    alleles = (a2, a1) if swap else (a1, a2)
    turned = tuple(a.translate(COMPLEMENT) for a in alleles) if flip else alleles
    relation, _ = relate(turned, frozenset((a1, a2)))
    if a1 == a2.translate(COMPLEMENT):
        assert relation == "ambiguous"
    else:
        assert relation == ("flip" if flip else "same")


@given(st.lists(BASES, min_size=3, max_size=3, unique=True))
def test_three_alleles_never_join(alleles):
    a, b, c = alleles
    relation, frozen = relate((a, b), frozenset((a, c)))
    flipped = {x.translate(COMPLEMENT) for x in (a, b)} | {a, c}
    assert relation == ("flip" if len(flipped) == 2 else "differ")
    assert len(frozen) == 2


def test_unobserved_alleles_and_indels():
    assert relate(("0", "A"), frozenset("AG"))[0] == "same"
    assert relate(("0", "T"), frozenset("AG"))[0] == "flip"
    assert relate(("AT", "A"), frozenset(("AT", "A")))[0] == "same"
    assert relate(("TA", "T"), frozenset(("AT", "A")))[0] == "differ"

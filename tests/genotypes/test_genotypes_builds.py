"""Builds are told from positions, and positions are lifted only when asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import ConfigurationError, GenotypeFileError, InputFileError, TableError
from gendmr.files.tables import read_table
from gendmr.genotypes.builds import BUILDS, detect_build, read_reference
from gendmr.genotypes.filesets import read_bim
from gendmr.genotypes.lifting import lift_variants
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.removals import COLUMNS
from plink_reader import read_dosages
from positions import chain_between, on_build, write_chain

N = 12


def dosages(variants: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, (N, variants)).astype(np.int8)


def merge(folder: Path, *inputs: Path, **settings) -> tuple[dict[str, str], dict]:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings})
    merge_genotypes(section, folder, Plink())
    table = read_table(folder / "merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    return dict(zip(table["id"], table["reason"], strict=True)), json.loads(
        (folder / "merge.json").read_text()
    )


def people(start: int) -> list[tuple[str, ...]]:
    return [("0", f"P{start + i}", "0", "0", "1", "-9") for i in range(N)]


@pytest.mark.parametrize("build", BUILDS)
def test_each_build_is_told_by_name(reference, make_set, tmp_path, build, capsys):
    bim = on_build(reference, build)
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    _, summary = merge(tmp_path / "w", fileset.prefix, build=build)
    evidence = summary["inputs"][0]["build"]
    assert (evidence["found"], evidence["declared"], evidence["by"]) == (build, build, "name")
    assert evidence["variants"] == len(bim)
    assert evidence["shares"] == {name: float(name == build) for name in BUILDS}
    printed = capsys.readouterr().out
    assert all(f"{name} {100.0 * (name == build):.1f} %" in printed for name in BUILDS)
    assert not any("build" in note for note in summary["notes"])


@pytest.mark.parametrize("build", BUILDS)
def test_each_build_is_told_by_position(reference, make_set, tmp_path, build):
    bim = [[row[0], f"{row[0]}:{row[3]}:A:G", *row[2:]] for row in on_build(reference, build)]
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    _, summary = merge(tmp_path / "w", fileset.prefix, build=build)
    evidence = summary["inputs"][0]["build"]
    assert (evidence["found"], evidence["by"]) == (build, "position")


@pytest.mark.parametrize(("truth", "declared"), [(a, b) for a in BUILDS for b in BUILDS if a != b])
def test_another_build_than_declared_is_refused_with_all_three_percentages(
    reference, make_set, tmp_path, truth, declared
):
    bim = on_build(reference, truth)
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    with pytest.raises(GenotypeFileError, match=f"of {truth}, not of {declared}") as caught:
        merge(tmp_path / "w", fileset.prefix, build=declared)
    for build in BUILDS:
        assert f"{build} {100.0 * (build == truth):.1f} %" in str(caught.value)
    assert f"set genotypes.build (and annotation.build and its genes) to {truth}" in str(
        caught.value
    )
    assert list((tmp_path / "w").iterdir()) == []


def test_half_of_one_build_and_half_of_another_is_none(reference, make_set, tmp_path):
    rows = [on_build(reference, build) for build in ("GRCh37", "GRCh38")]
    names = {row[1] for row in rows[0][::2]}
    bim = [row for row in rows[0] if row[1] in names] + [r for r in rows[1] if r[1] not in names]
    bim.sort(key=lambda row: int(row[3]))
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    with pytest.raises(GenotypeFileError, match="no build fits"):
        merge(tmp_path / "w", fileset.prefix)
    _, summary = merge(tmp_path / "w", fileset.prefix, check_build=False)
    assert "not checked: switched off" in " ".join(summary["notes"])


@pytest.mark.parametrize("named", [True, False])
def test_positions_from_zero_are_named(reference, make_set, tmp_path, named):
    bim = [
        [row[0], row[1] if named else f"v{j}", "0", str(int(row[3]) - 1), *row[4:]]
        for j, row in enumerate(on_build(reference, "GRCh38"))
    ]
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    with pytest.raises(GenotypeFileError, match="one less than those of GRCh38: 0-based"):
        merge(tmp_path / "w", fileset.prefix, build="GRCh38")


def test_names_of_other_positions_are_no_build(reference, make_set, tmp_path):
    """A .bim whose names were moved against its positions: the rows of another file."""
    bim = on_build(reference, "GRCh37")
    names = [row[1] for row in bim]
    bim = [
        [row[0], name, *row[2:]] for row, name in zip(bim, names[100:] + names[:100], strict=True)
    ]
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    with pytest.raises(GenotypeFileError, match="no build fits"):
        merge(tmp_path / "w", fileset.prefix)


def test_too_few_reference_variants_are_a_note(reference, make_set, tmp_path):
    bim = [*on_build(reference, "GRCh38")[:4], ["11", "mine", "0", "5", "A", "G"]]
    fileset = make_set(tmp_path / "set", dosages(5), bim=bim)
    _, summary = merge(tmp_path / "w", fileset.prefix)
    assert "set: build GRCh37 not checked: only" in " ".join(summary["notes"])
    assert summary["inputs"][0]["build"]["found"] is None


def test_a_build_without_reference_on_the_chromosomes_is_neither_shown_nor_refuted(
    root, make_set, tmp_path
):
    table = read_reference(root / "resources" / "build_positions.tsv")
    rows = table[table["chromosome"] == "3"].sort_values("GRCh37")
    bim = [
        ["3", snp, "0", str(int(position) - 20_000), "A", "G"]
        for snp, position in zip(rows["snp"], rows["GRCh37"], strict=True)
    ]
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    _, summary = merge(tmp_path / "w", fileset.prefix, build="NCBI36")
    assert "NCBI36 no reference, GRCh37 0.0 %, GRCh38 0.0 %: NCBI36 could be neither shown" in (
        " ".join(summary["notes"])
    )


@pytest.mark.parametrize("build", ["NCBI36", "GRCh38"])
def test_a_build_that_the_reference_lacks_is_known_by_what_moves_together(
    reference, make_set, tmp_path, build
):
    """NCBI36 beyond chromosome 10: what the table lacks, it names; with a table, it goes on."""
    without_build = reference.assign(**{build: "n/a"})
    without_build.to_csv(tmp_path / "reference.tsv", sep="\t", index=False)
    fileset = make_set(tmp_path / "set", dosages(len(reference)), bim=on_build(reference, build))
    settings = {"reference_positions": str(tmp_path / "reference.tsv")}
    with pytest.raises(GenotypeFileError, match="neighbours lie equally far") as caught:
        merge(tmp_path / "w", fileset.prefix, **settings)
    assert f"the set is of {build}, whose positions" in caught.value.cause
    assert "check_build" not in str(caught.value)
    reference.to_csv(tmp_path / "mine.tsv", sep="\t", index=False)
    _, summary = merge(
        tmp_path / "v", fileset.prefix, build=build, reference_positions=str(tmp_path / "mine.tsv")
    )
    assert summary["inputs"][0]["build"]["found"] == build


def test_no_error_of_a_build_says_to_switch_the_check_off(reference, make_set, tmp_path):
    bim = on_build(reference, "GRCh37")
    names = [row[1] for row in bim]
    bim = [[row[0], name, *row[2:]] for row, name in zip(bim, names[::-1], strict=True)]
    fileset = make_set(tmp_path / "set", dosages(len(bim)), bim=bim)
    with pytest.raises(GenotypeFileError, match="no build fits") as caught:
        merge(tmp_path / "w", fileset.prefix)
    assert "check_build" not in str(caught.value)


def test_the_reference_may_be_your_own(reference, make_set, tmp_path):
    bim = [["7", f"mine{j}", "0", str(100 + j), "A", "G"] for j in range(6)]
    fileset = make_set(tmp_path / "set", dosages(6), bim=bim)
    positions = tmp_path / "own.tsv"
    rows = [f"mine{j}\t7\t{100 + j}\n" for j in range(6)]
    positions.write_text("snp\tchromosome\tGRCh38\n" + "".join(rows))
    with pytest.raises(GenotypeFileError, match="of GRCh38, not of GRCh37"):
        merge(tmp_path / "w", fileset.prefix, reference_positions=str(positions))
    positions.write_text("snp\tchromosome\nmine0\t7\n")
    with pytest.raises(TableError, match="none of the columns NCBI36"):
        merge(tmp_path / "w", fileset.prefix, reference_positions=str(positions))
    with pytest.raises(InputFileError, match="no such file"):
        merge(tmp_path / "w", fileset.prefix, reference_positions=str(tmp_path / "none.tsv"))


def test_two_arrays_of_two_builds_are_joined_when_one_is_lifted(reference, make_set, tmp_path):
    old, new = on_build(reference, "NCBI36"), on_build(reference, "GRCh37")
    first_array = make_set(tmp_path / "one", dosages(len(new), 1), fam=people(0), bim=new)
    second_array = make_set(tmp_path / "two", dosages(len(old), 2), fam=people(100), bim=old)
    with pytest.raises(GenotypeFileError, match="of NCBI36, not of GRCh37") as caught:
        merge(tmp_path / "w", first_array.prefix, second_array.prefix)
    assert "lift this set: genotypes.lift" in str(caught.value)
    chain = chain_between(reference, tmp_path / "36to37.over.chain.gz")
    lift = {str(second_array.prefix): {"build": "NCBI36", "chain": str(chain)}}
    reasons, summary = merge(tmp_path / "w", first_array.prefix, second_array.prefix, lift=lift)
    assert reasons == {}
    assert [item["build"]["found"] for item in summary["inputs"]] == ["GRCh37", "GRCh37"]
    assert "two was lifted from NCBI36 to GRCh37 with 36to37.over.chain.gz: 0 of" in " ".join(
        summary["notes"]
    )
    merged = read_bim(tmp_path / "w" / "merged")
    assert merged["position"].tolist() == [int(row[3]) for row in new]
    by_name = {row[1]: j for j, row in enumerate(old)}
    columns = [by_name[name] for name in merged["snp"]]
    np.testing.assert_array_equal(
        read_dosages(tmp_path / "w" / "merged")[N:], second_array.dosages[:, columns]
    )


def test_a_chain_of_other_builds_is_refused(reference, make_set, tmp_path):
    old = on_build(reference, "NCBI36")
    fileset = make_set(tmp_path / "set", dosages(len(old)), bim=old)
    chain = chain_between(reference, tmp_path / "wrong.chain", new="GRCh38")
    lift = {str(fileset.prefix): {"build": "NCBI36", "chain": str(chain)}}
    with pytest.raises(GenotypeFileError, match="of GRCh38, not of GRCh37"):
        merge(tmp_path / "w", fileset.prefix, lift=lift)


def test_lifting_says_what_becomes_of_each_variant(make_set, tmp_path):
    """Strands, gaps, several places, another chromosome, X and MT under their names."""
    bim = [
        ["chr1", "plus", "0", "100", "A", "G"],
        ["1", "gap", "0", "500", "A", "G"],
        ["1", "minus", "0", "1100", "A", "G"],
        ["1", "indel", "0", "1150", "AT", "A"],
        ["1", "twice", "0", "2100", "A", "G"],
        ["1", "elsewhere", "0", "3100", "A", "G"],
        ["23", "x", "0", "100", "A", "G"],
        ["26", "mt", "0", "100", "A", "G"],
    ]
    fileset = make_set(tmp_path / "set", dosages(8), bim=bim)
    chain = write_chain(
        tmp_path / "some.chain",
        [
            ("1", 1, 200, "1", 5001, "+"),
            ("1", 1001, 1200, "1", 4001, "-"),
            ("1", 2001, 2200, "1", 6001, "+"),
            ("1", 2001, 2200, "1", 7001, "+"),
            ("1", 3001, 3200, "2", 1, "+"),
            ("X", 1, 200, "X", 11, "+"),
            ("M", 1, 200, "M", 2, "+"),
        ],
    )
    lifted, reasons = lift_variants(read_bim(fileset.prefix), chain)
    lifted_to = {
        row.snp: (row.chromosome, row.position, row.a1 + row.a2) for row in lifted.itertuples()
    }
    assert lifted_to["plus"] == ("1", 5100, "AG")
    assert lifted_to["minus"] == ("1", 4101, "TC")  # base 100 of 200, counted from the other end
    assert lifted_to["x"] == ("X", 110, "AG")
    assert lifted_to["mt"] == ("MT", 101, "AG")
    reason_of = dict(zip(lifted["snp"], reasons, strict=True))
    assert reason_of["gap"] == "in no place of the new build"
    assert reason_of["indel"] == "an indel on the other strand in the new build"
    assert reason_of["twice"] == "in several places of the new build"
    assert reason_of["elsewhere"] == "on another chromosome in the new build"
    lift = {str(fileset.prefix): {"build": "NCBI36", "chain": str(chain)}}
    removed, summary = merge(tmp_path / "w", fileset.prefix, lift=lift)
    assert {name: removed[name] for name in ("gap", "indel", "twice", "elsewhere")} == {
        name: reason_of[name] for name in ("gap", "indel", "twice", "elsewhere")
    }
    assert "4 of 8 variants have no single place there" in " ".join(summary["notes"])
    # What was sorted is the genotypes too.
    rows = read_bim(tmp_path / "w" / "merged")
    assert rows["snp"].tolist() == ["minus", "plus"]
    got = read_dosages(tmp_path / "w" / "merged")
    np.testing.assert_array_equal(got, fileset.dosages[:, [2, 0]])


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        (None, InputFileError, "no such chain file"),
        ("garbage\n", InputFileError, "not a chain file"),
        ("", GenotypeFileError, "none of 40 variants can be lifted"),
    ],
)
def test_a_chain_file_that_is_none(make_set, tmp_path, text, kind, says):
    fileset = make_set(tmp_path / "set", dosages(40))
    chain = tmp_path / "x.chain"
    if text is not None:
        chain.write_text(text)
    lift = {str(fileset.prefix): {"build": "NCBI36", "chain": str(chain)}}
    with pytest.raises(kind, match=says):
        merge(tmp_path / "w", fileset.prefix, lift=lift)


def test_a_lift_that_nothing_asks_for_is_refused():
    lift = {"other": {"build": "NCBI36", "chain": "x"}}
    with pytest.raises(ConfigurationError, match="lift names other, which is none of the inputs"):
        GenotypesSection.parse({"inputs": ["set"], "lift": lift})
    lift = {"set": {"build": "GRCh37", "chain": "x"}}
    with pytest.raises(ConfigurationError, match="is of GRCh37 already"):
        GenotypesSection.parse({"inputs": ["set"], "lift": lift})


def test_the_shipped_reference_covers_all_autosomes_on_two_builds(root):
    table = read_reference(root / "resources" / "build_positions.tsv")
    for build in ("GRCh37", "GRCh38"):
        counts = table.dropna(subset=build)["chromosome"].value_counts()
        assert set(counts.index) == {str(number) for number in range(1, 23)}
        assert counts.min() >= 400
    assert (table["GRCh37"] != table["GRCh38"]).all()
    assert (
        detect_build(table.assign(position=table["GRCh38"]), table)
        .words()
        .startswith("NCBI36 0.0 %, GRCh37 0.0 %, GRCh38 100.0 %")
    )

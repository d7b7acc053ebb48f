"""Names of variants, alleles and codes of sex in any spelling; what PLINK is asked for and uses."""

from __future__ import annotations

import json
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, IdentifierError, ToolError
from gendmr.files.tables import read_table
from gendmr.genotypes import plink
from gendmr.genotypes.bed import dosage_blocks
from gendmr.genotypes.filesets import check_fileset, read_bim, read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.plink import Plink, Program, find
from gendmr.genotypes.removals import COLUMNS
from plink_reader import read_dosages
from remedies import carry_out

# Each example runs PLINK; to shrink a failing one takes minutes.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
# What a name may hold: letters of any script and marks, but no blanks and nothing that ends a line.
NAME = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12
).filter(lambda name: name != ".")


def read_all(prefix: Path) -> np.ndarray:
    fileset = check_fileset(prefix)
    everybody, variants = np.arange(fileset.n_people), np.arange(fileset.n_variants)
    blocks = dosage_blocks(fileset, everybody, variants, 16)
    return np.hstack([block for _, block in blocks])


def merge(folder: Path, *inputs: Path, **settings_) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings_})
    merge_genotypes(section, folder, Plink())
    return json.loads((folder / "merge.json").read_text())


def two_arrays(make_set, folder: Path, names: list[str], dosages: np.ndarray) -> list[Path]:
    """The same variants in other people, the second array with its alleles exchanged."""
    bim = [["1", name, "0", str(1000 * (j + 1)), "A", "C"] for j, name in enumerate(names)]
    prefixes = []
    for number, part in enumerate((dosages[:12], dosages[12:])):
        fam = [(f"F{number}{i}", f"P{number}{i}", "0", "0", "0", "-9") for i in range(len(part))]
        prefixes.append(make_set(folder / f"set{number}", part, fam=fam, bim=bim).prefix)
    return prefixes


@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)
@given(st.lists(NAME, min_size=30, max_size=40, unique=True), st.integers(0, 2**32 - 1))
def test_any_names_come_through_joining(make_set, names, seed):
    """PLINK 1.9 drops `rs7–A>G` from its lists, and says nothing."""
    dosages = np.random.default_rng(seed).integers(0, 3, (24, len(names))).astype(np.int8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        summary = merge(folder / "w", *two_arrays(make_set, folder, names, dosages))
        assert summary["retained"] == len(names)
        assert read_bim(folder / "w" / "merged")["snp"].tolist() == names
        order = [
            int(iid[2:]) + 12 * int(iid[1]) for iid in read_fam(folder / "w" / "merged")["iid"]
        ]
        # Not by pandas-plink, which ends a name at a quotation mark.
        assert (read_all(folder / "w" / "merged") == dosages[order]).all()


@pytest.mark.parametrize("version", ["1.9", "2"])
@pytest.mark.parametrize(
    ("suffix", "arguments", "noun"),
    [
        ("bim", ["--make-bed"], "variants"),
        ("fam", ["--make-bed"], "people"),
        ("snplist", ["--missing"], "variants"),
        ("people", ["--missing"], "people"),
    ],
)
def test_what_plink_leaves_out_unasked_stops_the_run(
    make_set, tmp_path, monkeypatch, version, suffix, arguments, noun
):
    dosages = np.random.default_rng(1).integers(0, 3, (8, 20)).astype(np.int8)
    fileset = make_set(tmp_path / "set", dosages)
    if suffix == "people":
        suffix = "fam" if version == "1.9" else "id"
    careless = tmp_path / "careless"
    careless.write_text(f'#!/bin/sh\n{find(version).path} "$@" && sed -i 2d out.{suffix}\n')
    careless.chmod(0o755)
    people, variants = [row[1] for row in fileset.fam], [row[1] for row in fileset.bim]
    command = {"out": "out", "folder": tmp_path, "people": people, "variants": variants}
    Plink().run(version, ["--bfile", "set", *arguments], **command)
    monkeypatch.setattr(plink, "find", lambda _: Program(str(careless), "careless"))
    lost = variants[1] if noun == "variants" else people[0 if suffix == "id" else 1]
    with pytest.raises(ToolError, match=f"{noun} and used .*1 were left out .*{lost}"):
        Plink().run(version, ["--bfile", "set", *arguments], **command)


def test_variants_without_a_name_and_long_alleles_have_names_of_their_own(make_set, tmp_path):
    rng = np.random.default_rng(2)
    dosages = rng.integers(0, 3, (20, 40)).astype(np.int8)
    bim = [["1", f"rs{j}", "0", str(1000 + j), "A", "G"] for j in range(40)]
    for j in range(0, 40, 3):
        bim[j][1] = "."
    bim[3][4], bim[6][4] = "A" * 70, "C" * 400
    fileset = make_set(tmp_path / "set", dosages, bim=bim)
    summary = merge(tmp_path / "w", fileset.prefix)
    names = read_bim(tmp_path / "w" / "merged")["snp"].tolist()
    assert len(set(names)) == 40
    assert [name for j, name in enumerate(names) if j % 3] == [f"rs{j}" for j in range(40) if j % 3]
    assert names[0] == "1:1000:G:A" and names[3].startswith(f"1:1003:G:{'A' * 20}~70~")
    assert any("14 variants without a name" in note for note in summary["notes"])
    assert (read_dosages(tmp_path / "w" / "merged") == dosages).all()


def test_the_rows_of_a_split_variant_keep_its_name_and_their_alleles(make_set, tmp_path):
    rng = np.random.default_rng(3)
    dosages = rng.integers(0, 3, (20, 30)).astype(np.int8)
    bim = [["1", f"rs{j}", "0", str(1000 + j), "A", "G"] for j in range(30)]
    bim[7] = ["1", "rs6", "0", "1006", "T", "G"]
    fileset = make_set(tmp_path / "set", dosages, bim=bim)
    merge(tmp_path / "w", fileset.prefix)
    names = read_bim(tmp_path / "w" / "merged")["snp"].tolist()
    assert names[6:8] == ["rs6:G:A", "rs6:G:T"] and names[8] == "rs8"


def test_one_site_with_two_probes_is_refused_until_one_is_left(make_set, tmp_path):
    """Of one doubled row, nothing else loses its name."""
    rng = np.random.default_rng(4)
    bim = [["1", f"rs{j}", "0", str(1000 + j), "A", "G"] for j in range(30)]
    bim[7] = ["1", "rs6", "0", "1006", "A", "G"]
    fileset = make_set(tmp_path / "set", rng.integers(0, 3, (20, 30)).astype(np.int8), bim=bim)
    with pytest.raises(IdentifierError, match=r"1 variant names appear more than once: 'rs6'") as e:
        merge(tmp_path / "w", fileset.prefix)
    carry_out(e.value)
    merge(tmp_path / "w", Path(f"{fileset.prefix}.once"))
    names = read_bim(tmp_path / "w" / "merged")["snp"].tolist()
    assert names == [f"rs{j}" for j in range(30) if j != 7]


@settings(max_examples=4, deadline=None, phases=NO_SHRINKING)
@given(st.lists(st.booleans(), min_size=60, max_size=60), st.integers(0, 2**32 - 1))
def test_bases_in_small_letters_are_the_same_bases(make_set, small, seed):
    dosages = np.random.default_rng(seed).integers(0, 3, (24, 30)).astype(np.int8)
    results = []
    for lower in ([False] * 60, small):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sets = two_arrays(make_set, folder, [f"rs{j}" for j in range(30)], dosages)
            for number, prefix in enumerate(sets):
                path = prefix.with_suffix(".bim")
                lines = path.read_text().splitlines()
                lowered = lower[30 * number : 30 * number + 30]
                path.write_text(
                    "".join(
                        line[:-3] + line[-3:].lower() + "\n" if change else line + "\n"
                        for line, change in zip(lines, lowered, strict=True)
                    )
                )
            merge(folder / "w", *sets)
            table = read_table(folder / "w" / "merge.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
            assert table.empty
            results.append(
                (read_bim(folder / "w" / "merged"), read_dosages(folder / "w" / "merged"))
            )
    assert results[0][0].equals(results[1][0]) and (results[0][1] == results[1][1]).all()


def cased(word: str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in word)).map("".join)


CODES = {"1": ("1", "M", "male"), "2": ("2", "F", "female"), "0": ("0", "-9", "NA", "unknown")}
SPELLED = st.sampled_from([(code, word) for code, words in CODES.items() for word in words])


@settings(max_examples=100, deadline=None)
@given(st.lists(SPELLED.flatmap(lambda pair: st.tuples(st.just(pair[0]), cased(pair[1])))))
def test_sex_in_any_word_of_a_fam_is_its_code(pairs):
    if not pairs:
        return
    with tempfile.TemporaryDirectory() as name:
        lines = [f"0 P{i} 0 0 {word} -9\n" for i, (_, word) in enumerate(pairs)]
        (Path(name) / "x.fam").write_text("".join(lines))
        assert read_fam(Path(name) / "x")["sex"].tolist() == [code for code, _ in pairs]


@settings(max_examples=20, deadline=None)
@given(st.text(string.ascii_letters + string.digits, min_size=1, max_size=6))
def test_sex_that_is_none_is_refused_with_a_command_that_works(word):
    if word.casefold() in {name.casefold() for words in CODES.values() for name in words} | {
        *("man", "woman", "boy", "girl", "u", "other", "o", "nan", "null", "none", "nil", "missing")
    }:
        return
    with tempfile.TemporaryDirectory() as name:
        prefix = Path(name) / "x"
        prefix.with_suffix(".fam").write_text(f"0 P1 0 0 1 -9\n0 P2 0 0 {word} -9\n")
        with pytest.raises(GenotypeFileError, match=f"'{word}' \\(1 people\\)") as caught:
            read_fam(prefix)
        carry_out(caught.value)
        assert read_fam(prefix)["sex"].tolist() == ["1", "0"]

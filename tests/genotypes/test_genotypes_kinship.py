"""KING at the level of degrees, and which kin the .fam does not tell of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.config.genotypes import GenotypesSection
from gendmr.files.tables import read_table
from gendmr.genotypes.filesets import read_fam
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.participants import filter_participants
from gendmr.genotypes.plink import Plink

M, FOUNDERS = 6000, 60
# Child: father, mother. Founders are numbers; `twin` is a copy of `sib1`.
CHILDREN = {
    "sib1": ("0", "1"),
    "sib2": ("0", "1"),
    "half": ("0", "2"),
    "grandchild": ("sib1", "3"),
    "nephew": ("sib2", "4"),
}
EXPECTED = {
    ("0", "sib1"): "first",
    ("1", "sib2"): "first",
    ("sib1", "sib2"): "first",
    ("sib1", "grandchild"): "first",
    ("sib1", "twin"): "duplicate",
    ("sib1", "half"): "second",
    ("0", "grandchild"): "second",
    ("sib2", "grandchild"): "second",
    ("sib1", "nephew"): "second",
    ("half", "grandchild"): None,  # a half uncle: third degree
    ("grandchild", "nephew"): None,  # first cousins: third degree
    ("5", "6"): None,
    ("0", "1"): None,
}
# The parents of sib1 and sib2 are in the .fam; nobody tells of the others.
DECLARED = {("0", "sib1"), ("1", "sib2"), ("sib1", "sib2")}


@pytest.fixture(scope="module")
def pedigree(make_set, tmp_path_factory) -> tuple[Path, list[str]]:
    rng = np.random.default_rng(12)
    frequency = rng.uniform(0.2, 0.8, M)
    haplotypes = {str(i): rng.random((2, M)) < frequency for i in range(FOUNDERS)}
    for child, parents in CHILDREN.items():
        haplotypes[child] = np.array(
            [np.where(rng.random(M) < 0.5, *haplotypes[parent]) for parent in parents]
        )
    haplotypes["twin"] = haplotypes["sib1"]
    names = list(haplotypes)
    dosages = np.array([haplotypes[name].sum(axis=0) for name in names]).astype(np.int8)
    dosages[names.index("twin"), rng.random(M) < 0.02] = -1
    bim = [
        [str(1 + j * 22 // M), f"v{j}", "0", str(1_000_000 + 4000 * j), "A", "G"] for j in range(M)
    ]
    fam = []
    for name in names:
        family = "F" if name in {"0", "1", "sib1", "sib2"} else f"own{name}"
        father, mother = ("0", "1") if name in {"sib1", "sib2"} else ("0", "0")
        # A founder called 0 would be `no parent`: identifiers of founders carry a letter.
        fam.append(
            [family, label(name), *map(parent_label, (father, mother), (name,) * 2), "0", "-9"]
        )
    fileset = make_set(tmp_path_factory.mktemp("pedigree") / "set", dosages, fam=fam, bim=bim)
    return fileset.prefix, names


def label(name: str) -> str:
    return f"p{name}" if name.isdigit() else name


def parent_label(parent: str, child: str) -> str:
    return label(parent) if child in {"sib1", "sib2"} else "0"


def run(folder: Path, prefix: Path, **settings) -> tuple[pd.DataFrame, dict]:
    section = GenotypesSection.parse(
        {"inputs": [str(prefix)], "heterozygosity_sd": 9.0, **settings}
    )
    merge_genotypes(section, folder / "work", Plink())
    filter_participants(section, folder / "work", Plink())
    kinds = dict.fromkeys(("id1", "id2", "relation", "pedigree"), "text") | {"kinship": "number"}
    return read_table(folder / "kinship.tsv", kinds), json.loads(
        (folder / "work" / "participants.json").read_text()
    )


@pytest.fixture(scope="module")
def found(pedigree, tmp_path_factory):
    return run(tmp_path_factory.mktemp("found"), pedigree[0])


def test_king_tells_degrees(found):
    pairs, _ = found
    pair_of = {frozenset((row.id1, row.id2)): row for row in pairs.itertuples()}
    for (first, second), relation in EXPECTED.items():
        row = pair_of.get(frozenset((label(first), label(second))))
        assert (row.relation if row else None) == relation, (first, second, row)
    # Nobody else: the twin is kin of whoever is kin of sib1.
    people = {label(name) for pair, kind in EXPECTED.items() if kind for name in pair}
    assert set(pairs["id1"]) | set(pairs["id2"]) <= people | {"p2", "p3", "p4"}


def test_kin_whom_the_fam_does_not_tell_of_are_listed(found):
    pairs, summary = found
    declared = pairs[pairs["pedigree"] == "declared"]
    got = {frozenset((row.id1, row.id2)) for row in declared.itertuples()}
    # With it: the other parent of each sibling.
    assert got == {
        frozenset(map(label, pair)) for pair in (*DECLARED, ("1", "sib1"), ("0", "sib2"))
    }
    cryptic = pairs[(pairs["pedigree"] == "cryptic") & (pairs["relation"] != "duplicate")]
    note = next(note for note in summary["notes"] if "of no family in the .fam" in note)
    assert note.startswith(f"{len(cryptic)} pairs of kin")
    assert "all are in genotypes/kinship.tsv" in note


def test_one_family_for_everybody_is_no_family(pedigree, tmp_path):
    prefix = pedigree[0]
    for suffix in (".bed", ".bim"):
        (tmp_path / f"set{suffix}").symlink_to(prefix.with_suffix(suffix))
    rows = [f"study {iid} 0 0 0 -9\n" for iid in read_fam(prefix)["iid"]]
    (tmp_path / "set.fam").write_text("".join(rows))
    pairs, _ = run(tmp_path / "g", tmp_path / "set")
    assert set(pairs["pedigree"]) == {"cryptic"}


def test_kin_leave_when_asked_until_no_pair_is_left(pedigree, tmp_path):
    pairs, summary = run(tmp_path, pedigree[0], remove_kin=True)
    gone = {person["iid"] for person in summary["removed_people"]}
    remaining = pairs[~pairs["id1"].isin(gone) & ~pairs["id2"].isin(gone)]
    assert (
        remaining.empty
        and "twin" in gone
        and len(gone) < len(set(pairs["id1"]) | set(pairs["id2"]))
    )


def test_few_chromosomes_make_chance_kin_and_the_report_says_so(make_set, tmp_path):
    """A third of one chromosome shared is a second-degree relative, or chance."""
    rng = np.random.default_rng(3)
    half = (rng.random((60, 1500)) < rng.uniform(0.2, 0.8, 1500)).astype(np.int8)
    other_haplotypes = (rng.random((60, 1500)) < 0.5).astype(np.int8)
    other_haplotypes[1, :750] = other_haplotypes[0, :750]
    half[1, :750] = half[0, :750]
    fileset = make_set(tmp_path / "set", half + other_haplotypes)
    pairs, summary = run(tmp_path / "g", fileset.prefix)
    assert ["P0", "P1"] in pairs[["id1", "id2"]].to_numpy().tolist()
    assert any(
        note.startswith("kinship comes from 1 chromosome(s) only") for note in summary["notes"]
    )

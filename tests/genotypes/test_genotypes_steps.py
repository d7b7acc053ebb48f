"""The stage through its command line: planted faults, slow twins, reruns, bad input."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gendmr.errors import GenotypeFileError
from gendmr.files.tables import read_table
from gendmr.genotypes.commands import group
from gendmr.genotypes.filesets import check_fileset, read_bim, read_fam
from gendmr.genotypes.plink import find
from gendmr.genotypes.removals import COLUMNS, Removals
from plink_reader import read_dosages

FIGURES = {
    *("person_missingness", "variant_missingness", "maf", "hwe"),
    *("heterozygosity", "sex", "kinship", "components"),
}


def stage(folder: Path, *inputs: Path, seed: int = 1, **settings) -> Path:
    options = json.dumps({"inputs": [str(prefix) for prefix in inputs], **settings})
    for verb in ("merge", "filter", "figures"):
        extra = ["--seed", str(seed)] if verb != "merge" else []
        arguments = [verb, "--options", options, "--work", str(folder / "work"), *extra]
        done = CliRunner().invoke(group, arguments)
        if done.exception is not None:
            raise done.exception
    return folder


def attrition(folder: Path) -> pd.DataFrame:
    return read_table(folder / "attrition.tsv", dict.fromkeys(COLUMNS, "text"))


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def checksums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def done(cohort, tmp_path_factory) -> Path:
    return stage(tmp_path_factory.mktemp("done") / "genotypes", cohort.prefix)


def test_every_planted_fault_leaves_for_its_reason(cohort, done):
    table = attrition(done).set_index("id")
    step_of = {name: table.loc[name, "step"] for name in cohort.truth}
    assert step_of == cohort.truth


def test_few_others_leave(cohort, done):
    people = attrition(done).query("kind == 'participant'")
    # Of 117 sound people a few lie beyond three standard deviations by chance.
    assert len(set(people["id"]) - set(cohort.truth)) <= 2


def test_who_stays_and_who_left_are_everybody(cohort, done):
    table = attrition(done)
    assert not table["id"].duplicated().any()
    for kind, names_left, read in (
        ("participant", read_fam(done / "qc")["iid"], [row[1] for row in cohort.fam]),
        ("variant", read_bim(done / "qc")["snp"], [row[1] for row in cohort.bim]),
    ):
        names_removed = table.loc[table["kind"] == kind, "id"]
        assert sorted([*names_left, *names_removed]) == sorted(read)
        assert len(names_left) == summary(done)[f"{kind}s"]["kept"]


def test_the_summary_counts_the_list(done):
    listed = Counter(attrition(done)["step"])
    counted: Counter = Counter()
    for item in summary(done)["removed"]:
        counted[item["step"]] += item["removed"]
    assert counted == listed


def test_genotypes_pass_unchanged(cohort, done):
    people = [row[1] for row in cohort.fam]
    variants = [row[1] for row in cohort.bim]
    rows = [people.index(iid) for iid in read_fam(done / "qc")["iid"]]
    columns = [variants.index(name) for name in read_bim(done / "qc")["snp"]]
    expected = cohort.dosages[np.ix_(rows, columns)]
    np.testing.assert_array_equal(read_dosages(done / "qc"), expected)


def test_filters_agree_with_slow_twins(cohort, done):
    """Missingness and frequency of what stayed and what left, counted again in numpy."""
    table = attrition(done).set_index("id")
    people = [row[1] for row in cohort.fam]
    stays = np.array([iid not in table.index for iid in people])
    for name, row in table[table["step"] == "maf"].iterrows():
        column = cohort.dosages[stays, [r[1] for r in cohort.bim].index(name)]
        p = column[column >= 0].mean() / 2
        assert min(p, 1 - p) == pytest.approx(float(row["value"]), abs=1e-5)
        assert min(p, 1 - p) < float(row["threshold"])
    dosages = read_dosages(done / "qc").astype(float)
    dosages[dosages < 0] = np.nan
    p = np.nanmean(dosages, axis=0) / 2
    assert np.minimum(p, 1 - p).min() >= 0.01
    assert np.isnan(dosages).mean(axis=0).max() <= 0.05
    share = (cohort.dosages[40] < 0).mean()
    assert float(table.loc["P040", "value"]) == pytest.approx(share, abs=0.01)


def test_kinship_of_siblings_parents_and_copies(done):
    pairs = read_table(
        done / "kinship.tsv",
        dict.fromkeys(("id1", "id2", "relation", "pedigree"), "text") | {"kinship": "number"},
    )
    relation_of = {(r.id1, r.id2): r.relation for r in pairs.itertuples()}
    assert relation_of[("P010", "P011")] == "duplicate"
    assert relation_of[("P020", "P022")] == relation_of[("P021", "P022")] == "first"
    assert (pairs["kinship"] >= 0.0884).all()


def test_the_better_called_copy_stays(cohort, done):
    calls = (cohort.dosages >= 0).sum(axis=1)
    assert calls[10] > calls[11]
    people = set(read_fam(done / "qc")["iid"])
    assert "P010" in people and "P011" not in people
    row = attrition(done).set_index("id").loc["P011"]
    assert row["reason"] == "same genome: P010 has the better call rate"


def test_hostile_identifiers_survive(done):
    assert read_fam(done / "qc")["iid"].tolist()[:4] == ["007", "1e5", "NA", "002_S_0295"]
    ids = (done / "components.tsv").read_text().splitlines()[1:5]
    assert [line.split("\t")[0] for line in ids] == ["007", "1e5", "NA", "002_S_0295"]


def test_figures_are_there(done):
    assert {path.stem for path in (done / "figures").glob("*.png")} == FIGURES


def test_nothing_temporary_is_left(done):
    assert list(done.rglob(".*")) == []


def test_components_agree_with_a_slow_twin(cohort, done, make_set, tmp_path):
    """First components of two populations, against numpy's singular vectors."""
    rng = np.random.default_rng(3)
    n, m = 80, 1500
    p = rng.uniform(0.2, 0.8, (2, m)).repeat(n // 2, axis=0)
    dosages = (rng.random((2, n, m)) < p).sum(axis=0).astype(np.int8)
    fileset = make_set(tmp_path / "two", dosages)
    folder = stage(tmp_path / "out", fileset.prefix, heterozygosity_sd=9.0, hwe=0.0, components=2)
    table = pd.read_csv(folder / "components.tsv", sep="\t")
    pruned = set((folder / "work" / "pruned.txt").read_text().split())
    used = dosages[:, [name in pruned for name in (row[1] for row in fileset.bim)]].astype(float)
    q = used.mean(axis=0) / 2
    scaled = (used - 2 * q) / np.sqrt(2 * q * (1 - q))
    first = np.linalg.svd(scaled, full_matrices=False)[0][:, 0]
    assert abs(np.corrcoef(first, table["PC1"])[0, 1]) > 0.999
    assert abs(table["PC1"]).max() == table["PC1"].max()


def test_a_rerun_gives_the_same_bytes(cohort, done, tmp_path):
    again = stage(tmp_path / "genotypes", cohort.prefix)
    assert checksums(again) == checksums(done)


def test_diagnosis_is_never_read(cohort, done, tmp_path):
    for suffix in (".bed", ".bim"):
        shutil.copy(cohort.prefix.with_suffix(suffix), tmp_path / f"array{suffix}")
    rng = np.random.default_rng(5)
    garbage = [[*row[:5], rng.choice(["case", "1", "2", "-9", "3.7"])] for row in cohort.fam]
    (tmp_path / "array.fam").write_text("".join("\t".join(row) + "\n" for row in garbage))
    again = stage(tmp_path / "genotypes", tmp_path / "array")
    assert checksums(again) == checksums(done)
    assert set(read_fam(done / "qc")["phenotype"]) == {"-9"}


def test_chosen_chromosomes_and_x_in_the_result(cohort, tmp_path):
    folder = stage(
        tmp_path / "g",
        cohort.prefix,
        chromosomes=[str(number) for number in range(1, 16)],
        keep_autosomes_only=False,
        remove_kin=True,
    )
    chromosomes = set(read_bim(folder / "qc")["chromosome"])
    assert chromosomes == {*(str(number) for number in range(1, 16)), "X"}
    table = attrition(folder).set_index("id")
    assert table.loc["rs2999", "reason"] == "chromosome not chosen"
    assert table.loc["P050", "step"] == "sex"
    # One child of two parents: removing it leaves no pair.
    assert table.loc["P022", "step"] == "kin"
    assert "P020" not in table.index


def test_a_small_cohort_says_what_is_rough(make_set, tmp_path):
    rng = np.random.default_rng(1)
    dosages = (rng.random((2, 12, 300)) < rng.uniform(0.2, 0.8, 300)).sum(axis=0).astype(np.int8)
    fileset = make_set(tmp_path / "few", dosages)
    folder = stage(tmp_path / "g", fileset.prefix, kinship=0.3, person_missingness=0.5)
    notes = " ".join(summary(folder)["notes"])
    assert "come from 12 people only" in notes
    assert "sex not checked: no X variants" in notes
    assert check_fileset(folder / "qc").n_people == 12


def test_one_person_gets_through(make_set, tmp_path):
    fileset = make_set(tmp_path / "one", np.ones((1, 50), dtype=np.int8))
    folder = stage(tmp_path / "g", fileset.prefix)
    assert check_fileset(folder / "qc").n_people == 1
    assert "0 instead of 10 components" in " ".join(summary(folder)["notes"])
    assert (folder / "components.tsv").read_text() == "id\nP0\n"


@pytest.mark.parametrize("founders", [True, False])
def test_variants_without_any_call_leave_whatever_may_be_missing(make_set, tmp_path, founders):
    dosages = np.random.default_rng(1).integers(0, 3, (60, 80)).astype(np.int8)
    # Frequencies are of founders: calls of children alone tell PLINK none.
    dosages[: 60 if founders else 50, :5] = -1
    fileset = make_set(tmp_path / "set", dosages)
    if not founders:
        fam = fileset.prefix.with_suffix(".fam")
        rows = [line.split() for line in fam.read_text().splitlines()]
        for number, row in enumerate(rows):
            row[0] = "F1"
            if number >= 50:
                row[2:4] = [rows[0][1], rows[1][1]]
        fam.write_text("".join("\t".join(row) + "\n" for row in rows))
    settings = {"variant_missingness": 1.0, "person_missingness": 1.0, "most_lost": 1.0}
    folder = stage(tmp_path / "g", fileset.prefix, **settings)
    removed = attrition(folder)
    gone = set(removed.loc[removed["kind"] == "variant", "id"])
    assert {f"rs{number}" for number in range(5)} <= gone or not founders
    assert check_fileset(folder / "qc").n_variants == 80 - len(gone)


@pytest.mark.parametrize(
    ("dosages", "settings", "says"),
    [
        (
            np.where((np.arange(80) + np.arange(60)[:, None]) % 2, 1, -1),  # half of each person
            {"variant_missingness": 1.0},
            "nobody is left",
        ),
        (np.full(80, -1), {}, "all 80 variants have more than"),
        (np.zeros(80), {}, "no variant is left; reasons: minor allele too rare 80"),
    ],
)
def test_when_nothing_is_left_the_reasons_are_named(make_set, tmp_path, dosages, settings, says):
    fileset = make_set(tmp_path / "bad", np.broadcast_to(dosages, (60, 80)).astype(np.int8))
    with pytest.raises(GenotypeFileError, match=says):
        stage(tmp_path / "g", fileset.prefix, **settings)


def test_positions_and_chromosomes_that_are_none(make_set, tmp_path):
    bim = [("0", f"rs{j}", "0", "0", "A", "G") for j in range(40)]
    fileset = make_set(tmp_path / "bad", np.ones((60, 40), dtype=np.int8), bim=bim)
    with pytest.raises(GenotypeFileError, match="not on an autosome or X 40"):
        stage(tmp_path / "g", fileset.prefix)


def test_the_command_line_ends_with_a_named_error(tmp_path):
    import sys

    done = subprocess.run(
        [
            *(sys.executable, "-m", "gendmr", "genotypes", "merge", "--work", str(tmp_path / "w")),
            *("--options", json.dumps({"inputs": [str(tmp_path / "none")]})),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "InputFileError" in done.stderr and "next step" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "w").exists()


def test_hardy_weinberg_agrees_with_an_exact_sum(done):
    """The p of the variant without heterozygotes, by enumeration (Wigginton et al. 2005)."""
    from math import comb

    row = attrition(done).set_index("id").loc["rs102"]
    n = len(read_fam(done / "qc"))
    assert float(row["value"]) < 1e-10
    # All homozygous, a of one allele: the only configuration with no heterozygote.
    a = n // 2 * 2
    ways = {
        h: comb(n, h) * comb(n - h, (a - h) // 2) * 2**h for h in range(0, min(a, 2 * n - a) + 1, 2)
    }
    exact = sum(w for w in ways.values() if w <= ways[0]) / sum(ways.values())
    assert np.log10(float(row["value"])) == pytest.approx(np.log10(exact), rel=0.05)


def test_first_reason_wins():
    removals = Removals("variant")
    removals.add(["a"], "maf", "rare", [0.001], 0.01)
    removals.add(["a", "b"], "hwe", "off", [0.5, 1e-20], 1e-10)
    assert removals.ids == ["a", "b"]
    assert [item["step"] for item in removals.counts()] == ["maf", "hwe"]


def test_versions_are_recorded(done):
    assert summary(done)["plink"] == {"1.9": find("1.9").version, "2": find("2").version}

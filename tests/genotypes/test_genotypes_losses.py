"""What leaves for a bad reason: bad samples, admixture, too few variants, sets that do not fit."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError
from gendmr.files.tables import read_table
from gendmr.genotypes.commands import filter_
from gendmr.genotypes.components import compute_components
from gendmr.genotypes.kinship import STRANGERS, least_variants
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.participants import filter_participants
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.removals import COLUMNS
from gendmr.genotypes.variants import filter_variants
from gendmr.statistics.clusters import separate_groups
from remedies import carry_out

# Each example runs PLINK; to shrink a failing one takes minutes.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def merge(folder: Path, *inputs: Path, **settings_) -> dict:
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings_})
    merge_genotypes(section, folder / "work", Plink())
    return json.loads((folder / "work" / "merge.json").read_text())


def people_of(folder: Path, *inputs: Path, **settings_) -> tuple[pd.DataFrame, dict]:
    """Merge and filter people; returns who left and what the step says."""
    merge(folder, *inputs, **settings_)
    section = GenotypesSection.parse({"inputs": [str(path) for path in inputs], **settings_})
    filter_participants(section, folder / "work", Plink())
    return left(folder / "work" / "participants.attrition.tsv"), json.loads(
        (folder / "work" / "participants.json").read_text()
    )


def left(path: Path) -> pd.DataFrame:
    return read_table(path, dict.fromkeys(COLUMNS, "text"))


def genome(variants: int, chromosomes: int = 22) -> list[list[str]]:
    return [
        [str(1 + j * chromosomes // variants), f"rs{j}", "0", str(5000 * (j + 1)), "A", "G"]
        for j in range(variants)
    ]


def draw(rng: np.random.Generator, frequency: np.ndarray) -> np.ndarray:
    return (rng.random((2, *frequency.shape)) < frequency).sum(axis=0).astype(np.int8)


def strangers(seed: int, people: int, variants: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw(rng, np.broadcast_to(rng.uniform(0.1, 0.5, variants), (people, variants)))


# ---- missing calls


@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.floats(0.15, 0.9))
def test_bad_samples_cost_no_variants(make_set, seed, bad, share):
    """Against the rule in numpy: who lacks more than 20 % does not count, unless above 10 % do."""
    rng = np.random.default_rng(seed)
    dosages = strangers(seed, 44, 250)
    dosages[rng.random(dosages.shape) < 0.01] = -1
    dosages[:bad][rng.random((bad, 250)) < share] = -1
    dosages[20:26, :5] = -1  # failed probes leave in any case
    poor = (dosages < 0).mean(axis=1) > 0.2
    judges = dosages if poor.mean() > 0.1 else dosages[~poor]
    leaving = {f"rs{j}" for j in np.flatnonzero((judges < 0).mean(axis=0) > 0.05)}
    with tempfile.TemporaryDirectory() as name:
        prefix = make_set(Path(name) / "s", dosages, bim=genome(250)).prefix
        if len(leaving) == 250:
            with pytest.raises(GenotypeFileError, match="all 250 variants have more than"):
                merge(Path(name), prefix)
            return
        summary = merge(Path(name), prefix)
        assert set(left(Path(name) / "work" / "merge.attrition.tsv")["id"]) == leaving
    assert leaving >= {f"rs{j}" for j in range(5)}
    expected = "count when variants are judged" if poor.mean() > 0.1 else "do not count"
    assert any(expected in note for note in summary["notes"]) == bool(poor.any())


def test_three_bad_samples_leave_and_the_variants_stay(make_set, tmp_path):
    dosages = strangers(3, 40, 1500)
    dosages[:3][np.random.default_rng(3).random((3, 1500)) < 0.6] = -1
    out, _ = people_of(tmp_path, make_set(tmp_path / "s", dosages, bim=genome(1500)).prefix)
    assert out["id"].tolist() == ["P0", "P1", "P2"] and set(out["step"]) == {"person missingness"}
    assert left(tmp_path / "work" / "merge.attrition.tsv").empty


# ---- heterozygosity


def two_ancestries(seed: int, sizes: tuple[int, int, int], variants: int = 1500) -> np.ndarray:
    """People of a varied population, of one with less variation, and of both in any proportion."""
    rng = np.random.default_rng(seed)
    varied = rng.uniform(0.15, 0.85, variants)
    narrow = np.clip(
        np.where(rng.random(variants) < 0.5, varied, rng.beta(0.5, 0.5, variants)), 0.02, 0.98
    )
    first, second, mixed = sizes
    share = rng.uniform(0.2, 0.8, (mixed, 1))
    frequency = np.vstack(
        [
            np.broadcast_to(varied, (first, variants)),
            np.broadcast_to(narrow, (second, variants)),
            share * varied + (1 - share) * narrow,
        ]
    )
    return draw(rng, frequency)


@pytest.mark.parametrize(
    ("seed", "sizes"), [(1, (150, 50, 30)), (2, (60, 60, 20)), (3, (30, 22, 0))]
)
def test_heterozygosity_is_judged_given_ancestry(make_set, tmp_path, seed, sizes):
    """Contaminated and inbred people of either ancestry leave; admixed ones stay."""
    rng = np.random.default_rng(100 + seed)
    dosages = two_ancestries(seed, sizes)
    planted = {3: "too heterozygous", sizes[0] + 3: "too heterozygous", 8: "too homozygous"}
    for person, reason in planted.items():
        changed = rng.random(dosages.shape[1]) < 0.25
        if reason == "too heterozygous":
            dosages[person, changed] = 1
        else:
            # Both haplotypes are one of the two.
            dosages[person, changed] = 2 * (
                rng.random(changed.sum()) < dosages[person, changed] / 2
            )
    out, _ = people_of(
        tmp_path,
        make_set(tmp_path / "s", dosages, bim=genome(dosages.shape[1])).prefix,
        kinship=0.45,
        duplicate_kinship=0.45,
    )
    out = out[out["step"] == "heterozygosity"]
    reasons = dict(zip(out["id"], out["reason"], strict=True))
    assert {f"P{person}": reason for person, reason in planted.items()}.items() <= reasons.items()
    # Three SDs of a normal distribution: 0.3 % of people.
    assert len(reasons) <= len(planted) + 3


def test_two_populations_are_two_groups_however_wide_the_noise_is(make_set, tmp_path):
    """Unscaled, the second component, of noise, is as wide as the first and splits a population."""
    dosages = two_ancestries(1, (150, 60, 0))
    section = GenotypesSection.parse({"inputs": [str(tmp_path / "s")]})
    merge(tmp_path, make_set(tmp_path / "s", dosages, bim=genome(1500)).prefix)
    filter_participants(section, tmp_path / "work", Plink())
    filter_variants(section, tmp_path / "work", Plink())
    compute_components(section, tmp_path / "work", Plink(), 1)
    table = pd.read_csv(tmp_path / "components.tsv", sep="\t")
    first = table["id"].str[1:].astype(int) < 150
    points = table[["PC1", "PC2"]].to_numpy()
    for seed in range(10):
        groups = separate_groups(points, lambda count, seed=seed: 100 * seed + count)
        assert (groups == np.where(first, 0, 1)).all()


# ---- kinship


@pytest.mark.parametrize("variants", [200, 1200])
def test_the_error_of_kinship_is_as_stated(make_set, tmp_path, variants):
    """KING of strangers, computed by PLINK 2, against 0.866 / sqrt(M)."""
    fileset = make_set(tmp_path / "s", strangers(4, 60, variants), bim=genome(variants))
    Plink().run(
        "2",
        ["--bfile", "s", "--make-king-table"],
        out="king",
        folder=tmp_path,
        people=[row[1] for row in fileset.fam],
        variants=[row[1] for row in fileset.bim],
    )
    kinship = pd.read_csv(tmp_path / "king.kin0", sep="\t")["KINSHIP"]
    bound = STRANGERS / np.sqrt(variants)
    # Whoever of two has fewer heterozygous calls counts: it spreads more below 0 than above.
    assert 0.6 < float(np.quantile(kinship, 0.99)) / (norm.isf(0.01) * bound) < 1.05
    assert int((kinship > norm.isf(1 / len(kinship)) * bound).sum()) <= 3


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 12, 30, 120, 500]))
def test_few_variants_make_nobody_kin_or_copy(make_set, seed, variants):
    """Four variants made copies of 241 of 330 people."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fileset = make_set(folder / "s", strangers(seed, 150, variants), bim=genome(variants))
        out, summary = people_of(folder, fileset.prefix, heterozygosity_sd=9.0)
        assert not (out["step"] == "duplicate").any()
        duplicates = variants >= least_variants(0.354, 150)
        note_start = (
            "kinship was not judged" if duplicates else "kinship and duplicates were not judged"
        )
        assert any(note.startswith(note_start) for note in summary["notes"])
        assert not summary["pairs"]


def test_a_person_of_two_sets_keeps_one_copy_where_genomes_cannot_be_compared(make_set, tmp_path):
    dosages = strangers(6, 60, 40)
    second = dosages.copy()
    second[5, :1] = -1
    first_set = make_set(tmp_path / "one", dosages[:40], bim=genome(40))
    fam = [(f"F{i}", f"P{i}", "0", "0", "0", "-9") for i in range(30, 60)]
    second_set = make_set(tmp_path / "two", second[30:], fam=fam, bim=genome(40))
    out, summary = people_of(
        tmp_path, first_set.prefix, second_set.prefix, heterozygosity_sd=9.0, keep_ambiguous=True
    )
    assert set(out["reason"].str.partition(":")[0]) == {"same identifier"}
    assert len(out) == 10 and summary["people"] == 60


def chain(seed: int, people: int, tied: int) -> np.ndarray:
    """People of whom each of the first ones has a haplotype of the one before."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.1, 0.5, 1600)
    haplotypes = rng.random((2, people, 1600)) < frequency
    for person in range(1, tied):
        haplotypes[0, person] = haplotypes[1, person - 1]
    return haplotypes.sum(axis=0).astype(np.int8)


def test_chains_of_kin_that_take_in_most_people_stop_the_run(make_set, tmp_path):
    fileset = make_set(tmp_path / "s", chain(7, 60, 40), bim=genome(1600))
    with pytest.raises(GenotypeFileError, match="40 of 60 people hang together") as caught:
        people_of(tmp_path / "a", fileset.prefix)
    for remedy in ({"kinship": 0.354}, {"most_lost": 1.0}):
        assert all(
            f"genotypes.{key}: {value}" in caught.value.next_step for key, value in remedy.items()
        )
        _, summary = people_of(tmp_path / str(remedy), fileset.prefix, **remedy)
        assert summary["people"] > 50
    # A pedigree that the .fam tells of is none of chance.
    fam = [("family" if i < 40 else f"F{i}", f"P{i}", "0", "0", "0", "-9") for i in range(60)]
    declared = make_set(tmp_path / "told", fileset.dosages, fam=fam, bim=genome(1600))
    assert people_of(tmp_path / "b", declared.prefix)[1]["people"] > 50


def test_most_people_as_copies_of_others_stop_the_run(make_set, tmp_path):
    dosages = strangers(8, 60, 400)
    dosages[:40] = dosages[0]
    fileset = make_set(tmp_path / "s", dosages, bim=genome(400))
    settings_ = {"heterozygosity_sd": 20.0}
    with pytest.raises(GenotypeFileError, match="39 of 60 people would leave as copies") as caught:
        people_of(tmp_path / "a", fileset.prefix, **settings_)
    assert "genotypes.most_lost: 1.0" in caught.value.next_step
    out, _ = people_of(tmp_path / "b", fileset.prefix, most_lost=1.0, **settings_)
    assert (out["step"] == "duplicate").sum() == 39


# ---- sets that do not fit


def two_sets(make_set, folder: Path, change) -> tuple[Path, Path]:
    """Two sets of other people; `change` alters the .bim rows of the second."""
    dosages = strangers(9, 40, 100)
    fam = [(f"G{i}", f"Q{i}", "0", "0", "0", "-9") for i in range(20)]
    bim = [change(j, list(row)) for j, row in enumerate(genome(100))]
    first_set = make_set(folder / "one", dosages[:20], bim=genome(100))
    return first_set.prefix, make_set(folder / "two", dosages[20:], fam=fam, bim=bim).prefix


def test_sets_that_share_few_names_are_refused_and_named_alike_as_it_says(make_set, tmp_path):
    sets = two_sets(
        make_set, tmp_path, lambda j, row: [row[0], row[1] if j < 3 else f"x{j}", *row[2:]]
    )
    with pytest.raises(GenotypeFileError, match=r"share 3: 3\.0% of the smallest") as caught:
        merge(tmp_path / "a", *sets)
    for prefix in sets:
        carry_out(caught.value, SET=str(prefix))
    summary = merge(tmp_path / "b", *(Path(f"{prefix}.named") for prefix in sets))
    assert summary["retained"] == 100
    assert merge(tmp_path / "c", *sets, minimum_shared=0.01)["retained"] == 3


def test_sets_of_other_positions_or_alleles_are_refused(make_set, tmp_path):
    moved = two_sets(
        make_set, tmp_path / "m", lambda _, row: [*row[:3], str(int(row[3]) + 77), *row[4:]]
    )
    with pytest.raises(
        GenotypeFileError, match=r"100 cannot be joined .*position differs"
    ) as caught:
        merge(tmp_path / "a", *moved)
    assert "genotypes.lift" in caught.value.next_step
    numbers = two_sets(make_set, tmp_path / "n", lambda _, row: [*row[:4], "1", "2"])
    with pytest.raises(GenotypeFileError, match=r"100 cannot be joined .*alleles differ") as caught:
        merge(tmp_path / "b", *numbers)
    table = tmp_path / "alleles.txt"
    table.write_text("".join(f"rs{j} 1 2 A G\n" for j in range(100)))
    carry_out(caught.value, SET=str(numbers[1]), TABLE=str(table))
    assert merge(tmp_path / "c", numbers[0], Path(f"{numbers[1]}.bases"))["retained"] == 100


def test_x_alone_is_refused_until_autosomes_are_given_as_it_says(make_set, tmp_path):
    rng = np.random.default_rng(10)
    sex = np.arange(60) % 2 + 1
    dosages = strangers(10, 60, 120)
    dosages[sex == 1] = 2 * rng.integers(0, 2, (30, 120))
    fam = [("0", f"S{i}", "0", "0", str(sex[i]), "-9") for i in range(60)]
    bim = [["X", f"x{j}", "0", str(5_000_000 + 100_000 * j), "A", "G"] for j in range(120)]
    fileset = make_set(tmp_path / "s", dosages, fam=fam, bim=bim)
    # Later steps read autosomes only, whatever is kept of X.
    for keep in (True, False):
        with pytest.raises(GenotypeFileError, match="none of 120 usable variants") as caught:
            merge(tmp_path / f"a{keep}", fileset.prefix, keep_autosomes_only=keep)
    assert caught.value.next_step.startswith("give the files of the autosomes too")
    autosome = [["1", f"a{j}", "0", str(1000 * (j + 1)), "A", "G"] for j in range(120)]
    autosomal = make_set(tmp_path / "t", strangers(11, 60, 120), fam=fam, bim=autosome)
    section = {"inputs": [str(fileset.prefix), str(autosomal.prefix)]}
    merge(tmp_path / "b", *section["inputs"])
    options = json.dumps(section)
    filter_.callback(options=options, threads=1, memory=900, work=tmp_path / "b" / "work", seed=1)
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["variants"]["kept"] > 100 and summary["participants"]["kept"] > 50
    # A choice of chromosomes is its own cause.
    with pytest.raises(GenotypeFileError, match="none of 120 usable variants") as caught:
        merge(tmp_path / "c", *section["inputs"], chromosomes=["2"])
    assert caught.value.next_step.startswith("name autosomes of the files in genotypes.chromos")
    merge(tmp_path / "d", *section["inputs"], chromosomes=["1"])

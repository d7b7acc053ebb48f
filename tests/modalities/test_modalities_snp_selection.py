"""Which SNPs enter a fold: stretches left out, a locus of a method's own, thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import PLANTED_GENE, PLANTED_SNP
from gendmr.cohort.view import FoldView
from gendmr.config.methods import OwnSnps
from gendmr.config.training import MethodOptions, SelectionSection
from gendmr.statistics.association import Packed, hwe, impute, score_test
from gendmr.preprocessing.preparation import Preparation
from gendmr.modalities.snp.selection import Candidates, within

APOE = "19:1-2000000"  # where the factory puts it


def prepare(cohort: Path, method: dict[str, Any], **selection: Any) -> Preparation:
    options = {"method": method, "adjustment": {"components": 2}, "selection": selection}
    return Preparation.fit(FoldView.open(cohort, 0, 0), MethodOptions.parse(options))


def table(snps: int, chromosome: str = "1") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "snp": [f"rs{number}" for number in range(snps)],
            "chromosome": chromosome,
            "position": 1000 * (1 + np.arange(snps)),
            "gene": "",
            "distance": np.nan,
        }
    )


def genotypes(people: int, snps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).binomial(2, 0.3, (people, snps)).astype(np.int8)


@pytest.mark.parametrize("kind", ["gendmr", "ridge", "polygenic"])
@pytest.mark.parametrize("mode", ["genes", "fold_association", "both"])
def test_snps_of_an_excluded_stretch_never_enter(cohort: Path, kind: str, mode: str) -> None:
    whole = prepare(cohort, {"kind": kind}, mode=mode)
    without = prepare(cohort, {"kind": kind, "exclude": [APOE]}, mode=mode)
    inside = within(whole.snps, APOE)
    assert inside.any() and PLANTED_GENE in set(whole.snps["gene"][inside])
    assert not within(without.snps, APOE).any() and len(without.snps)
    assert whole.selection["excluded"] == 0
    assert without.selection["excluded"] >= inside.sum()
    assert f"does not see the {without.selection['excluded']} SNPs of {APOE}" in " ".join(
        without.notes
    )
    # Ancestry is that of the whole genome, whatever a method is allowed to see.
    for name, value in whole.tensors().items():
        if "component" in name:
            np.testing.assert_array_equal(value, without.tensors()[name])


def test_an_excluded_snp_gives_its_place_to_the_next(cohort: Path) -> None:
    options = {"mode": "fold_association", "maximum": 10}
    whole = prepare(cohort, {"kind": "ridge"}, **options)
    assert PLANTED_SNP in set(whole.snps["snp"])
    without = prepare(cohort, {"kind": "ridge", "exclude": [APOE]}, **options)
    assert len(without.snps) == len(whole.snps) == 10


def test_a_stretch_on_a_chromosome_that_is_not_there_is_noted(cohort: Path) -> None:
    found = prepare(cohort, {"kind": "ridge", "exclude": ["X:1-1000", APOE]})
    notes = " ".join(found.notes)
    assert "X:1-1000 excludes nothing: the cohort has no SNP on chromosome X" in notes
    assert found.selection["excluded"] > 0


def test_stretches_are_closed_and_read_with_any_name_of_the_chromosome() -> None:
    snps = table(5, chromosome="9")
    assert within(snps, "9:2000-4000").tolist() == [False, True, True, True, False]
    assert within(snps, "chr9:2001-3999").sum() == within(snps, "09:2001-3999").sum() == 1
    assert not within(snps, "19:1-100000").any()


def test_a_locus_of_its_own_needs_no_gene_and_is_not_pruned() -> None:
    dosage = genotypes(50, 6)
    dosage[:, 2] = dosage[:, 1]  # in full linkage disequilibrium
    dosage[:, 3] = 0  # constant
    diagnosis = np.arange(50) % 2
    nobody = np.zeros(6, dtype=bool)
    options = SelectionSection()
    shared = Candidates.find(dosage, table(6), options, nobody)
    assert not shared.select(dosage, diagnosis).columns.size
    own = OwnSnps("1:2000-5000", ())
    found = Candidates.find(dosage, table(6), options, nobody, own).select(dosage, diagnosis)
    assert found.columns.tolist() == [1, 2, 4]
    assert found.counts["in_locus"] == 4 and found.counts["constant"] == 1
    excluded = within(table(6), "1:2000-2000")
    found = Candidates.find(dosage, table(6), options, excluded, own).select(dosage, diagnosis)
    assert found.columns.tolist() == [2, 4] and found.counts["excluded"] == 1


def test_named_snps_pass_thresholds_but_must_vary() -> None:
    dosage = genotypes(60, 4)
    dosage[:, 0] = 0
    dosage[7, 0] = 1  # rarer than the smallest frequency
    dosage[:50, 1] = -1  # mostly missing
    dosage[:, 2] = 1  # heterozygous in everybody: half the alleles, and no variation
    diagnosis = np.arange(60) % 2
    options = SelectionSection(maf=0.05)
    nobody = np.zeros(4, dtype=bool)
    named = OwnSnps("2:1-1", ("rs0", "rs1", "rs2", "rs9"))
    found = Candidates.find(dosage, table(4), options, nobody, named).select(dosage, diagnosis)
    assert found.columns.tolist() == [0, 1]
    unnamed = OwnSnps("1:1-5000", ())
    found = Candidates.find(dosage, table(4), options, nobody, unnamed).select(dosage, diagnosis)
    assert found.columns.tolist() == [3]
    counts = found.counts
    assert (counts["too_rare"], counts["too_often_missing"], counts["constant"]) == (1, 1, 1)


@pytest.mark.parametrize("maximum", [5, 40])
def test_the_strongest_are_those_of_a_look_at_everything(maximum: int) -> None:
    """Looking no further than needed selects what thresholds, then pruning of all would."""
    random = np.random.default_rng(0)
    dosage = np.repeat(genotypes(80, 60), 2, axis=1)  # each SNP has a copy
    dosage[random.uniform(size=dosage.shape) < 0.02] = -1
    dosage[:, 7] = np.where(dosage[:, 7] == 0, 0, 1)  # too many heterozygous
    diagnosis = (random.uniform(size=80) < 0.5).astype(int)
    options = SelectionSection(mode="fold_association", maximum=maximum, hwe=0.01)
    candidates = Candidates.find(dosage, table(120), options, np.zeros(120, dtype=bool))
    strength = np.abs(score_test(dosage, diagnosis, np.zeros((80, 0)))[0][candidates.columns, 0])
    found = candidates.select(dosage, diagnosis, strength)
    kept: list[int] = []
    for place in np.lexsort((np.arange(strength.size), -strength)):
        column = candidates.columns[place]
        if hwe(dosage[diagnosis == 0][:, [column]])[0] < options.hwe:
            continue
        filled = [impute(dosage[:, [one]])[:, 0] for one in (*kept, column)]
        near = [np.corrcoef(filled[-1], other)[0, 1] ** 2 for other in filled[:-1]]
        if all(value <= options.r2 for value in near) and len(kept) < maximum:
            kept.append(int(column))
    assert found.columns.tolist() == sorted(kept)
    assert found.counts["selected"] == len(kept) and (maximum == 5) == (len(kept) == 5)


@settings(max_examples=15, deadline=None)
@given(people=st.integers(8, 40), snps=st.integers(1, 30), seed=st.integers(0, 999))
def test_packed_genotypes_give_the_plain_test(people: int, snps: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    dosage = genotypes(people, snps, seed)
    dosage[random.uniform(size=dosage.shape) < 0.1] = -1
    dosage[:, 0] = 1
    packed = Packed.pack(dosage)
    there = dosage >= 0
    np.testing.assert_array_equal((packed.decode(0, snps).T + 1)[there], dosage[there])
    filled = impute(dosage)
    np.testing.assert_allclose(
        (packed.decode(0, snps).T + 1)[there.any(axis=0) & ~there],
        filled[there.any(axis=0) & ~there],
        atol=1e-5,
    )
    phenotypes = random.normal(size=(people, 3))
    covariates = random.normal(size=(people, int(random.integers(0, 4))))
    expected, _ = score_test(dosage, phenotypes, covariates)
    np.testing.assert_allclose(
        packed.associate(phenotypes, covariates), expected, rtol=1e-3, atol=2e-3
    )

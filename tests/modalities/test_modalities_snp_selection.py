"""Which SNPs enter a fold: intervals left out, a locus of a method's own, thresholds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from factories import PLANTED_GENE, PLANTED_SNP
from gendmr.cohort.view import FoldView
from gendmr.config.modalities.snp import SelectionSection, SnpOverride
from gendmr.modalities.snp.selection import Candidates, GenotypeCounts, within
from gendmr.preprocessing.preparation import Preparation
from gendmr.statistics.association import impute, score_test
from gendmr.statistics.genotypes import PackedGenotypes
from gendmr.statistics.hardy_weinberg import genotype_counts, hardy_weinberg_test
from studies import slice_of

APOE = "19:1-2000000"  # where the factory puts it
OpenView = Callable[..., FoldView]


@pytest.fixture
def prepare(open_view: OpenView) -> Callable[..., Preparation]:
    """Prepare the first fold: ``prepare({"kind": "ridge"}, mode="both")``."""

    def prepared(method: dict[str, Any], **selection: Any) -> Preparation:
        options = slice_of(method, modalities={"snp": {"selection": selection}})
        return Preparation.fit(open_view(modalities=tuple(options.modalities)), options)

    return prepared


def names(preparation: Preparation) -> pd.DataFrame:
    return preparation.instances("snp")


def table(snps: int, chromosome: str = "1", gene: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "snp": [f"rs{number}" for number in range(snps)],
            "chromosome": chromosome,
            "position": 1000 * (1 + np.arange(snps)),
            "gene": gene,
            "distance": np.nan,
        }
    )


def genotypes(people: int, snps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).binomial(2, 0.3, (people, snps)).astype(np.int8)


def find(
    dosage: np.ndarray,
    snps: pd.DataFrame,
    options: SelectionSection,
    excluded: np.ndarray | None = None,
    override: SnpOverride | None = None,
) -> Candidates:
    return Candidates.find(
        snps,
        GenotypeCounts(genotype_counts(dosage), len(dosage)),
        lambda columns: PackedGenotypes.pack(dosage[:, columns]),
        options,
        np.zeros(len(snps), dtype=bool) if excluded is None else excluded,
        override,
    )


@pytest.mark.parametrize("kind", ["association", "ridge", "polygenic"])
@pytest.mark.parametrize("mode", ["genes", "fold_association", "both"])
def test_snps_of_an_excluded_interval_never_enter(prepare: Any, kind: str, mode: str) -> None:
    whole = prepare({"kind": kind}, mode=mode)
    without = prepare({"kind": kind, "exclude": [APOE]}, mode=mode)
    inside = within(names(whole), APOE)
    assert inside.any() and PLANTED_GENE in set(names(whole)["gene"][inside])
    assert not within(names(without), APOE).any() and len(names(without))
    excluded = without.counts["snp"]["excluded"]
    assert whole.counts["snp"]["excluded"] == 0 and excluded >= inside.sum()
    assert f"does not see the {excluded} SNPs of {APOE}" in " ".join(without.notes)
    # Ancestry is that of the whole genome, whatever a method is allowed to see.
    for name, value in whole.tensors().items():
        if "component" in name:
            np.testing.assert_array_equal(value, without.tensors()[name])


def test_an_excluded_snp_gives_its_place_to_the_next(prepare: Any) -> None:
    options = {"mode": "fold_association", "maximum": 10}
    whole = prepare({"kind": "ridge"}, **options)
    assert PLANTED_SNP in set(names(whole)["snp"])
    without = prepare({"kind": "ridge", "exclude": [APOE]}, **options)
    assert len(names(without)) == len(names(whole)) == 10


def test_an_interval_on_a_chromosome_that_is_not_there_is_noted(prepare: Any) -> None:
    preparation = prepare({"kind": "ridge", "exclude": ["X:1-1000", APOE]})
    notes = " ".join(preparation.notes)
    assert "X:1-1000 excludes nothing: the cohort has no SNP on chromosome X" in notes
    assert preparation.counts["snp"]["excluded"] > 0


def test_intervals_are_closed_and_read_with_any_name_of_the_chromosome() -> None:
    snps = table(5, chromosome="9")
    assert within(snps, "9:2000-4000").tolist() == [False, True, True, True, False]
    assert within(snps, "chr9:2001-3999").sum() == within(snps, "09:2001-3999").sum() == 1
    assert not within(snps, "19:1-100000").any()


def test_a_locus_of_its_own_needs_no_gene_and_is_not_pruned() -> None:
    dosage = genotypes(50, 6)
    dosage[:, 2] = dosage[:, 1]  # in full linkage disequilibrium
    dosage[:, 3] = 0  # constant
    controls = np.arange(50) % 2 == 0
    options = SelectionSection()
    assert not find(dosage, table(6), options).select(controls).columns.size
    override = SnpOverride(interval="1:2000-5000")
    selection = find(dosage, table(6), options, override=override).select(controls)
    assert selection.columns.tolist() == [1, 2, 4]
    assert selection.counts["in_locus"] == 4 and selection.counts["constant"] == 1
    excluded = within(table(6), "1:2000-2000")
    selection = find(dosage, table(6), options, excluded, override).select(controls)
    assert selection.columns.tolist() == [2, 4] and selection.counts["excluded"] == 1


def test_named_snps_pass_thresholds_but_must_vary() -> None:
    dosage = genotypes(60, 4)
    dosage[:, 0] = 0
    dosage[7, 0] = 1  # rarer than the smallest frequency
    dosage[:50, 1] = -1  # mostly missing
    dosage[:, 2] = 1  # heterozygous in everybody: half the alleles, and no variation
    controls = np.arange(60) % 2 == 0
    options = SelectionSection(maf=0.05)
    named = SnpOverride(interval="2:1-1", names=("rs0", "rs1", "rs2", "rs9"))
    selection = find(dosage, table(4), options, override=named).select(controls)
    assert selection.columns.tolist() == [0, 1]
    unnamed = SnpOverride(interval="1:1-5000")
    selection = find(dosage, table(4), options, override=unnamed).select(controls)
    assert selection.columns.tolist() == [3]
    counts = selection.counts
    assert (counts["too_rare"], counts["too_often_missing"], counts["constant"]) == (1, 1, 1)


@pytest.mark.parametrize("maximum", [5, 40])
def test_the_strongest_are_those_of_a_look_at_everything(maximum: int) -> None:
    """Looking no further than needed selects what thresholds, then pruning of all would."""
    random = np.random.default_rng(0)
    dosage = np.repeat(genotypes(80, 60), 2, axis=1)  # each SNP has a copy
    dosage[random.uniform(size=dosage.shape) < 0.02] = -1
    dosage[:, 7] = np.where(dosage[:, 7] == 0, 0, 1)  # too many heterozygous
    case = (random.uniform(size=80) < 0.5).astype(int)
    options = SelectionSection(mode="fold_association", maximum=maximum, hwe=0.01)
    candidates = find(dosage, table(120), options)
    strength = np.abs(score_test(dosage, case, np.zeros((80, 0)))[0][candidates.columns, 0])
    selection = candidates.select(case == 0, strength)
    selected: list[int] = []
    for place in np.lexsort((np.arange(strength.size), -strength)):
        column = candidates.columns[place]
        carriers = genotype_counts(dosage[case == 0][:, [column]])
        if hardy_weinberg_test(carriers)[0] < options.hwe:
            continue
        filled = [impute(dosage[:, [snp]])[:, 0] for snp in (*selected, column)]
        near = [np.corrcoef(filled[-1], neighbour)[0, 1] ** 2 for neighbour in filled[:-1]]
        if all(value <= options.r2 for value in near) and len(selected) < maximum:
            selected.append(int(column))
    assert selection.columns.tolist() == sorted(selected)
    assert selection.counts["selected"] == len(selected) and (maximum == 5) == (len(selected) == 5)


def test_genes_take_turns_and_the_nearest_snps_go_first() -> None:
    dosage = genotypes(60, 6)
    snps = table(6).assign(
        gene=["A", "A", "A", "B", "", "A;B"], distance=[5.0, -1.0, 0.0, 900.0, np.nan, 3.0]
    )
    everybody = np.ones(60, dtype=bool)

    def chosen(**options: Any) -> list[int]:
        section = SelectionSection(hwe=0.0, r2=1.0, **options)
        return find(dosage, snps, section).select(everybody).columns.tolist()

    assert chosen() == [0, 1, 2, 3, 5]
    assert chosen(per_gene=1) == [2, 5]  # the SNP of both counts for B, which has none so far
    assert chosen(maximum=3) == [1, 2, 5]
    assert chosen(genes=("B",)) == [3, 5]
    assert chosen(genes=("B",), per_gene=1) == [5]
    assert chosen(genes=("C",)) == []


@pytest.mark.parametrize("outcome", ["diagnosis", "stage", "memory", "conversion"])
def test_selection_by_association_goes_by_the_tests_of_the_outcome(
    cohort: Path, tmp_path: Path, outcome: str
) -> None:
    from gendmr.tasks import task_of
    from planted_outcomes import add_outcomes

    folder = add_outcomes(cohort, tmp_path / "cohort")
    selection = {"mode": "fold_association", "maximum": 6, "r2": 1.0, "hwe": 0.0}
    options = slice_of(
        {"kind": "ridge", "reads": ["snp"]}, outcome=outcome,
        modalities={"snp": {"selection": selection}},
    )  # fmt: skip
    task = task_of(outcome, options.task)
    view = FoldView.open(folder, 0, 0, task=task, modalities=("snp",))
    preparation = Preparation.fit(view, options)
    train = view.train
    covariates = preparation.apply(train).covariates[train.present["snp"]]
    genotyped = train.outcome.take(train.present["snp"])
    dosage = train.having("snp").array("snp", "dosage")
    phenotypes = task.fit(train.outcome).phenotypes(genotyped, covariates)
    z = np.abs(score_test(dosage, phenotypes, covariates)[0]).max(axis=1)
    counts = GenotypeCounts(genotype_counts(dosage), len(dosage))
    z[(counts.minor < 0.01) | (counts.called < 0.9)] = 0
    best = np.sort(np.argsort(-z)[:6])
    columns = preparation.transforms["snp"].columns
    assert columns.tolist() == best.tolist()
    assert preparation.counts["snp"]["over_maximum"] == 120 - 6

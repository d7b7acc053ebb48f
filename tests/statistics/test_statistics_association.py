"""Matrix products against slow obvious twins and against PLINK."""

from __future__ import annotations

import shutil
import subprocess
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics.association import Phenotypes, hwe, score_test, score_tests
from gendmr.statistics.components import Components
from gendmr.statistics.linkage import Linkage, prune

BASES = {0: 0b11, 1: 0b10, 2: 0b00, -1: 0b01}


def write_plink(prefix: Path, dosage: np.ndarray) -> None:
    people, snps = dosage.shape
    packed = np.zeros((snps, (people + 3) // 4), dtype=np.uint8)
    for person in range(people):
        for snp in range(snps):
            packed[snp, person // 4] |= BASES[int(dosage[person, snp])] << (2 * (person % 4))
    prefix.with_suffix(".bed").write_bytes(bytes([0x6C, 0x1B, 0x01]) + packed.tobytes())
    prefix.with_suffix(".bim").write_text(
        "".join(f"1\tsnp{j}\t0\t{1000 + j}\tA\tG\n" for j in range(snps))
    )
    prefix.with_suffix(".fam").write_text("".join(f"p{i} p{i} 0 0 1 -9\n" for i in range(people)))


def genotypes(people: int, snps: int, seed: int, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    dosage = random.binomial(2, random.uniform(0.1, 0.5, snps), (people, snps)).astype(np.int8)
    dosage[random.uniform(size=dosage.shape) < missing] = -1
    return dosage


def slow_t(snp: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> float:
    """The t statistic of ordinary least squares, one SNP at a time."""
    filled = np.where(snp < 0, snp[snp >= 0].mean(), snp)
    design = np.column_stack([np.ones(len(y)), covariates, filled])
    beta, _, _, _ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ beta
    variance = residual @ residual / (len(y) - design.shape[1])
    return float(beta[-1] / np.sqrt(variance * np.linalg.inv(design.T @ design)[-1, -1]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), covariates=st.integers(0, 3))
def test_score_test_is_the_regression_it_stands_for(seed: int, covariates: int) -> None:
    random = np.random.default_rng(seed)
    dosage = genotypes(40, 6, seed, missing=0.05)
    design = random.normal(size=(40, covariates))
    y = (random.uniform(size=40) < 0.5).astype(float)
    y[:2] = 0, 1
    z, t = score_test(dosage, y, design)
    expected = np.array([slow_t(dosage[:, j], y, design) for j in range(6)])
    np.testing.assert_allclose(t[:, 0], expected, rtol=1e-8, atol=1e-8)
    free = 40 - covariates - 1
    r = t / np.sqrt(t**2 + free - 1)
    np.testing.assert_allclose(z, r * np.sqrt(free), rtol=1e-8, atol=1e-8)


def test_flipping_the_allele_flips_the_sign() -> None:
    dosage = genotypes(50, 8, 1)
    y = np.arange(50) % 2
    z, _ = score_test(dosage, y, np.zeros((50, 0)))
    flipped, _ = score_test((2 - dosage).astype(np.int8), y, np.zeros((50, 0)))
    np.testing.assert_allclose(z, -flipped, atol=1e-12)


def test_what_does_not_vary_beyond_the_covariates_gets_zero() -> None:
    dosage = genotypes(50, 3, 2)
    dosage[:, 0] = 1
    dosage[:, 1] = -1
    y = np.arange(50) % 2
    z, _ = score_test(dosage, np.column_stack([y, np.ones(50)]), np.zeros((50, 0)))
    assert (z[:2] == 0).all() and (z[:, 1] == 0).all() and z[2, 0] != 0
    explained, _ = score_test(dosage, y, dosage[:, 2:].astype(float))
    assert explained[2, 0] == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(3, 60), min_size=1, max_size=4))
def test_many_tests_at_once_are_the_tests_one_by_one(seed: int, sizes: list[int]) -> None:
    random = np.random.default_rng(seed)
    dosage = genotypes(60, 9, seed, missing=0.1)
    dosage[:, 0] = 1
    tests, expected = [], []
    for size in sizes:
        inside = np.zeros(60, dtype=bool)
        inside[random.permutation(60)[:size]] = True
        values = random.normal(size=(size, 2))
        values[:, 1] = 3.0
        covariates = random.normal(size=(size, int(random.integers(0, 4))))
        tests.append(Phenotypes(inside, values, covariates))
        expected.append(score_test(dosage[inside], values, covariates)[0])
    for found, slow in zip(score_tests(dosage, tests), expected, strict=True):
        np.testing.assert_allclose(found, slow, rtol=1e-8, atol=1e-8)
        assert (found[0] == 0).all() and (found[:, 1] == 0).all()


@pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not on the PATH")
def test_agreement_with_plink(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    dosage = genotypes(90, 20, 3)
    dosage[:, 0] = np.where(random.uniform(size=90) < 0.5, 0, 2)  # far from equilibrium
    covariate = random.normal(size=90)
    y = random.normal(size=90) + 0.5 * dosage[:, 4]
    write_plink(tmp_path / "data", dosage)
    rows = [f"p{i} p{i} {y[i]:.12g} {covariate[i]:.12g}" for i in range(90)]
    (tmp_path / "both.tsv").write_text("#FID IID Y C\n" + "\n".join(rows) + "\n")
    for action in (
        ["--pheno", "both.tsv", "--pheno-name", "Y", "--covar", "both.tsv", "--covar-name", "C",
         "--glm", "hide-covar"],
        ["--hardy"],
    ):  # fmt: skip
        subprocess.run(
            ["plink2", "--bfile", "data", "--threads", "1", "--out", "out", *action],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    table = pd.read_csv(tmp_path / "out.Y.glm.linear", sep="\t")
    _, t = score_test(dosage, y, covariate[:, None])
    sign = np.where(table["A1"] == "A", 1, -1)
    np.testing.assert_allclose(t[:, 0], sign * table["T_STAT"], rtol=1e-4, atol=1e-4)
    hardy = pd.read_csv(tmp_path / "out.hardy", sep="\t")
    np.testing.assert_allclose(hwe(dosage), hardy["P"], rtol=1e-4)


def slow_hwe(homozygous: int, het: int, other: int) -> float:
    """Enumerate all tables with these allele counts, in whole numbers."""
    n = homozygous + het + other
    rare = 2 * homozygous + het
    weight = {}
    for count in range(rare % 2, rare + 1, 2):
        low, high = (rare - count) // 2, n - count - (rare - count) // 2
        if high >= 0:
            weight[count] = comb(n, low) * comb(n - low, count) * 2**count
    total = sum(weight.values())
    return sum(value for value in weight.values() if value <= weight[het]) / total


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12)))
def test_hwe_is_exact(counts: tuple[int, int, int]) -> None:
    column = np.repeat([2, 1, 0], counts)
    if column.size:
        dosage = column[:, None].astype(np.int8)
        assert hwe(dosage)[0] == pytest.approx(slow_hwe(*counts), rel=1e-6)


def test_hwe_of_nobody_is_one() -> None:
    assert hwe(np.full((3, 2), -1, dtype=np.int8)).tolist() == [1.0, 1.0]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), r2=st.sampled_from([0.05, 0.2, 0.8]))
def test_pruning_keeps_what_the_slow_loop_keeps(seed: int, r2: float) -> None:
    random = np.random.default_rng(seed)
    dosage = genotypes(60, 12, seed)
    dosage[:, 3], dosage[:, 9] = dosage[:, 1], dosage[:, 8]
    chromosome = random.choice(["1", "10", "2"], 12)
    position = random.integers(1, 3_000_000, 12)
    priority = random.permutation(12)
    kept: list[int] = []
    for column in np.argsort(priority):
        if all(
            chromosome[column] != chromosome[other]
            or abs(position[column] - position[other]) > 1_000_000
            or np.corrcoef(dosage[:, column], dosage[:, other])[0, 1] ** 2 <= r2
            for other in kept
        ):
            kept.append(int(column))
    assert prune(dosage, chromosome, position, priority, r2).tolist() == kept
    assert prune(dosage, chromosome, position, priority, r2, stop_after=2).tolist() == kept[:2]


def slow_prune(
    filled: np.ndarray, chromosome: np.ndarray, position: np.ndarray, order: np.ndarray, r2: float
) -> list[int]:
    kept: list[int] = []
    for index, column in enumerate(order):
        if all(
            chromosome[column] != chromosome[order[other]]
            or abs(position[column] - position[order[other]]) > 1_000_000
            or np.corrcoef(filled[:, column], filled[:, order[other]])[0, 1] ** 2 <= r2
            for other in kept
        ):
            kept.append(index)
    return kept


@pytest.mark.parametrize("snps", [1, 63, 64, 65, 200])
def test_linkage_found_once_serves_every_order(snps: int) -> None:
    random = np.random.default_rng(snps)
    dosage = genotypes(50, snps, snps, missing=0.05)
    copies = random.integers(0, snps, snps // 2)
    dosage[:, random.integers(0, snps, snps // 2)] = dosage[:, copies]
    chromosome = random.choice(["1", "2"], snps)
    position = random.integers(1, 8_000_000, snps)
    filled = np.where(dosage < 0, np.nan, dosage.astype(float))
    filled = np.where(np.isnan(filled), np.nanmean(filled, axis=0), filled)
    linkage = Linkage(dosage, chromosome, position, 0.3)
    for size in (snps, snps // 2 + 1, snps):
        order = random.permutation(snps)[:size]
        expected = slow_prune(filled, chromosome, position, order, 0.3)
        assert linkage.prune(order).tolist() == expected
        assert linkage.prune(order, 3).tolist() == expected[:3]


def test_components_find_two_populations_and_project_newcomers() -> None:
    random = np.random.default_rng(0)
    first, second = random.uniform(0.1, 0.9, (2, 300))
    group = np.arange(80) % 2
    dosage = random.binomial(2, np.where(group[:, None] == 1, first, second)).astype(np.int8)
    chromosome, position = np.full(300, "1"), np.arange(300) * 2_000_000
    fitted = Components.fit(dosage[:60], chromosome, position, count=2, r2=0.5, variants=1000)
    scores = fitted.apply(dosage[60:])[:, 0]
    assert abs(np.corrcoef(scores, group[60:])[0, 1]) > 0.95
    assert fitted.apply(dosage[:60]).std(axis=0) == pytest.approx([1, 1], rel=0.05)

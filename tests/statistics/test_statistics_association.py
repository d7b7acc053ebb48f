"""Matrix products against slow obvious twins and against PLINK."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics.association import Phenotypes, score_test, score_tests
from gendmr.statistics.hardy_weinberg import genotype_counts, hardy_weinberg_test
from made_up_genotypes import draw_genotypes

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
    dosage = draw_genotypes(40, 6, seed, missing=0.05)
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
    dosage = draw_genotypes(50, 8, 1)
    y = np.arange(50) % 2
    z, _ = score_test(dosage, y, np.zeros((50, 0)))
    flipped, _ = score_test((2 - dosage).astype(np.int8), y, np.zeros((50, 0)))
    np.testing.assert_allclose(z, -flipped, atol=1e-12)


def test_what_does_not_vary_beyond_the_covariates_gets_zero() -> None:
    dosage = draw_genotypes(50, 3, 2)
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
    dosage = draw_genotypes(60, 9, seed, missing=0.1)
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
    for statistics, slow in zip(score_tests(dosage, tests), expected, strict=True):
        np.testing.assert_allclose(statistics, slow, rtol=1e-8, atol=1e-8)
        assert (statistics[0] == 0).all() and (statistics[:, 1] == 0).all()


@pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not on the PATH")
def test_agreement_with_plink(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    dosage = draw_genotypes(90, 20, 3)
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
    np.testing.assert_allclose(hardy_weinberg_test(genotype_counts(dosage)), hardy["P"], rtol=1e-4)

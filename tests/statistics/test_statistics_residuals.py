"""Score tests of residuals of null models, against programs that fit every SNP."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from gendmr.statistics import residuals
from gendmr.statistics.association import score_test

PEOPLE, SNPS = 600, 300


@pytest.fixture(scope="module")
def cohort():
    """Genotypes, covariates and the risk of some SNPs and covariates."""
    rng = np.random.default_rng(7)
    frequency = rng.uniform(0.1, 0.5, SNPS)
    dosage = rng.binomial(2, frequency, (PEOPLE, SNPS)).astype(np.int8)
    covariates = np.column_stack([rng.normal(70, 8, PEOPLE), rng.integers(0, 2, PEOPLE)])
    effect = np.where(np.arange(SNPS) < 20, rng.normal(0, 0.15, SNPS), 0)
    linear = (dosage - 2 * frequency) @ effect + 0.05 * (covariates[:, 0] - 70) + covariates[:, 1]
    return dosage, covariates, linear - linear.mean()


def agree(ours, theirs, *, near=0.1):
    """Score and Wald statistics are the same at the null, and drift apart far from it."""
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert np.abs(ours - theirs)[np.abs(theirs) < 4].max() < near


def plink(tmp_path, cohort, phenotype):
    """Return the z of each SNP by `plink2 --glm` of a phenotype (1/2 is case-control)."""
    if not shutil.which("plink2"):
        pytest.skip("plink2 is not installed")
    dosage, covariates, _ = cohort
    people = [f"p{i}" for i in range(PEOPLE)]
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "snp": [f"rs{i}" for i in range(SNPS)],
            "position": np.arange(SNPS) + 1,
        }
    )
    write_plain(tmp_path / "set", dosage, people, variants)
    table = pd.DataFrame({"#FID": people, "IID": people, "y": phenotype})
    table.to_csv(tmp_path / "pheno", sep="\t", index=False)
    table = pd.DataFrame({"#FID": people, "IID": people, "a": covariates[:, 0]})
    table.assign(b=covariates[:, 1]).to_csv(tmp_path / "covar", sep="\t", index=False)
    subprocess.run(
        ["plink2", "--bfile", "set", "--pheno", "pheno", "--covar", "covar", "--out", "out",
         "--glm", "hide-covar", "omit-ref", "--covar-variance-standardize", "--threads", "1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = tmp_path.glob("out.y.glm.*")
    result = pd.read_csv(path, sep="\t")
    assert len(result) == SNPS and (result["A1"] == "A").all()
    return result.filter(regex="_STAT$").iloc[:, 0].to_numpy(float)


def write_plain(prefix, dosage, people, variants):
    """Write a PLINK file set whose effect allele is A."""
    # Two bits a genotype, four to a byte: 3 none, 2 one, 0 two copies of A; SNP by SNP.
    bits = np.array([3, 2, 0], dtype=np.uint8)[dosage.T]
    bits = np.pad(bits, ((0, 0), (0, -len(people) % 4)))
    packed = (bits.reshape(len(variants), -1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(
        axis=2, dtype=np.uint8
    )
    prefix.with_suffix(".bed").write_bytes(bytes([0x6C, 0x1B, 0x01]) + packed.tobytes())
    prefix.with_suffix(".fam").write_text("".join(f"{p}\t{p}\t0\t0\t1\t-9\n" for p in people))
    prefix.with_suffix(".bim").write_text(
        "".join(f"1\t{v.snp}\t0\t{v.position}\tA\tG\n" for v in variants.itertuples())
    )


def test_logistic_residuals_give_the_statistics_of_plink(cohort, tmp_path):
    dosage, covariates, linear = cohort
    case = np.random.default_rng(1).random(PEOPLE) < 1 / (1 + np.exp(-linear))
    residual = residuals.logistic_residuals(case, covariates)
    z, _ = score_test(dosage, residual, covariates)
    agree(z[:, 0], plink(tmp_path, cohort, 1 + case.astype(int)))


def test_linear_residuals_give_the_statistics_of_plink(cohort, tmp_path):
    dosage, covariates, linear = cohort
    value = linear + np.random.default_rng(2).normal(0, 1, PEOPLE)
    _, t = score_test(dosage, residuals.linear_residuals(value, covariates), covariates)
    # The same number: a linear model needs no approximation.
    assert t[:, 0] == pytest.approx(plink(tmp_path, cohort, value), abs=1e-3)


def test_martingale_residuals_give_the_statistics_of_lifelines(cohort):
    lifelines = pytest.importorskip("lifelines")

    dosage, covariates, linear = cohort
    rng = np.random.default_rng(3)
    event_at = rng.exponential(np.exp(-0.5 * linear))
    censored_at = rng.exponential(1.5, PEOPLE)
    time, event = np.minimum(event_at, censored_at), event_at <= censored_at
    residual = residuals.martingale_residuals(time, event, covariates)
    z, _ = score_test(dosage[:, :60], residual, covariates)
    expected = []
    for snp in range(60):
        table = pd.DataFrame(
            {
                "t": time,
                "e": event,
                "g": dosage[:, snp],
                "a": covariates[:, 0],
                "b": covariates[:, 1],
            }
        )
        expected.append(lifelines.CoxPHFitter().fit(table, "t", "e").summary.loc["g", "z"])
    agree(z[:, 0], np.array(expected), near=0.25)


def test_martingale_residuals_are_those_of_lifelines(cohort):
    lifelines = pytest.importorskip("lifelines")

    _, covariates, linear = cohort
    rng = np.random.default_rng(4)
    time = rng.exponential(np.exp(-linear))
    event = rng.random(PEOPLE) < 0.6
    table = pd.DataFrame({"t": time, "e": event, "a": covariates[:, 0], "b": covariates[:, 1]})
    fitter = lifelines.CoxPHFitter().fit(table, "t", "e")
    expected = fitter.compute_residuals(table, "martingale")["martingale"].sort_index()
    residual = residuals.martingale_residuals(time, event, covariates)
    assert residual == pytest.approx(expected.to_numpy(), abs=1e-4)


def test_martingale_residuals_of_tied_times_sum_to_nothing(cohort):
    _, covariates, linear = cohort
    time = np.ceil(4 * np.random.default_rng(5).exponential(np.exp(-linear)))
    event = np.random.default_rng(6).random(PEOPLE) < 0.6
    residual = residuals.martingale_residuals(time, event, covariates)
    assert residual.sum() == pytest.approx(0, abs=1e-8)
    assert covariates.T @ residual == pytest.approx(0, abs=1e-5)
    assert residual.max() < 1


def test_multinomial_residuals_are_those_of_scikit_learn(cohort):
    from sklearn.linear_model import LogisticRegression

    _, covariates, linear = cohort
    noise = np.random.default_rng(8).logistic(size=PEOPLE)
    label = np.digitize(linear + noise, [-1, 1.5])
    onehot = (label[:, None] == np.arange(4)).astype(float)  # nobody is of the last class
    residual = residuals.multinomial_residuals(onehot, covariates)
    standard = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
    model = LogisticRegression(C=1e8, tol=1e-10, max_iter=5000).fit(standard, label)
    assert residual[:, :3] == pytest.approx(onehot[:, :3] - model.predict_proba(standard), abs=1e-4)
    assert not residual[:, 3].any()
    assert residual.sum(axis=1) == pytest.approx(0, abs=1e-12)


def test_multinomial_residuals_give_the_likelihood_ratios_of_scikit_learn(cohort):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    dosage, covariates, linear = cohort
    noise = np.random.default_rng(9).logistic(size=PEOPLE)
    label = np.digitize(linear + noise, [-1, 1.5])
    residual = residuals.multinomial_residuals(label[:, None] == np.arange(3), covariates)
    z, _ = score_test(dosage[:, :60], residual, covariates)
    # Residuals of three classes sum to 0: two of them say all.
    between = np.linalg.inv(np.corrcoef(residual[:, :2].T))
    ours = np.einsum("sa,ab,sb->s", z[:, :2], between, z[:, :2])

    def loss(columns):
        columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
        model = LogisticRegression(C=1e8, tol=1e-10, max_iter=5000).fit(columns, label)
        return log_loss(label, model.predict_proba(columns), normalize=False)

    null = loss(covariates)
    theirs = [2 * (null - loss(np.column_stack([covariates, dosage[:, snp]]))) for snp in range(60)]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert ours == pytest.approx(np.array(theirs), rel=0.15, abs=0.3)


def test_separated_classes_have_finite_residuals():
    covariates = np.linspace(-1, 1, 50)[:, None]
    residual = residuals.logistic_residuals((covariates[:, 0] > 0).astype(int), covariates)
    assert np.isfinite(residual).all()
    assert 0 < np.abs(residual).max() < 0.5
    three = np.digitize(covariates[:, 0], [-0.3, 0.3])[:, None] == np.arange(3)
    residual = residuals.multinomial_residuals(three, covariates)
    assert np.isfinite(residual).all()
    assert np.abs(residual).max() < 0.7


def test_a_covariate_that_tells_the_order_of_events_leaves_finite_residuals():
    time = np.arange(1.0, 51.0)
    residual = residuals.martingale_residuals(time, np.ones(50, dtype=bool), time[:, None])
    assert np.isfinite(residual).all()
    assert residual.sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("extra", ["constant", "repeated", "none"])
def test_covariates_that_say_nothing_change_nothing(cohort, extra):
    _, covariates, linear = cohort
    case = (linear > 0.3).astype(int)
    time, event = np.exp(-linear) + 0.1, case == 1
    noisy = covariates + np.random.default_rng(0).normal(0, 3, covariates.shape)
    more = {"constant": np.ones((PEOPLE, 1)), "repeated": noisy[:, :1], "none": noisy[:, :0]}[extra]
    wide = np.column_stack([noisy, more])
    for function, arguments in (
        (residuals.logistic_residuals, (case,)),
        (residuals.linear_residuals, (linear,)),
        (residuals.martingale_residuals, (time, event)),
    ):
        assert function(*arguments, wide) == pytest.approx(function(*arguments, noisy), abs=1e-6)

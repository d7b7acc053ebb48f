"""Residuals of null models on real genotypes, against `plink2 --glm` of every SNP."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.statistics.association import score_test
from gendmr.statistics.residuals import linear_residuals, logistic_residuals

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def chromosome_10(real_data: Path) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame, Path]:
    """Dosages of the A1 allele, people with case and stratum, SNPs, and the prefix."""
    prefix = real_data / "genotypes" / "snpstats_chr10" / "chr10_cc1000"
    fam = pd.read_csv(f"{prefix}.fam", sep=r"\s+", header=None, dtype=str)
    bim = pd.read_csv(f"{prefix}.bim", sep=r"\s+", header=None, dtype=str)
    packed = np.fromfile(f"{prefix}.bed", dtype=np.uint8)[3:].reshape(len(bim), -1)
    codes = np.stack([(packed >> shift) & 3 for shift in (0, 2, 4, 6)], axis=2)
    dosage = np.array([2, -1, 1, 0], dtype=np.int8)[codes.reshape(len(bim), -1)[:, : len(fam)]].T
    subjects = pd.read_csv(prefix.parent / "subjects.tsv", sep="\t", dtype=str)
    key = next(name for name in subjects if set(fam[1]) <= set(subjects[name]))
    people = subjects.set_index(key).loc[fam[1]].reset_index()
    return dosage, people.assign(fid=fam[0], iid=fam[1]), bim, prefix


@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_score_tests_agree_with_plink(chromosome_10, kind, tmp_path):
    if not shutil.which("plink2"):
        pytest.skip("plink2 is not installed")
    dosage, people, bim, prefix = chromosome_10
    rng = np.random.default_rng(0)
    covariates = np.column_stack(
        [pd.factorize(people["stratum"])[0], rng.normal(size=len(people))]
    ).astype(float)
    case = people["cc"].astype(int).to_numpy()
    value = case + covariates.sum(axis=1) + rng.normal(size=len(people))
    ids = {"#FID": people["fid"], "IID": people["iid"]}
    phenotype = pd.DataFrame({**ids, "y": 1 + case if kind == "logistic" else value})
    phenotype.to_csv(tmp_path / "pheno", sep="\t", index=False)
    table = pd.DataFrame({**ids, "a": covariates[:, 0], "b": covariates[:, 1]})
    table.to_csv(tmp_path / "covar", sep="\t", index=False)
    subprocess.run(
        ["plink2", "--bfile", str(prefix), "--pheno", "pheno", "--covar", "covar", "--out", "out",
         "--glm", "hide-covar", "omit-ref", "--covar-variance-standardize", "--threads", "1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = tmp_path.glob("out.y.glm.*")
    result = pd.read_csv(path, sep="\t", dtype={"A1": str}).set_index("ID")
    result = result[~result.index.duplicated()].reindex(bim[1])
    theirs = result.filter(regex="_STAT$").iloc[:, 0].to_numpy(float)
    theirs = np.where(result["A1"].to_numpy() == bim[4].to_numpy(), 1, -1) * theirs
    if kind == "logistic":
        ours = score_test(dosage, logistic_residuals(case, covariates), covariates)[0][:, 0]
    else:
        ours = score_test(dosage, linear_residuals(value, covariates), covariates)[1][:, 0]
    # Missing genotypes are the mean here and left out there: few of them, and 50 copies.
    copies = np.where(dosage < 0, 0, dosage).sum(axis=0)
    called = ((dosage >= 0).mean(axis=0) >= 0.995) & (
        np.minimum(copies, 2 * len(people) - copies) >= 50
    )
    compared = called & np.isfinite(theirs)
    assert compared.sum() > 1000
    assert np.corrcoef(ours[compared], theirs[compared])[0, 1] > 0.99
    near = np.abs(ours - theirs)[compared & (np.abs(theirs) < 4)].max()
    # Five of 1000 people may be missing: each moves a statistic by a few hundredths.
    assert near < 0.3

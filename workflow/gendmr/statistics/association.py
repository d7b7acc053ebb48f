"""Score tests of single SNPs as matrix products.

Three forms of one test: `score_test`, the plain one; `score_tests`, in many subsets of the people;
`gendmr.statistics.genotypes.PackedGenotypes.associate`, of any number of SNPs with many phenotypes
of the same people. Phenotypes are residuals of a null model (`gendmr.statistics.residuals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

CHUNK = 4096  # SNPs at a time: bounds memory at any number of SNPs


def orthonormal(covariates: np.ndarray, people: int) -> np.ndarray:
    """Return an orthonormal basis (people, k) of the intercept and the covariates' columns.

    Columns that say nothing new (constant, repeated) do not count in k.
    """
    centred = covariates - covariates.mean(axis=0) if covariates.shape[1] else covariates
    scale = np.sqrt((centred**2).sum(axis=0))
    varies = scale > 1e-10 * (1 + np.abs(covariates).max(axis=0, initial=0))
    design = np.column_stack([np.full(people, people**-0.5), centred[:, varies] / scale[varies]])
    left_vectors, singular, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left_vectors[:, singular > 1e-7])


def impute(dosage: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Return dosages as float64 with -1 replaced by the SNP's mean (of these people by default)."""
    values = dosage.astype(np.float64)
    absent = dosage < 0
    if mean is None:
        mean = mean_dosage(dosage)
    if absent.any():
        values = np.where(absent, mean, values)
    return values


def mean_dosage(dosage: np.ndarray) -> np.ndarray:
    """Return the mean dosage of each SNP (snp,) over called genotypes; 0 where there is none."""
    called = (dosage >= 0).sum(axis=0)
    return np.asarray(np.where(dosage > 0, dosage, 0).sum(axis=0) / np.maximum(called, 1))


def score_test(
    dosage: np.ndarray, phenotypes: np.ndarray, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Test every SNP against every phenotype, covariates projected out of both.

    Parameters
    ----------
    dosage : int8 (people, snp)
        Copies of the effect allele, -1 missing: replaced by the mean of these people.
    phenotypes : float (people, phenotype) or (people,)
    covariates : float (people, covariate)
        Without intercept, which is added.

    Returns
    -------
    z : float64 (snp, phenotype)
        Score statistic r·sqrt(n - k), with r the partial correlation and k the number of columns
        projected out; 0 for SNPs or phenotypes that do not vary beyond the covariates.
    t : float64 (snp, phenotype)
        Wald statistic of the linear regression with the same covariates,
        r·sqrt((n - k - 1) / (1 - r²)) (Frisch & Waugh 1933): what PLINK's ``--glm`` reports for a
        quantitative phenotype.
    """
    people, snps = dosage.shape
    basis, targets = project_out(phenotypes.reshape(people, -1), covariates)
    free = people - basis.shape[1]
    r = np.zeros((snps, targets.shape[1]))
    for start in range(0, snps, CHUNK):
        genotypes = impute(dosage[:, start : start + CHUNK])
        genotypes -= genotypes.mean(axis=0)
        variation = (genotypes**2).sum(axis=0)
        genotypes -= basis @ (basis.T @ genotypes)
        beyond = (genotypes**2).sum(axis=0)
        varies = beyond > 1e-8 * (variation + 1e-300)
        scale = np.where(varies, 1 / np.sqrt(np.where(varies, beyond, 1.0)), 0.0)
        r[start : start + CHUNK] = (genotypes.T @ targets) * scale[:, None]
    r = np.clip(r, -1.0, 1.0)
    z = r * np.sqrt(max(free, 0))
    t = r * np.sqrt(max(free - 1, 0) / np.maximum(1 - r**2, 1e-12))
    return z, t


@dataclass(frozen=True)
class Phenotypes:
    """What SNPs are tested against in some of the people.

    Parameters
    ----------
    inside : bool (people,)
        Who takes part.
    values : float (inside, phenotype)
    covariates : float (inside, covariate)
        Without intercept, which is added.
    """

    inside: np.ndarray
    values: np.ndarray
    covariates: np.ndarray


def score_tests(dosage: np.ndarray, tests: Sequence[Phenotypes]) -> list[np.ndarray]:
    """Run `score_test` in many subsets of the people at once.

    With `Q` an orthonormal basis of intercept and covariates and `y` the phenotype without them,
    of unit length, in a subset, r = g'y / sqrt(g'g - |Q'g|^2) for the genotypes `g` of the subset:
    all tests are one product of the genotypes with the columns `y` and `Q`, which are 0 outside,
    and one of the squared genotypes with the subsets. A missing genotype is the mean of its subset:
    a second product, with what is missing, adds that.

    Parameters
    ----------
    dosage : int8 (people, snp)
        -1 missing.
    tests : sequence of Phenotypes

    Returns
    -------
    list of float64 (snp, phenotype)
        z of each test, in their order.
    """
    people, snps = dosage.shape
    scores = [np.zeros((snps, test.values.shape[1])) for test in tests]
    if not tests:
        return scores
    columns, bases = [], []
    for test in tests:
        basis, targets = project_out(test.values, test.covariates)
        placed = np.zeros((people, 1 + basis.shape[1] + targets.shape[1]))
        placed[test.inside] = np.column_stack([np.ones(len(basis)), basis, targets])
        columns.append(placed)
        bases.append(basis.shape[1])
    edges = np.cumsum([0, *(placed.shape[1] for placed in columns)])
    together = np.concatenate(columns, axis=1)
    subsets = np.column_stack([test.inside for test in tests]).astype(np.float64)
    for start in range(0, snps, CHUNK):
        block = dosage[:, start : start + CHUNK]
        missing = (block < 0).astype(np.float64)
        # Dosages minus 1, so that sums over people stay small.
        genotypes = np.where(block < 0, 0.0, block.astype(np.float64) - 1.0)
        products, squares = genotypes.T @ together, (genotypes**2).T @ subsets
        absent = missing.T @ together if missing.any() else np.zeros_like(products)
        for number, (first, last) in enumerate(pairwise(edges)):
            product, missing_product = products[:, first:last], absent[:, first:last]
            people_inside = int(tests[number].inside.sum())
            mean = product[:, 0] / np.maximum(people_inside - missing_product[:, 0], 1)
            product = product + mean[:, None] * missing_product
            square = squares[:, number] + mean**2 * missing_product[:, 0]
            variation = square - product[:, 0] ** 2 / max(people_inside, 1)
            width = 1 + bases[number]
            beyond = square - (product[:, 1:width] ** 2).sum(axis=1)
            # What rounding leaves of a SNP that does not vary is some 1e-16 of its square.
            varies = beyond > 1e-8 * variation + 1e-12 * square
            scale = np.where(varies, 1 / np.sqrt(np.where(varies, beyond, 1.0)), 0.0)
            r = np.clip(product[:, width:] * scale[:, None], -1.0, 1.0)
            free = max(people_inside - bases[number], 0)
            scores[number][start : start + CHUNK] = r * np.sqrt(free)
    return scores


def project_out(phenotypes: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the basis of the covariates and phenotypes without them, of unit length or 0."""
    basis = orthonormal(covariates, len(phenotypes))
    targets = phenotypes.astype(np.float64)
    total = (targets**2).sum(axis=0)
    targets = targets - basis @ (basis.T @ targets)
    residual = (targets**2).sum(axis=0)
    targets = np.where(residual > 1e-12 * (total + 1e-300), targets, 0.0)
    return basis, targets / np.where(residual > 0, np.sqrt(residual), 1.0)

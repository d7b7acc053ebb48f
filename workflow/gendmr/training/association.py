"""Single-SNP statistics as matrix products: score test, exact Hardy-Weinberg test, LD pruning.

Three forms of one score test: `score_test`, the plain one; `score_tests`, in many subsets of the
people; `Packed.associate`, of any number of SNPs with many phenotypes of the same people.
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
    kept = scale > 1e-10 * (1 + np.abs(covariates).max(axis=0, initial=0))
    design = np.column_stack([np.full(people, people**-0.5), centred[:, kept] / scale[kept]])
    left, singular, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, singular > 1e-7])


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
    basis, targets = _projected(phenotypes.reshape(people, -1), covariates)
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
    found = [np.zeros((snps, test.values.shape[1])) for test in tests]
    if not tests:
        return found
    columns, bases = [], []
    for test in tests:
        basis, targets = _projected(test.values, test.covariates)
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
        # Counted from 1: small numbers, whoever the people are.
        genotypes = np.where(block < 0, 0.0, block.astype(np.float64) - 1.0)
        products, squares = genotypes.T @ together, (genotypes**2).T @ subsets
        absent = missing.T @ together if missing.any() else np.zeros_like(products)
        for number, (first, last) in enumerate(pairwise(edges)):
            product, gone = products[:, first:last], absent[:, first:last]
            people_inside = int(tests[number].inside.sum())
            mean = product[:, 0] / np.maximum(people_inside - gone[:, 0], 1)
            product = product + mean[:, None] * gone
            square = squares[:, number] + mean**2 * gone[:, 0]
            variation = square - product[:, 0] ** 2 / max(people_inside, 1)
            width = 1 + bases[number]
            beyond = square - (product[:, 1:width] ** 2).sum(axis=1)
            # What rounding leaves of a SNP that does not vary is some 1e-16 of its square.
            varies = beyond > 1e-8 * variation + 1e-12 * square
            scale = np.where(varies, 1 / np.sqrt(np.where(varies, beyond, 1.0)), 0.0)
            r = np.clip(product[:, width:] * scale[:, None], -1.0, 1.0)
            free = max(people_inside - bases[number], 0)
            found[number][start : start + CHUNK] = r * np.sqrt(free)
    return found


def _projected(phenotypes: np.ndarray, covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the basis of the covariates and phenotypes without them, of unit length or 0."""
    basis = orthonormal(covariates, len(phenotypes))
    targets = phenotypes.astype(np.float64)
    total = (targets**2).sum(axis=0)
    targets = targets - basis @ (basis.T @ targets)
    left = (targets**2).sum(axis=0)
    targets = np.where(left > 1e-12 * (total + 1e-300), targets, 0.0)
    return basis, targets / np.where(left > 0, np.sqrt(left), 1.0)


@dataclass(frozen=True)
class Packed:
    """Genotypes of some people in two bits each, four people to a byte.

    Parameters
    ----------
    codes : uint8 (snp, ceil(people / 4))
        The first person in the lowest bits; 0, 1, 2 copies, 3 missing.
    people : int
    absent : int32 (missing genotype, 2)
        SNP and person of what is missing, in the order of SNPs.
    """

    codes: np.ndarray
    people: int
    absent: np.ndarray

    @classmethod
    def pack(cls, dosage: np.ndarray) -> Packed:
        """Pack dosages int8 (people, snp), -1 missing."""
        people, snps = dosage.shape
        codes = np.zeros((snps, -(-people // 4)), dtype=np.uint8)
        absent = []
        for start in range(0, snps, CHUNK):
            block = np.zeros((codes.shape[1] * 4, min(CHUNK, snps - start)), dtype=np.uint8)
            block[:people] = dosage[:, start : start + CHUNK] & 3  # -1 is 3 in its last two bits
            four = block.reshape(-1, 4, block.shape[1])
            byte = four[:, 0] | four[:, 1] << 2 | four[:, 2] << 4 | four[:, 3] << 6
            codes[start : start + CHUNK] = byte.T
            where = np.argwhere(block.T == 3).astype(np.int32)
            absent.append(where + np.array([start, 0], dtype=np.int32))
        empty = np.zeros((0, 2), dtype=np.int32)
        return cls(codes, people, np.concatenate([empty, *absent]))

    def decode(self, start: int, stop: int) -> np.ndarray:
        """Return genotypes counted from 1, float32 (snp, people); missing is the SNP's mean."""
        values = _COPIES[self.codes[start:stop]].reshape(stop - start, -1)[:, : self.people]
        first, last = np.searchsorted(self.absent[:, 0], [start, stop])
        snp, person = self.absent[first:last, 0] - start, self.absent[first:last, 1]
        called = self.people - np.bincount(snp, minlength=stop - start)
        mean = values.sum(axis=1) / np.maximum(called, 1)  # what is missing adds 0
        values[snp, person] = mean[snp]
        return values

    def associate(self, phenotypes: np.ndarray, covariates: np.ndarray) -> np.ndarray:
        """Return z float32 (snp, phenotype) as `score_test` does, to single precision.

        Covariates are projected out of the phenotypes and of the squares of the genotypes, so that
        all phenotypes take one product with the genotypes, decoded block by block.

        Parameters
        ----------
        phenotypes : float (people, phenotype)
        covariates : float (people, covariate)
            Without intercept, which is added.
        """
        basis, targets = _projected(phenotypes, covariates)
        free = max(self.people - basis.shape[1], 0)
        together = np.column_stack([basis, targets]).astype(np.float32)
        width, snps = basis.shape[1], len(self.codes)
        found = np.empty((snps, targets.shape[1]), dtype=np.float32)
        for start in range(0, snps, CHUNK):
            stop = min(start + CHUNK, snps)
            genotypes = self.decode(start, stop)
            products = genotypes @ together
            square = np.einsum("ij,ij->i", genotypes, genotypes)
            variation = square - genotypes.sum(axis=1) ** 2 / max(self.people, 1)
            beyond = square - (products[:, :width] ** 2).sum(axis=1)
            varies = beyond > 1e-5 * np.maximum(variation, square * 1e-2)
            scale = np.where(varies, np.sqrt(free / np.where(varies, beyond, 1)), 0)
            z = products[:, width:] * scale[:, None].astype(np.float32)
            limit = np.float32(np.sqrt(free))
            found[start:stop] = np.clip(z, -limit, limit)
        return found


_PAIRS = np.arange(256)[:, None] >> np.array([0, 2, 4, 6]) & 3
_COPIES = np.where(_PAIRS == 3, 0, _PAIRS - 1).astype(np.float32)


def hwe(dosage: np.ndarray) -> np.ndarray:
    """Return the exact Hardy-Weinberg p-value of each SNP (snp,); 1 where nobody is called.

    Wigginton, Cutler & Abecasis (2005), Am J Hum Genet 76:887, eq. 1-2: the probability of all
    numbers of heterozygotes that are no more likely than the one seen, given the allele counts.
    """
    from scipy.special import gammaln

    counts = np.stack([(dosage == copies).sum(axis=0) for copies in (0, 1, 2)], axis=1)
    unique, back = np.unique(counts, axis=0, return_inverse=True)
    result = np.ones(len(unique))
    log_factorial = gammaln(np.arange(dosage.shape[0] + 1) + 1.0)
    for start in range(0, len(unique), CHUNK):
        block = unique[start : start + CHUNK]
        n = block.sum(axis=1, keepdims=True)
        seen = block[:, 1:2]
        rare = 2 * np.minimum(block[:, 0:1], block[:, 2:3]) + seen
        hets = np.arange(int(rare.max(initial=0)) + 1)[None, :]
        possible = (hets <= rare) & ((rare - hets) % 2 == 0)
        homozygous = np.where(possible, (rare - hets) // 2, 0)
        common = np.where(possible, n - hets - homozygous, 0)
        log = hets * np.log(2.0) - (
            log_factorial[homozygous]
            + log_factorial[np.where(possible, hets, 0)]
            + log_factorial[common]
        )
        log = np.where(possible, log, -np.inf)
        log -= log.max(axis=1, keepdims=True)
        probability = np.exp(log)
        probability /= probability.sum(axis=1, keepdims=True)
        observed = np.take_along_axis(probability, seen, axis=1)
        as_rare = probability <= observed * (1 + 1e-7)
        result[start : start + CHUNK] = np.minimum((probability * as_rare).sum(axis=1), 1.0)
    return result[back.reshape(-1)]

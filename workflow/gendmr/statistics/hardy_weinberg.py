"""The exact test of Hardy-Weinberg equilibrium."""

from __future__ import annotations

import numpy as np

CELLS = 1 << 21  # probabilities at a time: bounds memory at any number of SNPs and people


def genotype_counts(dosage: np.ndarray) -> np.ndarray:
    """Return how many people carry 0, 1 and 2 copies, int64 (snp, 3); dosage int8 (people, snp)."""
    return np.stack([(dosage == copies).sum(axis=0) for copies in (0, 1, 2)], axis=1)


def hardy_weinberg_test(counts: np.ndarray) -> np.ndarray:
    """Return the exact Hardy-Weinberg p-value of each SNP (snp,); 1 where nobody is called.

    Wigginton, Cutler & Abecasis (2005), Am J Hum Genet 76:887, eq. 1-2: the probability of all
    numbers of heterozygotes that are no more likely than the one seen, given the allele counts.

    Parameters
    ----------
    counts : int (snp, 3)
        People with 0, 1 and 2 copies.
    """
    from scipy.special import gammaln

    unique, inverse = np.unique(counts, axis=0, return_inverse=True)
    result = np.ones(len(unique))
    log_factorial = gammaln(np.arange(int(counts.sum(axis=1).max(initial=0)) + 1) + 1.0)
    step = max(1, CELLS // (int(counts.sum(axis=1).max(initial=0)) + 1))
    for start in range(0, len(unique), step):
        block = unique[start : start + step]
        n = block.sum(axis=1, keepdims=True)
        het_count = block[:, 1:2]
        rare = 2 * np.minimum(block[:, 0:1], block[:, 2:3]) + het_count
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
        observed = np.take_along_axis(probability, het_count, axis=1)
        as_rare = probability <= observed * (1 + 1e-7)
        result[start : start + step] = np.minimum((probability * as_rare).sum(axis=1), 1.0)
    return result[inverse.reshape(-1)]

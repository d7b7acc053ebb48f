"""Genotypes without relation to anything, for tests of kernels."""

from __future__ import annotations

import numpy as np


def draw_genotypes(people: int, snps: int, seed: int, missing: float = 0.0) -> np.ndarray:
    """Return dosages int8 (people, snp) of common SNPs, -1 missing."""
    random = np.random.default_rng(seed)
    dosage = random.binomial(2, random.uniform(0.1, 0.5, snps), (people, snps)).astype(np.int8)
    dosage[random.uniform(size=dosage.shape) < missing] = -1
    return dosage

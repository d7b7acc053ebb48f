"""Ancestry components of the training people, and everyone else projected onto them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gendmr.training.association import mean_dosage
from gendmr.training.linkage import prune


@dataclass(frozen=True)
class Components:
    """Loadings of principal components.

    Parameters
    ----------
    columns : int (variant,)
        Columns of `dosage` that enter.
    mean, scale : float64 (variant,)
        Mean dosage and sqrt(2p(1-p)) in the training people.
    loadings : float64 (variant, component)
        So scaled that training scores have SD 1.
    """

    columns: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    loadings: np.ndarray

    @classmethod
    def fit(
        cls,
        dosage: np.ndarray,
        chromosome: np.ndarray,
        position: np.ndarray,
        *,
        count: int,
        r2: float,
        variants: int,
    ) -> Components:
        """Fit on training people (people, snp) int8; fewer components where the rank is lower.

        Patterson, Price & Reich (2006), PLoS Genet 2:e190: variants scaled by sqrt(2p(1-p)).
        """
        mean = mean_dosage(dosage)
        frequency = mean / 2
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= 0.05)
        if common.size > variants:
            common = common[np.linspace(0, common.size - 1, variants).round().astype(np.int64)]
        if count == 0 or common.size < 2 or dosage.shape[0] < 3:
            empty = np.zeros(0)
            return cls(np.zeros(0, dtype=np.int64), empty, empty, np.zeros((0, 0)))
        chosen = prune(
            dosage[:, common],
            chromosome[common],
            position[common],
            np.arange(common.size),
            r2,
        )
        columns = np.sort(common[chosen])
        mean, frequency = mean[columns], frequency[columns]
        scale = np.sqrt(2 * frequency * (1 - frequency))
        values = _standardise(dosage[:, columns], mean, scale)
        # People are fewer than variants: the Gram matrix is the smaller one.
        roots, vectors = np.linalg.eigh(values @ values.T)
        best = np.argsort(roots)[::-1][: min(count, dosage.shape[0] - 1)]
        best = best[roots[best] > 1e-6 * roots.max()]
        loadings = values.T @ vectors[:, best] / roots[best]
        # A component has no sign of its own; the largest loading is made positive.
        largest = np.abs(loadings).argmax(axis=0)
        loadings *= np.sign(loadings[largest, np.arange(best.size)])
        loadings *= np.sqrt(dosage.shape[0])
        return cls(columns, mean, scale, loadings)

    def apply(self, dosage: np.ndarray) -> np.ndarray:
        """Return the scores (people, component); missing genotypes count as the mean."""
        if not self.loadings.size:
            return np.zeros((dosage.shape[0], 0))
        return np.asarray(
            _standardise(dosage[:, self.columns], self.mean, self.scale) @ self.loadings
        )


def _standardise(dosage: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.where(dosage < 0, 0.0, (dosage - mean) / scale)

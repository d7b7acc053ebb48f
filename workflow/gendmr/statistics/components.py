"""Ancestry components of the training people, and everyone else projected onto them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gendmr.statistics.linkage import prune

MOST_FOR_GRAM = 2500  # people; beyond, all eigenvectors would take hours and four are wanted
PEOPLE = 1024  # projected at a time


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
        mean: np.ndarray,
        read: Callable[[np.ndarray], np.ndarray],
        people: int,
        chromosome: np.ndarray,
        position: np.ndarray,
        *,
        count: int,
        r2: float,
        variants: int,
    ) -> Components:
        """Fit on training people; fewer components where the rank is lower.

        Patterson, Price & Reich (2006), PLoS Genet 2:e190: variants scaled by sqrt(2p(1-p)).

        Parameters
        ----------
        mean : float64 (variant,)
            Mean dosage in the training people.
        read : callable
            ``read(columns)`` gives dosages int8 (people, column) of the training people.
        people : int
        chromosome, position : (variant,)
        count : int
            Components.
        r2 : float
            Of LD pruning.
        variants : int
            Before pruning, evenly spread over the common ones.
        """
        frequency = mean / 2
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= 0.05)
        if common.size > variants:
            common = common[np.linspace(0, common.size - 1, variants).round().astype(np.int64)]
        if count == 0 or common.size < 2 or people < 3:
            empty = np.zeros(0)
            return cls(np.zeros(0, dtype=np.int64), empty, empty, np.zeros((0, 0)))
        dosage = read(common)
        retained = prune(dosage, chromosome[common], position[common], np.arange(common.size), r2)
        retained = np.sort(retained)
        columns = common[retained]
        mean, frequency = mean[columns], frequency[columns]
        scale = np.sqrt(2 * frequency * (1 - frequency))
        if people <= MOST_FOR_GRAM:
            values = _standardise(dosage[:, retained], mean, scale)
            # People are fewer than variants: the Gram matrix is the smaller one.
            roots, vectors = np.linalg.eigh(values @ values.T)
        else:
            values = _standardise(dosage[:, retained], mean, scale, np.float32)
            roots, vectors = _leading(values, min(count, people - 1, len(columns) - 1))
        best = np.argsort(roots)[::-1][: min(count, people - 1)]
        best = best[roots[best] > 1e-6 * roots.max()]
        loadings = values.T @ vectors[:, best].astype(values.dtype) / roots[best]
        # A component has no sign of its own; the largest loading is made positive.
        largest = np.abs(loadings).argmax(axis=0)
        loadings = loadings * np.sign(loadings[largest, np.arange(best.size)])
        return cls(columns, mean, scale, np.asarray(loadings * np.sqrt(people), dtype=np.float64))

    def apply(self, dosage: np.ndarray) -> np.ndarray:
        """Return the scores (people, component); missing genotypes count as the mean.

        Parameters
        ----------
        dosage : int8 (people, variant)
            Of the variants in `columns`.
        """
        if not self.loadings.size:
            return np.zeros((dosage.shape[0], 0))
        scores = np.empty((dosage.shape[0], self.loadings.shape[1]))
        for start in range(0, len(scores), PEOPLE):
            part = dosage[start : start + PEOPLE]
            scores[start : start + PEOPLE] = (
                _standardise(part, self.mean, self.scale) @ self.loadings
            )
        return scores


def _standardise(
    dosage: np.ndarray, mean: np.ndarray, scale: np.ndarray, dtype: type = np.float64
) -> np.ndarray:
    values = (dosage - mean.astype(dtype)) / scale.astype(dtype)
    return np.where(dosage < 0, dtype(0), values)


def _leading(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues and eigenvectors of ``values @ values.T`` (Lanczos)."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    people = len(values)
    gram = LinearOperator(
        (people, people),
        matvec=lambda vector: values @ (values.T @ vector.astype(np.float32)),
        dtype=np.float32,
    )
    roots, vectors = eigsh(gram, k=count, v0=np.ones(people, dtype=np.float32))
    return roots, vectors

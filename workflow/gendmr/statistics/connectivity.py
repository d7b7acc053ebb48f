"""Correlation matrices of regional signals, and the spaces in which they are compared.

Vectors of pairs run along the rows of the upper triangle, as `numpy.triu_indices(k, 1)`.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-3  # smallest eigenvalue of a matrix whose logarithm is taken
CLOSE = 1e-7  # norm of the step, per region, at which the geometric mean has converged
STEPS = 50


def constant_regions(series: np.ndarray) -> np.ndarray:
    """Return which regions have no signal, bool (region,): constant, or not finite.

    Parameters
    ----------
    series : float (volume, region)
    """
    finite = np.isfinite(series).all(axis=0)
    spread = np.where(finite, series, 0.0).std(axis=0)
    size = np.abs(np.where(finite, series, 0.0)).max(axis=0, initial=0.0)
    return np.asarray(~finite | (spread <= 1e-9 * (size + 1e-30)))


def shrunk_correlation(series: np.ndarray) -> np.ndarray:
    """Return the correlation of regions, shrunk as Ledoit and Wolf (2004) do, float64 (k, k).

    Signals are standardised, so that the target of the shrinkage is the identity and the diagonal
    stays 1. Rows and columns of constant regions are NaN.

    Parameters
    ----------
    series : float (volume, region)
    """
    from sklearn.covariance import ledoit_wolf

    usable = ~constant_regions(series)
    regions = series.shape[1]
    matrix = np.full((regions, regions), np.nan)
    if usable.any():
        signals = series[:, usable] - series[:, usable].mean(axis=0)
        shrunk, _ = ledoit_wolf(signals / signals.std(axis=0), assume_centered=True)
        matrix[np.ix_(usable, usable)] = shrunk
    return matrix


def to_vector(matrices: np.ndarray) -> np.ndarray:
    """Return the upper triangles of matrices (..., k, k) as vectors (..., k (k - 1) / 2)."""
    rows, columns = np.triu_indices(matrices.shape[-1], 1)
    return np.asarray(matrices[..., rows, columns])


def to_matrix(vectors: np.ndarray, diagonal: float = 1.0) -> np.ndarray:
    """Return symmetric matrices (..., k, k) from vectors of pairs (..., k (k - 1) / 2).

    Examples
    --------
    >>> to_matrix(np.array([0.5]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    regions = regions_of(vectors.shape[-1])
    rows, columns = np.triu_indices(regions, 1)
    matrices = np.zeros((*vectors.shape[:-1], regions, regions))
    matrices[..., rows, columns] = vectors
    matrices[..., columns, rows] = vectors
    matrices[..., np.arange(regions), np.arange(regions)] = diagonal
    return matrices


def regions_of(pairs: int) -> int:
    """Return how many regions have so many pairs; 0 where no number of regions has.

    Examples
    --------
    >>> regions_of(1378), regions_of(1379)
    (53, 0)
    """
    regions = round((1 + (1 + 8 * pairs) ** 0.5) / 2)
    return regions if regions * (regions - 1) // 2 == pairs else 0


def fisher_z(correlations: np.ndarray) -> np.ndarray:
    """Return the inverse hyperbolic tangent of correlations; 1 counts as 0.999999."""
    return np.asarray(np.arctanh(np.clip(correlations, -0.999999, 0.999999)))


def positive_definite(matrices: np.ndarray) -> np.ndarray:
    """Return correlation matrices (..., k, k) whose eigenvalues are at least `FLOOR`.

    Those that are too small are raised and the diagonal is brought back to 1; what is positive
    definite already stays.
    """
    values, vectors = np.linalg.eigh(matrices)
    if (values >= FLOOR).all():
        return matrices
    raised = (vectors * np.maximum(values, FLOOR)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    scale = np.sqrt(np.einsum("...ii->...i", raised))
    return np.asarray(raised / (scale[..., :, None] * scale[..., None, :]))


def partial_correlation(matrices: np.ndarray) -> np.ndarray:
    """Return partial correlations (..., k, k) of correlation matrices; the diagonal is 1."""
    precision = np.linalg.inv(positive_definite(matrices))
    scale = np.sqrt(np.einsum("...ii->...i", precision))
    partial = -precision / (scale[..., :, None] * scale[..., None, :])
    diagonal = np.arange(matrices.shape[-1])
    partial[..., diagonal, diagonal] = 1.0
    return np.asarray(partial)


def geometric_mean(matrices: np.ndarray) -> np.ndarray:
    """Return the Riemannian mean of positive definite matrices (n, k, k), float64 (k, k).

    Gradient descent along geodesics with a step that shrinks where the gradient grows, from the
    arithmetic mean (Fletcher & Joshi 2007, doi:10.1016/j.sigpro.2005.12.018, as in nilearn).
    """
    mean = matrices.mean(axis=0)
    step, norm = 1.0, np.inf
    regions = mean.shape[0]
    for _ in range(STEPS):
        root, inverse = _roots(mean)
        gradient = _function(inverse @ matrices @ inverse, np.log).mean(axis=0)
        size = float(np.linalg.norm(gradient))
        if size / regions < CLOSE:
            break
        if size > norm:
            step /= 2
        norm = min(norm, size)
        mean = root @ _function(step * gradient, np.exp) @ root
    return np.asarray((mean + mean.T) / 2)


def whitening(reference: np.ndarray) -> np.ndarray:
    """Return the inverse square root of a positive definite matrix (k, k)."""
    return _roots(reference)[1]


def tangent(matrices: np.ndarray, whitener: np.ndarray) -> np.ndarray:
    """Return matrices (n, k, k) seen from a reference: the logarithm of what whitening leaves.

    Varoquaux et al. 2010, doi:10.1007/978-3-642-15705-9_25.
    """
    return _function(whitener @ matrices @ whitener, np.log)


def _function(matrices: np.ndarray, function: np.ufunc) -> np.ndarray:
    """Return a function of symmetric matrices, by their eigenvalues."""
    values, vectors = np.linalg.eigh(matrices)
    if function is np.log:
        values = np.maximum(values, 1e-12)
    return np.asarray((vectors * function(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def _roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(np.maximum(values, 1e-12))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T

"""What regions say of the outcome, and what SNPs do through regions: the kernels of evidence."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

# Measurements that a SNP is tested against: those that go best with the outcome, if they do.
MOST_MEASURES, LEAST_Z = 8, 2.0
CLIP = 0.02  # of the range of the response: predictions from imaging stay so far inside it


def region_statistics(regions: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return r·sqrt(n) of each measure with the response, float32 (region, measure, phenotype).

    The measures are adjusted for covariates already (`RegionTransform`).

    Parameters
    ----------
    regions : float (person, region, measure)
    response : float (person, phenotype)
    """
    values = regions.reshape(len(regions), -1).astype(np.float64)
    values = values - values.mean(axis=0)
    target = response - response.mean(axis=0)
    norm = np.sqrt((values**2).sum(axis=0)[:, None] * (target**2).sum(axis=0))
    r = np.where(norm > 1e-9, (values.T @ target) / np.where(norm > 1e-9, norm, 1), 0.0)
    z = r * np.sqrt(len(response))
    return np.asarray(z.reshape(*regions.shape[1:], response.shape[1]).astype(np.float32))


def differing(regions: np.ndarray, statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the measurements that go best with the outcome, and which way.

    Parameters
    ----------
    regions : float (people, region, measure)
    statistics : float (region, measure, phenotype)
        Of each measurement with the outcome, from the same people.

    Returns
    -------
    features : float64 (people, measurement)
        At most `MOST_MEASURES`, those whose |z| is above `LEAST_Z`.
    direction : float64 (measurement, phenotype)
        Their statistics.
    """
    difference = statistics.reshape(-1, statistics.shape[-1])
    largest = np.abs(difference).max(axis=1)
    selected = np.argsort(-largest, kind="stable")[:MOST_MEASURES]
    selected = selected[largest[selected] > LEAST_Z]
    features = regions.reshape(len(regions), -1)[:, selected].astype(np.float64)
    varying = features.std(axis=0) > 1e-9
    return features[:, varying], difference[selected[varying]].astype(np.float64)


def through_regions(z: np.ndarray, features: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the evidence (snp, phenotype) that a SNP raises a phenotype through some region.

    The SNP's largest |z| with one of the measurements that go with the outcome, adjusted for
    covariates and the outcome, made comparable to a single test: its p-value is
    raised to that of the best of `m` independent tests (Sidak), with `m` the effective number of
    measurements, (sum of eigenvalues)^2 / sum of their squares of the correlation matrix. Positive
    where the effect allele moves the measurement the way cases differ.

    Parameters
    ----------
    z : float64 (snp, measurement)
        Score statistics, adjusted for covariates and the outcome.
    features, direction : float64 (people, measurement), (measurement, phenotype)
        See `differing`.
    """
    best = np.abs(z).argmax(axis=1)
    strongest = z[np.arange(len(z)), best]
    roots = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(features.T)))
    independent = roots.sum() ** 2 / (roots**2).sum()
    # log(1 - (1 - p)^m) without losing small p
    single = 2 * ndtr(-np.abs(strongest))
    corrected = -np.expm1(independent * np.log1p(-np.minimum(single, 1 - 1e-12)))
    size = -ndtri(np.clip(corrected, 1e-300, 1.0) / 2)
    return np.asarray(np.sign(strongest[:, None] * direction[best]) * size[:, None])


def imaging_prediction(features: np.ndarray, response: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return the out-of-fold prediction (person, phenotype) of the response from imaging.

    Ridge regression of the response on the region measurements, penalty by generalised
    cross-validation (Golub, Heath & Wahba 1979), in closed form. With `H` the matrix that gives
    fitted values and `e = y - H y`, what a fit without the people `o` says of them is
    ``y_o - (I - H_oo)^-1 e_o`` (Cook & Weisberg 1982, section 2.2.3): one decomposition for all
    parts and phenotypes.

    Parameters
    ----------
    features : float (person, feature)
        Standardised.
    response : float (person, phenotype)
    part : int (person,)
        A person is predicted by the other parts; the penalty is the same for all parts.
    """
    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    count = len(response)
    # The smaller of the two Gram matrices: left singular vectors and squared singular values.
    if values.shape[1] < count:
        squares, right_vectors = np.linalg.eigh(values.T @ values)
        used = squares > 1e-10 * max(float(squares.max(initial=0)), 1.0)
        squares, left_vectors = (
            squares[used],
            values @ right_vectors[:, used] / np.sqrt(squares[used]),
        )
    else:
        squares, left_vectors = np.linalg.eigh(values @ values.T)
        used = squares > 1e-10 * max(float(squares.max(initial=0)), 1.0)
        squares, left_vectors = squares[used], left_vectors[:, used]
    penalties = count * 10.0 ** np.arange(-2.0, 4.0)
    shrink = squares / (squares + penalties[:, None])
    free = np.maximum(count - 1 - shrink.sum(axis=1), 1e-3)
    predicted = np.empty_like(response, dtype=np.float64)
    for column, y in enumerate(response.T):
        level = y.mean()
        target = left_vectors.T @ (y - level)
        residual = ((y - level) ** 2).sum() - (target**2 * (2 * shrink - shrink**2)).sum(axis=1)
        best = shrink[int(np.argmin(residual / free**2))]
        error = y - level - left_vectors @ (best * target)
        for number in np.unique(part):
            outside = part == number
            hat = 1 / count + (left_vectors[outside] * best) @ left_vectors[outside].T
            predicted[outside, column] = y[outside] - np.linalg.solve(
                np.eye(len(hat)) - hat, error[outside]
            )
    low, high = response.min(axis=0), response.max(axis=0)
    margin = CLIP * (high - low)
    return np.clip(predicted, low + margin, high - margin)

"""Residuals of null models, given covariates: what score tests of SNPs are made of.

A score test of a SNP in a generalised linear model or a Cox model needs the null model only: its
statistic is the product of the genotypes with these residuals (McCullagh & Nelder 1989;
Therneau, Grambsch & Fleming 1990 for the martingale residuals).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gendmr.statistics.survival import breslow

STEPS = 50
RIDGE = 1e-2  # of squared coefficients per SD, where classes are separated
LARGEST = 30.0  # a linear predictor beyond it means separation


def design(covariates: np.ndarray, *, intercept: bool = True) -> np.ndarray:
    """Return columns that span the covariates, each of mean square 1, float64 (person, k).

    Columns that say nothing new (constant, repeated) are left out.
    """
    people = len(covariates)
    centred = covariates.astype(np.float64) - covariates.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    used = spread > 1e-10 * (1 + np.abs(covariates).max(axis=0, initial=0))
    left_vectors, singular, _ = np.linalg.svd(centred[:, used] / spread[used], full_matrices=False)
    columns = left_vectors[:, singular > 1e-7 * np.sqrt(people)] * np.sqrt(people)
    return np.column_stack([np.ones(people), columns]) if intercept else columns


def linear_residuals(value: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Return a measurement less its linear regression on the covariates, float64 (person,).

    Parameters
    ----------
    value : float (person,)
    covariates : float (person, covariate)
        Without intercept, which is added.
    """
    basis = design(covariates) / np.sqrt(len(value))
    return np.asarray(value - basis @ (basis.T @ value))


def logistic_residuals(case: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Return 0 or 1 less the probability by logistic regression on the covariates.

    Where covariates separate the classes, coefficients are held by a small ridge penalty.

    Parameters
    ----------
    case : int (person,)
        1 or 0.
    covariates : float (person, covariate)
        Without intercept, which is added.

    Returns
    -------
    float64 (person,)
    """
    onehot = np.column_stack([case == 0, case == 1]).astype(np.float64)
    return multinomial_residuals(onehot, covariates)[:, 1]


def multinomial_residuals(onehot: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Return indicators of classes less their probabilities by multinomial regression.

    Parameters
    ----------
    onehot : float (person, class)
        1 in the class of the person. A class without people has the residual 0.
    covariates : float (person, covariate)
        Without intercept, which is added.

    Returns
    -------
    float64 (person, class)
        Rows sum to 0.
    """
    present = np.flatnonzero(onehot.any(axis=0))
    columns = design(covariates)
    truth = onehot[:, present].astype(np.float64)

    def gradient_and_hessian(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        linear = columns @ coefficients.reshape(columns.shape[1], -1)
        linear = np.column_stack([np.zeros(len(linear)), linear])
        top = linear.max(axis=1, keepdims=True)
        probability = np.exp(linear - top)
        probability /= probability.sum(axis=1, keepdims=True)
        residual = truth - probability
        p = probability[:, 1:]
        blocks = -p[:, :, None] * p[:, None, :]
        index = np.arange(p.shape[1])
        blocks[:, index, index] += p
        size = columns.shape[1] * p.shape[1]
        hessian = np.einsum("ni,nab,nj->iajb", columns, blocks, columns, optimize=True)
        return (columns.T @ residual[:, 1:]).ravel(), hessian.reshape(size, size), linear

    residual = np.zeros(onehot.shape)
    if len(present) > 1:
        start = np.zeros(columns.shape[1] * (len(present) - 1))
        linear = _newton(gradient_and_hessian, start)
        probability = np.exp(linear - linear.max(axis=1, keepdims=True))
        residual[:, present] = truth - probability / probability.sum(axis=1, keepdims=True)
    return residual


def martingale_residuals(time: np.ndarray, event: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Return martingale residuals of the Cox regression on the covariates.

    Events less the cumulative hazard that the null model expects until the person was last seen
    (Therneau, Grambsch & Fleming 1990, Biometrika 77:147); Breslow ties.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    covariates : float (person, covariate)

    Returns
    -------
    float64 (person,)
        Sum to 0.
    """
    columns = design(covariates, intercept=False)
    moments = np.einsum("ni,nj->nij", columns, columns)
    order = np.argsort(-time, kind="stable")
    # For each person: the last place in the order that is at risk at the person's time.
    last = np.searchsorted(-time[order], -time, side="right") - 1
    events = np.flatnonzero(event)

    def gradient_and_hessian(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        linear = columns @ coefficients
        relative = np.exp(linear - linear.max(initial=-np.inf))
        at = last[events]
        total = np.cumsum(relative[order])[at]
        first = np.cumsum((relative[:, None] * columns)[order], axis=0)[at] / total[:, None]
        second = np.cumsum((relative[:, None, None] * moments)[order], axis=0)[at]
        second = second / total[:, None, None] - first[:, :, None] * first[:, None, :]
        return (columns[events] - first).sum(axis=0), second.sum(axis=0), linear[:, None]

    linear = np.zeros(len(time))
    if columns.shape[1] and len(events):
        linear = _newton(gradient_and_hessian, np.zeros(columns.shape[1]))[:, 0]
    hazard = breslow(time, event, linear)
    return np.asarray(event - hazard.at(time) * np.exp(linear))


def _newton(
    gradient_and_hessian: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    start: np.ndarray,
) -> np.ndarray:
    """Return the linear predictors at the maximum; with a ridge where there is none."""
    for penalty in (0.0, RIDGE):
        coefficients = start.copy()
        for _ in range(STEPS):
            gradient, hessian, linear = gradient_and_hessian(coefficients)
            gradient = gradient - penalty * coefficients
            hessian = hessian + (penalty + 1e-10 * np.trace(hessian) / len(start)) * np.eye(
                len(start)
            )
            step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
            # Far from the maximum a full step may overshoot.
            coefficients = coefficients + step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-300))
            if np.abs(step).max() < 1e-9:
                break
        linear = gradient_and_hessian(coefficients)[2]
        if (
            np.isfinite(linear).all()
            and np.abs(linear).max() < LARGEST
            and np.abs(step).max() < 1e-6
        ):
            break
    return linear

"""Proportional hazards: one log relative risk per person, partial likelihood with Breslow ties."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.statistics.survival import PartialLikelihood, breslow
from gendmr.tasks.survival.outcome import CensoredTimes

if TYPE_CHECKING:
    import torch

# Slope of the loss per person by a coefficient below which a ridge regression has its answer.
SLOPE = 1e-7
NEVER = -1e9  # the log risk of padding: its exponential is 0, its gradient too


@dataclass(frozen=True)
class CoxModel:
    """The loss and the survival curves of a Cox model."""

    n_outputs: int = 1

    def fit(self, outcome: CensoredTimes) -> CoxModel:
        """Return itself: nothing is taken from training people before they are trained on."""
        return self

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return nothing."""
        return {}

    def target(self, outcome: CensoredTimes) -> Mapping[str, np.ndarray]:
        """Return time and event."""
        return {
            "time": outcome.time.astype(np.float32),
            "event": (outcome.event & outcome.known).astype(np.float32),
        }

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the negative log partial likelihood of each person with an event, else 0.

        The risk set of a person is all of the batch who are not padding and were seen as long.
        """
        import torch

        log_risk = output[:, 0]
        latest_first = -target["time"]
        order = torch.argsort(latest_first)
        present = torch.where(weight > 0, log_risk, torch.full_like(log_risk, NEVER))
        cumulated = torch.logcumsumexp(present[order], dim=0)
        # Of equal times, the last one in the order sums over all of them.
        last = torch.searchsorted(latest_first[order], latest_first, right=True) - 1
        event = target["event"] * (weight > 0)
        return event * (cumulated[last] - log_risk)

    def losses(self, output: np.ndarray, outcome: CensoredTimes) -> np.ndarray:
        """Return the same in float64; the risk sets are of these people."""
        log_risk = output[:, 0].astype(np.float64)
        likelihood = PartialLikelihood(
            outcome.time.astype(np.float32), outcome.event & outcome.known
        )
        return likelihood.losses(np.where(outcome.known, log_risk, NEVER))

    def log_risk(self, output: np.ndarray) -> np.ndarray:
        """Return the log relative risk, float64 (person,), up to a constant of the fold."""
        return np.asarray(output[:, 0], dtype=np.float64)

    def baseline(
        self, output: np.ndarray, outcome: CensoredTimes, horizons: np.ndarray
    ) -> dict[str, Any]:
        """Return Breslow's cumulative baseline hazard of training people at the horizons."""
        hazard = breslow(outcome.time, outcome.event, self.log_risk(output))
        return {"cumulative_hazard": [float(value) for value in hazard.at(horizons)]}

    def survival(self, output: np.ndarray, calibration: Mapping[str, Any]) -> np.ndarray:
        """Return the predicted share free of the event, float64 (person, horizon)."""
        with np.errstate(divide="ignore", over="ignore"):
            log_hazard = np.log(np.array(calibration["cumulative_hazard"], dtype=np.float64))
            return np.asarray(np.exp(-np.exp(self.log_risk(output)[:, None] + log_hazard)))

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1: attributions are of the log relative risk."""
        return np.ones_like(output)

    def linear(
        self, features: np.ndarray, outcome: CensoredTimes, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ridge Cox regression."""
        return cox_ridge(features, outcome, penalty)[:, None], np.zeros(1)


def cox_ridge(features: np.ndarray, outcome: CensoredTimes, penalty: float) -> np.ndarray:
    """Return coefficients of a Cox regression with a ridge penalty, float64 (feature,).

    skglm has the same, by the same solver; it compiles the likelihood in each process that fits
    one, which takes far longer than the fit of a cohort.

    Parameters
    ----------
    features : float64 (person, feature)
        Standardised.
    outcome : CensoredTimes
        All known.
    penalty : float
        Half of it times the sum of squared coefficients is added to the negative log partial
        likelihood.

    Warns
    -----
    RuntimeWarning
        The solver stopped where the slope is not yet flat.
    """
    from scipy.optimize import minimize

    people, width = features.shape
    if not width:
        return np.zeros(0)
    likelihood = PartialLikelihood(outcome.time, outcome.event)

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        log_risk = features @ coefficients
        value = likelihood.losses(log_risk).sum() + penalty / 2 * coefficients @ coefficients
        slope = features.T @ likelihood.slope(log_risk) + penalty * coefficients
        return float(value) / people, slope / people

    solution = minimize(
        loss,
        np.zeros(width),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "gtol": SLOPE, "ftol": 0.0},
    )
    # At the limit of float64 the solver finds no lower value, and reports that as a failure.
    steepest = float(np.abs(solution.jac).max())
    if steepest > 100 * SLOPE:
        warnings.warn(
            f"ridge Cox regression: not converged after {solution.nit} steps, the steepest slope is"
            f" {steepest:.2g}",
            RuntimeWarning,
            stacklevel=2,
        )
    return np.asarray(solution.x, dtype=np.float64)

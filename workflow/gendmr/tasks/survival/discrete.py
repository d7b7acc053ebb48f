"""Hazards of intervals of time (Gensheimer & Narasimhan 2019, PeerJ 7:e6257)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.errors import OutcomeError
from gendmr.statistics.classification import sigmoid
from gendmr.tasks.survival.cox import cox_ridge
from gendmr.tasks.survival.outcome import CensoredTimes

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DiscreteModel:
    """A logit of the hazard of each interval.

    Parameters
    ----------
    n_outputs : int
        Intervals.
    cuts : float64 (interval,)
        Where each interval ends, the last at the longest time of training people; after `fit`.
    """

    n_outputs: int
    cuts: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def fit(self, outcome: CensoredTimes) -> DiscreteModel:
        """Return the model with intervals that end at quantiles of the event times.

        Where many events share a time, at quantiles of the different event times.

        Raises
        ------
        OutcomeError
            Fewer different event times than intervals.
        """
        events = outcome.time[outcome.event & outcome.known]
        longest = outcome.time[outcome.known].max()
        shares = np.arange(1, self.n_outputs) / self.n_outputs
        for times in (events, np.unique(events)):
            inner = np.quantile(times, shares, method="inverted_cdf")
            cuts = np.append(inner, longest)
            if (np.diff(cuts) > 0).all():
                return replace(self, cuts=cuts)
        raise OutcomeError(
            f"{len(np.unique(events))} different event times among training people cannot be cut"
            f" into {self.n_outputs} intervals",
            cause="times in years where they are known in months, or few events",
            next_step="set fewer intervals, or model: cox",
        )

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return where the intervals end."""
        return {"cuts": self.cuts} if self.cuts.size else {}

    def passed(self, outcome: CensoredTimes) -> tuple[np.ndarray, np.ndarray]:
        """Return which intervals each person survived, and in which the event came.

        Who was censored survived an interval of which at least half was seen; an event later than
        all intervals belongs to the last.

        Returns
        -------
        survived, failed : float64 (person, interval)
            0 or 1; all 0 where the outcome is unknown.
        """
        starts = np.append(0.0, self.cuts[:-1])
        place = np.minimum(np.searchsorted(self.cuts, outcome.time), self.n_outputs - 1)
        number = np.arange(self.n_outputs)
        before = number < place[:, None]
        half_seen = outcome.time[:, None] >= (starts + self.cuts) / 2
        event = outcome.event[:, None]
        has_outcome = outcome.known[:, None]
        survived = np.where(event, before, half_seen) & has_outcome
        failed = event & (number == place[:, None]) & has_outcome
        return survived.astype(np.float64), failed.astype(np.float64)

    def target(self, outcome: CensoredTimes) -> Mapping[str, np.ndarray]:
        """Return the survived intervals and that of the event."""
        survived, failed = self.passed(outcome)
        return {"survived": survived.astype(np.float32), "failed": failed.astype(np.float32)}

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the negative log likelihood of each person."""
        import torch

        softplus = torch.nn.functional.softplus
        return (target["survived"] * softplus(output) + target["failed"] * softplus(-output)).sum(1)

    def losses(self, output: np.ndarray, outcome: CensoredTimes) -> np.ndarray:
        """Return the same in float64."""
        survived, failed = self.passed(outcome)
        logit = output.astype(np.float64)
        terms = survived * np.logaddexp(0, logit) + failed * np.logaddexp(0, -logit)
        return np.asarray(terms.sum(axis=1))

    def log_risk(self, output: np.ndarray) -> np.ndarray:
        """Return the log of the cumulative hazard at the end of all intervals, (person,)."""
        total = np.logaddexp(0, output.astype(np.float64)).sum(axis=1)
        return np.asarray(np.log(np.maximum(total, 1e-300)))

    def baseline(
        self, output: np.ndarray, outcome: CensoredTimes, horizons: np.ndarray
    ) -> dict[str, Any]:
        """Return the ends of the intervals."""
        return {"cuts": [float(value) for value in self.cuts]}

    def survival(self, output: np.ndarray, calibration: Mapping[str, Any]) -> np.ndarray:
        """Return the predicted share free of the event, float64 (person, horizon).

        The hazard is constant within an interval, and after the last one as in it.
        """
        cuts, at = np.array(calibration["cuts"]), np.array(calibration["horizons"])
        starts = np.append(0.0, cuts[:-1])
        elapsed = np.maximum((at - starts[:, None]) / (cuts - starts)[:, None], 0)
        elapsed[:-1] = np.minimum(elapsed[:-1], 1)
        hazard = np.logaddexp(0, output.astype(np.float64))  # -log(1 - hazard of the interval)
        return np.asarray(np.exp(-hazard @ elapsed))

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1/J: attributions are of the mean logit of the hazard.

        What raises all hazards alike raises it by as much, as in a model of proportional odds;
        equal weights for all people keep their attributions comparable, and sum to the output.
        """
        return np.full_like(output, 1 / self.n_outputs)

    def linear(
        self, features: np.ndarray, outcome: CensoredTimes, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a ridge Cox regression with an intercept for each interval.

        Hazards are small numbers, where odds and hazards are nearly proportional at once.
        """
        coefficients = cox_ridge(features, outcome, penalty)
        survived, failed = self.passed(outcome)
        offset = (features @ coefficients)[:, None]
        intercept = np.zeros(self.n_outputs)
        # Half an event in one more person keeps the logit finite where an interval has no event.
        events, at_risk = failed.sum(axis=0) + 0.5, survived + failed
        for _ in range(100):
            hazard = at_risk * sigmoid(intercept + offset)
            slope = (hazard * (1 - sigmoid(intercept + offset))).sum(axis=0) + 1e-9
            excess = events - hazard.sum(axis=0) - sigmoid(intercept)
            step = np.clip(excess / (slope + sigmoid(intercept) * sigmoid(-intercept)), -2, 2)
            intercept += step
            if np.abs(step).max() < 1e-10:
                break
        return np.repeat(coefficients[:, None], self.n_outputs, axis=1), intercept

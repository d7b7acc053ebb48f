"""Estimators and measures of censored times.

Events come before censoring at the same time. Weights of inverse censoring probability are those
of training people: 1/G(t-) at the time t of an event, 1/G(t) of who is still there at t, with G the
Kaplan-Meier estimate of being uncensored (Uno 2007, 2011; Graf 1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 1024  # people at a time in comparisons of pairs: bounds memory


@dataclass(frozen=True)
class StepCurve:
    """A function of time that jumps.

    Parameters
    ----------
    times : float64 (k,)
        Ascending; where it jumps.
    values : float64 (k,)
        From that time on.
    before : float
        Before the first of them.
    """

    times: np.ndarray
    values: np.ndarray
    before: float

    def at(self, time: np.ndarray, *, left: bool = False) -> np.ndarray:
        """Return the values at some times, or just before them (`left`)."""
        place = np.searchsorted(self.times, time, side="left" if left else "right")
        return np.concatenate([[self.before], self.values])[place]


def _counts(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unique times, events at each, and people at risk at each."""
    times, inverse = np.unique(time, return_inverse=True)
    events = np.bincount(inverse, weights=event.astype(np.float64), minlength=len(times))
    people = np.bincount(inverse, minlength=len(times))
    at_risk = people[::-1].cumsum()[::-1]
    return times, events, at_risk


def kaplan_meier(time: np.ndarray, event: np.ndarray) -> StepCurve:
    """Return the share that is free of the event (Kaplan & Meier 1958, JASA 53:457).

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    """
    times, events, at_risk = _counts(time, event)
    return StepCurve(times, np.cumprod(1 - events / at_risk), 1.0)


def greenwood(time: np.ndarray, event: np.ndarray) -> StepCurve:
    """Return the standard error of log(-log S) of `kaplan_meier`; NaN where S is 0 or 1."""
    times, events, at_risk = _counts(time, event)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - events / at_risk)
        variance = np.cumsum(events / (at_risk * (at_risk - events)))
        error = np.sqrt(variance) / np.abs(np.log(survival))
    return StepCurve(times, np.where(np.isfinite(error), error, np.nan), np.nan)


def kaplan_meier_interval(
    time: np.ndarray, event: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Kaplan-Meier shares at some times with 95 % intervals on the log(-log) scale.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    at : float (k,)

    Returns
    -------
    survival, low, high : float64 (k,)
        Bounds are NaN where the share is 0 or 1.
    """
    survival = kaplan_meier(time, event).at(at)
    exponent = np.exp(1.959963984540054 * greenwood(time, event).at(at))
    return survival, survival**exponent, survival ** (1 / exponent)


def nelson_aalen(time: np.ndarray, event: np.ndarray) -> StepCurve:
    """Return the cumulative hazard (Aalen 1978, Ann Stat 6:701)."""
    return breslow(time, event, np.zeros(len(time)))


def breslow(time: np.ndarray, event: np.ndarray, log_risk: np.ndarray) -> StepCurve:
    """Return the cumulative baseline hazard of people with a log relative risk of 0.

    Breslow (1972), in the discussion of Cox, J R Stat Soc B 34:216.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    log_risk : float (person,)
    """
    times, inverse = np.unique(time, return_inverse=True)
    events = np.bincount(inverse, weights=event.astype(np.float64), minlength=len(times))
    top = log_risk.max(initial=-np.inf)
    relative = np.bincount(inverse, weights=np.exp(log_risk - top), minlength=len(times))
    at_risk = relative[::-1].cumsum()[::-1]
    return StepCurve(times, np.cumsum(events / np.maximum(at_risk, 1e-300)) * np.exp(-top), 0.0)


class PartialLikelihood:
    """The negative logarithm of Cox's partial likelihood, ties as Breslow has them.

    Sums are of logarithms: no log risk, however far from the others, leaves float64.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    """

    def __init__(self, time: np.ndarray, event: np.ndarray) -> None:
        self.event = event.astype(bool)
        self._order = np.argsort(-time, kind="stable")  # the latest first
        latest_first = -time[self._order]
        # Of equal times, the last one in the order sums over all of them, and the first one over
        # all that are not later.
        self._last = np.searchsorted(latest_first, -time, side="right") - 1
        self._first = np.searchsorted(latest_first, -time, side="left")

    def losses(self, log_risk: np.ndarray) -> np.ndarray:
        """Return what each person adds: 0 without an event, float64 (person,)."""
        return np.where(self.event, self._log_at_risk(log_risk) - log_risk, 0.0)

    def slope(self, log_risk: np.ndarray) -> np.ndarray:
        """Return the derivative of the sum by each log risk, float64 (person,).

        It is the martingale residual with the other sign.
        """
        log_share = np.where(self.event, -self._log_at_risk(log_risk), -np.inf)
        log_hazard = np.logaddexp.accumulate(log_share[self._order][::-1])[::-1]
        return np.asarray(np.exp(log_risk + log_hazard[self._first]) - self.event)

    def _log_at_risk(self, log_risk: np.ndarray) -> np.ndarray:
        """Return the log of the summed risk of who is at risk at each time, (person,)."""
        return np.asarray(np.logaddexp.accumulate(log_risk[self._order])[self._last])


def uncensored(time: np.ndarray, event: np.ndarray) -> StepCurve:
    """Return the probability G of not yet being censored, by Kaplan-Meier.

    Who has the event at a time is not at risk of being censored at it.
    """
    times, inverse = np.unique(time, return_inverse=True)
    censored = np.bincount(inverse, weights=~event.astype(bool), minlength=len(times))
    _, events, at_risk = _counts(time, event)
    at_risk = at_risk - events
    return StepCurve(times, np.cumprod(1 - censored / np.maximum(at_risk, 1)), 1.0)


def pair_tables(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, rows: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pairs can be compared and how they agree, float32 (row, person) each.

    Of a pair (i, j), i had the event and j was free of it for longer, or censored at the same time.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    risk : float (person,)
    rows : slice
        Of the people i.

    Returns
    -------
    comparable : 0 or 1
    concordant : 1 where the risk of i is higher, 0.5 where equal, times `comparable`
    """
    later = time[None, :] > time[rows, None]
    censored_at_tie = (time[None, :] == time[rows, None]) & ~event[None, :]
    comparable = ((later | censored_at_tie) & event[rows, None]).astype(np.float32)
    higher = (risk[rows, None] > risk[None, :]).astype(np.float32)
    higher += np.float32(0.5) * (risk[rows, None] == risk[None, :])
    return comparable, comparable * higher


def concordance(time: np.ndarray, event: np.ndarray, risk: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted share of comparable pairs whose risks are in the right order.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    risk : float (person,)
        Higher means earlier.
    weight : float (person,)
        Of the pairs in which this person is the one with the event.
    """
    pairs = agreement = 0.0
    for start in range(0, len(time), CHUNK):
        rows = slice(start, start + CHUNK)
        comparable, concordant = pair_tables(time, event, risk, rows)
        pairs += float(weight[rows] @ comparable.sum(axis=1, dtype=np.float64))
        agreement += float(weight[rows] @ concordant.sum(axis=1, dtype=np.float64))
    return agreement / pairs if pairs > 0 else float("nan")


def harrell_c(time: np.ndarray, event: np.ndarray, risk: np.ndarray) -> float:
    """Return Harrell's concordance (1982, JAMA 247:2543); equal risks count one half.

    NaN where no pair can be compared. Parameters as of `concordance`.
    """
    return concordance(time, event.astype(bool), risk, np.ones(len(time)))


def uno_c(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
) -> float:
    """Return Uno's concordance (2011, Stat Med 30:1105), which censoring does not change.

    Pairs count by 1/G(t-)²; those with an event later than training people were followed up do not
    count. NaN where no pair is left.

    Parameters
    ----------
    train_time, train_event : (training person,)
        Of whom the censoring distribution is told.
    time, event, risk : (person,)
    """
    event = event.astype(bool)
    uncensored_at_event = uncensored(train_time, train_event).at(time, left=True)
    use = event & (uncensored_at_event > 0) & (time <= train_time.max(initial=-np.inf))
    weight = np.where(use, 1 / np.where(use, uncensored_at_event, 1) ** 2, 0.0)
    return concordance(time, event, risk, weight)


def brier(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    survival: np.ndarray,
    at: np.ndarray,
) -> np.ndarray:
    """Return the Brier score at some times, weighted against censoring (Graf 1999, 18:2529).

    Parameters
    ----------
    train_time, train_event : (training person,)
    time, event : (person,)
    survival : float (person, k)
        Predicted share that is free of the event at the times.
    at : float (k,)

    Returns
    -------
    float64 (k,)
        NaN at times later than training people were followed up, or where there is nobody.
    """
    if not len(time):
        return np.full(len(at), np.nan)
    censoring = uncensored(train_time, train_event)
    uncensored_at_event, uncensored_at_horizon = censoring.at(time, left=True), censoring.at(at)
    dead = (time[:, None] <= at) & event.astype(bool)[:, None]
    alive = time[:, None] > at
    usable = (uncensored_at_horizon > 0) & (at <= train_time.max(initial=-np.inf))
    terms = (
        dead * survival**2 / np.where(uncensored_at_event > 0, uncensored_at_event, np.inf)[:, None]
    )
    terms = terms + alive * (1 - survival) ** 2 / np.where(usable, uncensored_at_horizon, np.inf)
    return np.where(usable, terms.mean(axis=0), np.nan)


def integrated_brier(score: np.ndarray, at: np.ndarray) -> float:
    """Return the mean of a Brier score over time, by trapezia between the times with a score.

    Of a single time it is the score at it; NaN where there is none.
    """
    use = np.isfinite(score)
    score, at = score[use], at[use]
    if not len(at):
        return float("nan")
    if at[-1] <= at[0]:
        return float(score.mean())
    return float(((score[1:] + score[:-1]) / 2 * np.diff(at)).sum() / (at[-1] - at[0]))


def cumulative_dynamic_auc(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    at: np.ndarray,
) -> np.ndarray:
    """Return the AUC of who has had the event by a time against who has not (Uno 2007, JASA 102).

    Who has had the event counts by 1/G(t-) of his time; who was censored before does not count.

    Parameters
    ----------
    train_time, train_event : (training person,)
    time, event, risk : (person,)
    at : float (k,)

    Returns
    -------
    float64 (k,)
        NaN where there is nobody on a side, or training people were not followed up so long.
    """
    uncensored_at_event = uncensored(train_time, train_event).at(time, left=True)
    ranks = np.unique(risk, return_inverse=True)[1]
    areas = np.full(len(at), np.nan)
    for number, moment in enumerate(at):
        cases = (time <= moment) & event.astype(bool) & (uncensored_at_event > 0)
        free = time > moment
        if not cases.any() or not free.any() or moment > train_time.max(initial=-np.inf):
            continue
        counts = np.bincount(ranks[free], minlength=ranks.max() + 1)
        lower = counts.cumsum() - counts / 2
        weight = 1 / uncensored_at_event[cases]
        areas[number] = (weight @ lower[ranks[cases]]) / (weight.sum() * free.sum())
    return areas


def logrank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Return the log-rank chi-squared statistic of some groups and its p-value.

    Mantel (1966), Cancer Chemother Rep 50:163; one degree of freedom less than groups.

    Parameters
    ----------
    time : float (person,)
    event : bool (person,)
    group : (person,)

    Returns
    -------
    chi2, p : float
        NaN where there is one group only, or no event.
    """
    from scipy.special import chdtrc

    names, member = np.unique(group, return_inverse=True)
    times, inverse = np.unique(time, return_inverse=True)
    if len(names) < 2 or not event.any():
        return float("nan"), float("nan")
    shape = (len(times), len(names))
    people, events = np.zeros(shape), np.zeros(shape)
    np.add.at(people, (inverse, member), 1)
    np.add.at(events, (inverse, member), event.astype(np.float64))
    at_risk = people[::-1].cumsum(axis=0)[::-1]
    total, died = at_risk.sum(axis=1), events.sum(axis=1)
    share = at_risk / total[:, None]
    excess = (events - died[:, None] * share).sum(axis=0)
    factor = died * (total - died) / np.maximum(total - 1, 1)
    covariance = np.diag(factor @ share) - np.einsum("t,ta,tb->ab", factor, share, share)
    # Rows sum to 0, so one of the groups is redundant.
    chi2 = float(excess[1:] @ np.linalg.pinv(covariance[1:, 1:]) @ excess[1:])
    return chi2, float(chdtrc(len(names) - 1, chi2))


def resampled_harrell_c(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return `harrell_c` of resampled people, float64 (draw,).

    Parameters
    ----------
    time, event, risk : (person,)
    counts : float (draw, person)
        How often each person was drawn; nobody is compared with himself.
    """
    weights = counts.astype(np.float32)
    pairs, agreement = np.zeros(len(counts)), np.zeros(len(counts))
    for start in range(0, len(time), CHUNK):
        rows = slice(start, start + CHUNK)
        comparable, concordant = pair_tables(time, event.astype(bool), risk, rows)
        pairs += ((weights @ comparable.T) * weights[:, rows]).sum(axis=1, dtype=np.float64)
        agreement += ((weights @ concordant.T) * weights[:, rows]).sum(axis=1, dtype=np.float64)
    return np.where(pairs > 0, agreement / np.maximum(pairs, 1), np.nan)

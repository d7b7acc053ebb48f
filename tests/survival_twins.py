"""Slow and obvious twins of fast functions."""

from __future__ import annotations

import numpy as np


def uncensored_before(
    train_time: np.ndarray, train_event: np.ndarray, moment: float, *, at: bool = False
) -> float:
    """Probability of not being censored before (or up to, `at`) a moment, events first."""
    share = 1.0
    for time in sorted(set(train_time)):
        if time > moment or (time == moment and not at):
            break
        at_risk = sum(
            1
            for t, e in zip(train_time, train_event, strict=True)
            if t > time or (t == time and not e)
        )
        censored = sum(
            1 for t, e in zip(train_time, train_event, strict=True) if t == time and not e
        )
        if censored:
            share *= 1 - censored / at_risk
    return share


def concordance(time: np.ndarray, event: np.ndarray, risk: np.ndarray, weight: np.ndarray) -> float:
    """Weighted share of comparable pairs in the right order."""
    pairs = agreement = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            if not event[i]:
                continue
            if time[i] < time[j] or (time[i] == time[j] and not event[j]):
                pairs += weight[i]
                if risk[i] > risk[j]:
                    agreement += weight[i]
                elif risk[i] == risk[j]:
                    agreement += weight[i] / 2
    return agreement / pairs if pairs else float("nan")


def dynamic_auc(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    moment: float,
) -> float:
    """AUC of who has had the event against who has not."""
    wins = total = 0.0
    for i in range(len(time)):
        if not event[i] or time[i] > moment:
            continue
        share = uncensored_before(train_time, train_event, time[i])
        if not share:
            continue
        for j in range(len(time)):
            if time[j] > moment:
                total += 1 / share
                wins += ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2) / share
    return wins / total if total else float("nan")


def brier(
    train_time: np.ndarray,
    train_event: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    survival: np.ndarray,
    moment: float,
) -> float:
    """Mean squared difference of survival from what came, weighted against censoring."""
    total = 0.0
    for i in range(len(time)):
        if time[i] <= moment and event[i]:
            share = uncensored_before(train_time, train_event, time[i])
            total += survival[i] ** 2 / share if share else 0.0
        elif time[i] > moment:
            share = uncensored_before(train_time, train_event, moment, at=True)
            total += (1 - survival[i]) ** 2 / share
    return total / len(time)


def breslow(time: np.ndarray, event: np.ndarray, log_risk: np.ndarray, moment: float) -> float:
    """Cumulative baseline hazard up to a moment."""
    total = 0.0
    for t in sorted(set(time)):
        if t <= moment:
            deaths = sum(1 for u, e in zip(time, event, strict=True) if u == t and e)
            at_risk = sum(np.exp(r) for u, r in zip(time, log_risk, strict=True) if u >= t)
            total += deaths / at_risk
    return total


def partial_likelihood(time: np.ndarray, event: np.ndarray, log_risk: np.ndarray) -> list[float]:
    """Negative log partial likelihood of each person, Breslow ties."""
    return [
        np.log(sum(np.exp(log_risk[j]) for j in range(len(time)) if time[j] >= time[i]))
        - log_risk[i]
        if event[i]
        else 0.0
        for i in range(len(time))
    ]

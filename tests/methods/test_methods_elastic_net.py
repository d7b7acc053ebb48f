"""The elastic-net Cox regression fulfils the conditions of its minimum."""

from __future__ import annotations

import numpy as np
import pytest

import survival_twins as slow
from gendmr.methods.elastic_net.method import cox_path
from gendmr.tasks.survival.outcome import CensoredTimes


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, CensoredTimes]:
    """120 people with tied times, 30 features, two of which matter."""
    random = np.random.default_rng(0)
    features = np.asfortranarray(random.normal(size=(120, 30)))
    time = random.exponential(np.exp(features[:, 1] - features[:, 0])).round(1) + 0.1
    event = random.uniform(size=120) < 0.7
    return features, CensoredTimes(time, event, np.ones(120, dtype=bool))


def loss_of(log_risk: np.ndarray, outcome: CensoredTimes) -> float:
    return sum(slow.partial_likelihood(outcome.time, outcome.event, log_risk))


def test_cox_path__gives_the_minimum(people: tuple[np.ndarray, CensoredTimes]) -> None:
    features, outcome = people
    strength, l1 = 0.05, 0.5
    path = cox_path(features, outcome, np.array([0.3, strength]), l1)
    assert 0 < np.count_nonzero(path[0]) < np.count_nonzero(path[1]) < 30
    beta, step = path[1], 1e-5
    slope = np.array(
        [
            (
                loss_of(features @ (beta + shift), outcome)
                - loss_of(features @ (beta - shift), outcome)
            )
            / (2 * step * 120)
            for shift in step * np.eye(30)
        ]
    )
    slope += strength * (1 - l1) * beta
    inside = beta != 0
    np.testing.assert_allclose(slope[inside], -strength * l1 * np.sign(beta[inside]), atol=1e-5)
    assert (np.abs(slope[~inside]) <= strength * l1 + 1e-5).all()

"""Boosted trees find what is planted, add up, and come back from their bytes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gendmr.config.methods.boosting import BoostingMethod
from gendmr.methods.boosting import method as boosting
from gendmr.statistics.survival import harrell_c
from gendmr.tasks.survival.outcome import CensoredTimes


class People(SimpleNamespace):
    """What the method asks of people."""

    def __len__(self) -> int:
        return len(self.values["volume"])


def planted(people: int, seed: int) -> People:
    """Return people whose hazard is high at both ends of two features: no line shows it."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(people, 12)).astype(np.float64)
    risk = 1.5 * np.sign(np.abs(features[:, 3]) - 0.67) + np.sign(np.abs(features[:, 7]) - 0.67)
    time = random.exponential(np.exp(-risk)) + 0.01
    event = random.uniform(size=people) < 0.8
    outcome = CensoredTimes(time, event, np.ones(people, dtype=bool))
    present = {"volume": np.ones(people, dtype=bool)}
    return People(values={"volume": features}, outcome=outcome, present=present, risk=risk)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Any:
    task = SimpleNamespace(
        n_outputs=1, fewest=lambda outcome: int(outcome.event.sum()), contrast=np.ones_like
    )
    preparation = SimpleNamespace(
        task=task,
        design=lambda people, name: people.values[name],
        instances=lambda name: range(12),
    )
    parts = lambda people, count, random: random.permutation(len(people)) % count  # noqa: E731
    monkeypatch.setattr(boosting, "stratified_parts", parts)
    monkeypatch.setattr(boosting, "note_missing", lambda *_: [])
    monkeypatch.setattr(boosting, "only_epoch", lambda fitted, inputs, **columns: [columns])
    method = boosting.Boosting(BoostingMethod(learning_rate=0.1, columns=1.0), ("volume",))
    train = planted(400, 1)
    inputs = SimpleNamespace(train=train, preparation=preparation, task=task, seed=3)
    return method.fit(inputs, device="cpu", progress=lambda line: None)


def test_boosting_finds_what_no_line_shows_and_its_shares_add_up(fitted: Any) -> None:
    held_out = planted(300, 2)
    output = fitted.predict(held_out)
    outcome = held_out.outcome
    best = harrell_c(outcome.time, outcome.event, held_out.risk)
    concordance = harrell_c(outcome.time, outcome.event, output[:, 0])
    assert best > 0.72 and concordance > best - 0.08
    shares = fitted.attributions(held_out)["volume"]
    np.testing.assert_allclose(shares.value.sum(axis=1) + shares.baseline, output[:, 0], atol=1e-4)
    size = np.abs(shares.value).mean(axis=0)
    assert set(np.argsort(size)[-2:]) == {3, 7}
    assert 1 < fitted.history[0]["trees"] <= 300
    # Trees come back from their bytes, and nothing else is needed.
    again = replace(fitted, model=fitted.weights["model"].copy())
    assert np.array_equal(again.predict(held_out), output)

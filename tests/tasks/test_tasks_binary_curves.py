"""ROC curves and calibration of cases and controls: the numbers behind the pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics.intervals import wilson
from gendmr.tasks.binary.curves import GRID, calibration, local_linear, mean_roc, roc


def people(n: int, *, seed: int = 0, folds: int = 4, repeats: int = 1) -> pd.DataFrame:
    """Of normal scores, cases one standard deviation higher, half of them cases."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    parts = []
    for repeat in range(repeats):
        parts.append(
            pd.DataFrame(
                {
                    "participant_id": [f"{i}" for i in range(n)],
                    "observed": truth,
                    "score": rng.normal(size=n) + truth,
                    "repeat": repeat,
                    "fold": rng.permutation(n) % folds,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_the_band_of_a_roc_curve_is_as_wide_as_theory_says() -> None:
    n = 2000
    curve = roc(people(n, folds=1), "m")
    assert curve is not None
    assert np.array_equal(curve.sensitivity, mean_roc(people(n, folds=1)))
    # Normal scores one SD apart: tpr = Phi(Phi^-1(fpr) + 1), and its slope in fpr.
    from scipy.stats import norm

    for at in (20, 50, 80):
        fpr = GRID[at]
        tpr = norm.cdf(norm.ppf(fpr) + 1)
        slope = norm.pdf(norm.ppf(tpr)) / norm.pdf(norm.ppf(fpr))
        variance = tpr * (1 - tpr) / (n / 2) + slope**2 * fpr * (1 - fpr) / (n / 2)
        width = curve.high[at] - curve.low[at]
        assert width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.25)
        assert curve.low[at] < tpr < curve.high[at]


def test_repeats_of_the_same_people_make_no_band_vanish() -> None:
    once, often = roc(people(200), "m"), roc(people(200, repeats=10), "m")
    assert once is not None
    assert often is not None
    people_once = people(200)
    copies = [people_once.assign(repeat=repeat) for repeat in range(10)]
    copied = roc(pd.concat(copies, ignore_index=True), "m")
    assert copied is not None
    assert np.allclose(copied.low, once.low)
    assert np.allclose(copied.high, once.high)


def test_folds_with_one_class_do_not_count() -> None:
    table = people(80)
    alone = table[table["fold"] > 0].assign(fold=9, observed=1, repeat=1)
    curve = roc(pd.concat([table, alone], ignore_index=True), "m")
    assert curve is not None
    assert np.allclose(curve.sensitivity, roc(table, "m").sensitivity)  # type: ignore[union-attr]
    assert roc(alone, "m") is None


def test_wilson_is_that_of_the_textbook() -> None:
    low, high = wilson(np.array([0.0, 5.0, 10.0]), np.array([10.0, 10.0, 10.0]))
    assert low == pytest.approx([0.0, 0.2366, 0.7225], abs=1e-4)
    assert high == pytest.approx([0.2775, 0.7634, 1.0], abs=1e-4)


def probabilities(n: int, seed: int = 1) -> pd.DataFrame:
    """Of people whose diagnosis has the probability that is predicted."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.1, 0.9, n)
    return pd.DataFrame(
        {
            "participant_id": [f"{i}" for i in range(n)],
            "observed": (rng.uniform(size=n) < score).astype(int),
            "score": score,
        }
    )


def test_true_probabilities_lie_on_the_diagonal_and_false_ones_do_not() -> None:
    rows = probabilities(4000)
    curve = calibration(rows)
    assert len(curve.predicted) == 10
    assert curve.people.tolist() == [400] * 10
    assert ((curve.low < curve.predicted) & (curve.predicted < curve.high)).sum() >= 8
    assert np.abs(curve.smooth - curve.x).max() < 0.04
    extreme = calibration(rows.assign(score=rows["score"].round()))
    assert np.abs(extreme.observed - extreme.predicted).min() > 0.1


def test_bins_hold_everybody_once_whatever_the_number_of_repeats() -> None:
    rows = probabilities(130)
    once = calibration(rows)
    assert len(once.people) == 6  # of at least twenty
    thrice = calibration(pd.concat([rows] * 3, ignore_index=True))
    assert thrice.people == pytest.approx(once.people)
    assert thrice.low == pytest.approx(once.low)
    assert thrice.smooth == pytest.approx(once.smooth, abs=0.02)
    cases = float((once.people * once.observed).sum())
    assert cases == pytest.approx(rows["observed"].sum())


def test_equal_scores_are_one_bin_without_a_curve() -> None:
    curve = calibration(probabilities(100).assign(score=0.5))
    assert curve.predicted.tolist() == [0.5]
    assert curve.people.tolist() == [100]
    assert len(curve.smooth) == 0


def test_the_smooth_curve_reproduces_a_line_and_stays_within_0_and_1() -> None:
    x = np.linspace(0, 1, 200)
    at, curve = local_linear(x, 0.2 + 0.5 * x, np.ones(200))
    assert curve == pytest.approx(0.2 + 0.5 * at)
    _, curve = local_linear(x, (x > 0.5).astype(float), np.ones(200))
    assert curve.min() >= 0
    assert curve.max() <= 1
    assert np.ptp(curve) > 0.9


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=25).filter(
        lambda rows: len({row[0] for row in rows}) == 2
    )
)
def test_area_under_the_curve_is_the_share_of_ordered_pairs(rows: list[tuple[int, int]]) -> None:
    table = pd.DataFrame(rows, columns=["observed", "score"]).assign(repeat=0, fold=0)
    curve = mean_roc(table)
    assert curve is not None
    assert np.all(np.diff(curve) >= -1e-12)
    cases = [score for truth, score in rows if truth]
    controls = [score for truth, score in rows if not truth]
    pairs = [(a > b) + (a == b) / 2 for a in cases for b in controls]
    # Steps lie between points of the grid, hence the tolerance.
    assert abs(np.trapezoid(curve, GRID) - np.mean(pairs)) < 0.011 * (len(set(controls)) + 1)

"""p-values that are uniform when nothing is there, against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri_exp
from scipy.stats import kstest, norm, pearson3, t

from gendmr.ranking.significance import (
    family_wise_threshold,
    permutation_p_values,
    relative_to_bulk,
    tail_probability,
)


def slow_z(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Score by score: Pearson III of the others of the column, and one more."""
    rows = np.array([observed, *null])
    z = np.zeros(rows.shape)
    for row, column in np.ndindex(rows.shape):
        if np.std(rows[:, column]) == 0:
            continue
        other_values = [value for k, value in enumerate(rows[:, column]) if k != row]
        other_values.append(np.mean([value for value in rows[:, column] if value > 0]))
        mean, deviation = (
            np.mean(other_values),
            max(np.std(other_values), 1e-3 * np.std(rows[:, column])),
        )
        skewness = max(np.mean((np.array(other_values) - mean) ** 3) / deviation**3, 0.01)
        beyond = pearson3.logsf((rows[row, column] - mean) / deviation, skewness)
        quantile = max(-5.0, -ndtri_exp(min(beyond, -1e-15)))
        z[row, column] = norm.isf(t.sf(abs(quantile), len(rows) - 1)) * np.sign(quantile)
    return z


@settings(max_examples=40, deadline=None)
@given(draws=st.integers(1, 40), size=st.integers(1, 8), seed=st.integers(0, 999))
def test_p_values_are_what_counting_gives(draws: int, size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Small whole numbers: ties with the observed score count as as large.
    observed = random.integers(0, 4, size).astype(float)
    null = random.integers(0, 4, (draws, size)).astype(float)
    significance = permutation_p_values(observed, null, relative=False)
    z = slow_z(observed, null)
    np.testing.assert_allclose(significance.z, z[0], rtol=1e-5, atol=1e-5)
    for column in range(size):
        as_large = sum(row[column] >= observed[column] for row in null)
        assert significance.p[column] == (as_large + 1) / (draws + 1)
        reached = sum(max(row) >= z[0, column] - 1e-9 for row in z[1:])
        assert significance.family_wise[column] == pytest.approx((reached + 1) / (draws + 1))
        beyond = sum(value >= z[0, column] - 1e-9 for row in z[1:] for value in row)
        assert significance.pooled[column] == pytest.approx((beyond + 1) / (draws * size + 1))
    assert set(significance.kind) == {"permutation"}


def test_p_values_are_uniform_when_nothing_is_there() -> None:
    random = np.random.default_rng(0)
    size = 40
    scale = np.linspace(1, 30, size)  # genes of few and of many SNPs
    p, family_wise, pooled = [], [], []
    for _ in range(300):
        scores = scale * random.gamma(2.0, size=(100, size))
        significance = permutation_p_values(scores[0], scores[1:])
        p.append(random.choice(significance.p))
        family_wise.append(significance.family_wise.min())
        pooled.append(random.choice(significance.pooled))
    for values, step in ((p, 100), (family_wise, 100), (pooled, 99 * size + 1)):
        # Multiples of a step, spread within it.
        jittered = np.array(values) - random.uniform(size=len(values)) / step
        assert kstest(jittered, "uniform").pvalue > 0.01
    errors = np.mean(np.array(family_wise) <= 0.05)
    assert 0.05 - 3 * np.sqrt(0.05 * 0.95 / 300) < errors < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_raw_maxima_would_judge_genes_by_their_size() -> None:
    """The largest of raw scores hides a strong gene of one SNP behind null genes of thirty."""
    random = np.random.default_rng(1)
    scale = np.array([1.0, *np.full(20, 30.0)])
    scores = scale * random.gamma(2.0, size=(200, 21))
    scores[0, 0] = 12.0
    significance = permutation_p_values(scores[0], scores[1:])
    assert significance.family_wise[0] <= 0.05
    assert (scores[1:].max(axis=1) >= 12.0).mean() > 0.9


def test_a_gene_that_seldom_scores_does_not_hide_one_that_always_does() -> None:
    """Of 200 small genes each is selected, and scores, in one permutation of twenty."""
    random = np.random.default_rng(5)
    seldom = (random.uniform(size=(400, 200)) < 0.05) * random.gamma(20.0, 0.05, size=(400, 200))
    large = random.normal(3.0, 0.3, size=(400, 1))
    large[0] = 4.6  # more than five SDs
    scores = np.column_stack([large, seldom])
    standardised = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    hidden = (standardised[1:].max(axis=1) >= standardised[0, 0]).mean()
    significance = permutation_p_values(scores[0], scores[1:])
    assert hidden > 0.5 and significance.family_wise[0] <= 0.05


def test_genes_that_seldom_score_do_not_say_how_large_a_permutation_is() -> None:
    """A little more than half of 300 genes score: their median is now near 0 and now is not."""
    random = np.random.default_rng(7)
    seldom = (random.uniform(size=(200, 300)) < 0.56) * random.gamma(5.0, 0.2, size=(200, 300))
    often = random.normal(3.0, 0.3, size=(200, 20))
    often[0, 0] = 4.6
    scores = np.column_stack([often, seldom])
    assert (np.median(scores / scores.mean(axis=0), axis=1) > 0).all()
    significance = permutation_p_values(scores[0], scores[1:])
    assert significance.family_wise[0] <= 0.05 and (significance.family_wise[1:] > 0.05).all()


def test_a_strong_score_does_not_widen_its_own_null() -> None:
    """(score - mean) / SD of 20 draws is below the root of 19, however strong the score."""
    random = np.random.default_rng(6)
    scores = random.normal(5.0, size=(20, 15))
    scores[0, 0] = 50.0
    assert permutation_p_values(scores[0], scores[1:]).z[0] > 5


def test_the_line_is_where_family_wise_significance_begins() -> None:
    random = np.random.default_rng(2)
    null = random.normal(size=(99, 30))
    observed = np.linspace(1.0, 5.0, 30)
    significance = permutation_p_values(observed, null)
    line = significance.family_wise_threshold
    assert line is not None
    np.testing.assert_array_equal(significance.z > line, significance.family_wise <= 0.05)
    assert family_wise_threshold(null[:18]) is None and family_wise_threshold(null[:19]) is not None


def test_q_values_are_those_of_the_step_up_procedure() -> None:
    p = np.array([0.001, 0.2, 0.012, 0.013, 0.9])
    null = np.zeros((999, 5))
    for column, value in enumerate(p):
        null[: round(1000 * value) - 1, column] = 2.0
    q = permutation_p_values(np.ones(5), null, relative=False).q
    for level in (0.01, 0.05, 0.1, 0.3, 1.0):
        below = [k for k in range(1, 6) if np.sort(p)[k - 1] <= level * k / 5]
        rejected = set(np.flatnonzero(p <= np.sort(p)[max(below) - 1])) if below else set()
        assert set(np.flatnonzero(q <= level + 1e-12)) == rejected


def test_sequential_p_values_stop_at_the_wanted_count() -> None:
    null = np.array([[0.0], [2.0], [2.0], [0.0], [2.0]])
    assert permutation_p_values(np.array([1.0]), null, sequential=2).p[0] == 2 / 3
    assert permutation_p_values(np.array([1.0]), null, sequential=2).kind == ["sequential"]
    assert permutation_p_values(np.array([3.0]), null, sequential=2).p[0] == 1 / 6
    assert permutation_p_values(np.array([3.0]), null, sequential=2).kind == ["permutation"]


def test_a_fitted_tail_is_near_the_truth_and_marked() -> None:
    random = np.random.default_rng(3)
    null = random.normal(size=(5000, 1))
    fitted = tail_probability(4.0, null[:, 0])
    assert fitted is not None and 0.2 < fitted / norm.sf(4.0) < 5
    significance = permutation_p_values(np.array([4.0]), null, tail=True)
    assert significance.kind == ["fitted"] and significance.p[0] < 1 / 5001
    assert permutation_p_values(np.array([1.0]), null, tail=True).kind == ["permutation"]
    assert permutation_p_values(np.array([4.0]), null[:50], tail=True).kind == ["permutation"]


def test_what_does_not_vary_is_not_found() -> None:
    significance = permutation_p_values(np.array([0.0, 1.0]), np.array([[0.0, 0.5], [0.0, 0.7]]))
    assert significance.p[0] == 1.0 and significance.z[0] == 0.0 and significance.p[1] == 1 / 3
    assert permutation_p_values(np.zeros(0), np.zeros((5, 0))).p.size == 0


def test_a_strong_gene_does_not_hide_another() -> None:
    """Shares of a whole: what the first takes, all others lose."""
    random = np.random.default_rng(4)
    weights = random.gamma(2.0, size=(200, 60))
    weights[0, 0], weights[0, 1] = 300.0, 14.0
    shares = weights / weights.sum(axis=1, keepdims=True)
    hidden = permutation_p_values(shares[0], shares[1:], relative=False)
    significance = permutation_p_values(shares[0], shares[1:])
    assert hidden.family_wise[1] > 0.9 and hidden.p[2:].mean() > 0.85
    assert significance.family_wise[1] <= 0.05 and significance.family_wise[0] <= 0.05
    assert 0.35 < significance.p[2:].mean() < 0.65
    # The slow twin of what a row is divided by.
    rows = np.array([[float(i * (j + 1) % 7 + 1) for j in range(12)] for i in range(1, 4)])
    sizes = []
    for row in rows:
        ratios = [value / rows[:, column].mean() for column, value in enumerate(row)]
        sizes.append(np.median(ratios))
    np.testing.assert_allclose(relative_to_bulk(rows), rows / np.array(sizes)[:, None])
    np.testing.assert_array_equal(relative_to_bulk(rows[:, :9]), rows[:, :9])
    rows[0, :7] = 0
    np.testing.assert_array_equal(relative_to_bulk(rows), rows)

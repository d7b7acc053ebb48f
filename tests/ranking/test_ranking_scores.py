"""Kernels of the ranking against slow twins that say the same in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gendmr.ranking import scores
from gendmr.training.readout import instance_scores

RISK = arrays(np.float32, (6, 4), elements=st.sampled_from([np.nan, -1.0, -0.25, 0.0, 0.5, 2.0]))


@settings(max_examples=60, deadline=None)
@given(risk=RISK, score=st.sampled_from(["mean_abs", "abs_mean"]))
def test_instance_scores_against_a_loop(risk, score):
    scores_of_loci = instance_scores(risk, score)
    for j in range(risk.shape[1]):
        values = [float(v) for v in risk[:, j] if not np.isnan(v)]
        expected = 0.0
        if values:
            mean = sum(values) / len(values)
            deviation = sum(abs(v - mean) for v in values) / len(values)
            expected = deviation if score == "mean_abs" else abs(mean)
        assert scores_of_loci[j] == pytest.approx(expected, abs=1e-12)


def test_the_same_risk_for_everybody_is_a_mean_but_no_difference():
    risk = np.full((5, 1), 0.7)
    assert instance_scores(risk, "abs_mean")[0] == pytest.approx(0.7)
    assert instance_scores(risk, "mean_abs")[0] == pytest.approx(0.0)


@settings(max_examples=60, deadline=None)
@given(risk=RISK, measure=RISK)
def test_covariance_against_numpy(risk, measure):
    covariances = scores.covariance(risk, measure)
    for j in range(risk.shape[1]):
        complete = ~np.isnan(risk[:, j]) & ~np.isnan(measure[:, j])
        expected = (
            np.cov(risk[complete, j], measure[complete, j], bias=True)[0, 1]
            if complete.any()
            else 0
        )
        assert covariances[j] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(dosage=arrays(np.int8, (12, 4), elements=st.integers(-1, 2)))
def test_squared_correlations_against_numpy(dosage):
    r2 = scores.squared_correlations(dosage)
    filled = dosage.astype(float)
    for j in range(4):
        called = dosage[:, j] >= 0
        filled[~called, j] = filled[called, j].mean() if called.any() else 0
    for i in range(4):
        for j in range(4):
            varies = np.ptp(filled[:, i]) > 1e-9 and np.ptp(filled[:, j]) > 1e-9
            expected = np.corrcoef(filled[:, i], filled[:, j])[0, 1] ** 2 if varies else 0.0
            assert r2[i, j] == pytest.approx(1.0 if i == j else expected, abs=1e-9)


def test_swapping_the_counted_allele_changes_no_r2():
    dosage = np.random.default_rng(0).integers(-1, 3, (30, 5)).astype(np.int8)
    swapped = np.where(dosage < 0, -1, 2 - dosage).astype(np.int8)
    assert np.allclose(scores.squared_correlations(dosage), scores.squared_correlations(swapped))


def test_copies_count_about_once_and_independent_snps_each():
    original = np.random.default_rng(1).integers(0, 3, (2000, 1)).astype(np.int8)
    copies = np.repeat(original, 4, axis=1)
    independent = np.random.default_rng(2).integers(0, 3, (2000, 4)).astype(np.int8)
    scored = np.ones((1, 4), dtype=bool)
    blocks = scores.ld_weights(scores.squared_correlations(copies), scored)
    apart = scores.ld_weights(scores.squared_correlations(independent), scored)
    assert blocks.sum() == pytest.approx(1.0)
    assert apart.sum() == pytest.approx(4.0, abs=0.05)


def test_copies_that_a_fold_did_not_select_take_no_weight():
    r2 = np.ones((3, 3))
    scored = np.array([[True, False, False], [True, True, True]])
    weights = scores.ld_weights(r2, scored)
    assert weights[0].tolist() == [1, 0, 0]
    assert weights[1].tolist() == pytest.approx([1 / 3] * 3)


@settings(max_examples=60, deadline=None)
@given(values=arrays(np.float64, (3, 7), elements=st.sampled_from([0.0, 0.1, 0.5, 2.0])))
def test_ranks_and_first_against_counting(values):
    ranked = scores.ranks(values)
    first = scores.in_first(values, 3)
    for row, row_ranks, row_first in zip(values, ranked, first, strict=True):
        for value, rank, inside in zip(row, row_ranks, row_first, strict=True):
            better, ties = (row > value).sum(), (row == value).sum()
            assert rank == better + (ties + 1) / 2
            assert inside == (value > 0 and better + ties <= 3)


def test_stability__tells_no_percentiles_of_five_folds_and_compares_repeats():
    random = np.random.default_rng(2)
    few = random.random((5, 30))
    of_folds = scores.stability(few, 3, np.zeros(5, dtype=int))
    ranked = scores.ranks(few)
    assert of_folds["rank_low"].tolist() == ranked.min(axis=0).tolist()
    assert of_folds["rank_high"].tolist() == ranked.max(axis=0).tolist()
    # A true order with noise in each fold: a repeat, the mean of its folds, has it nearly right.
    truth = np.linspace(1, 0, 30)
    repeat = np.repeat(np.arange(12), 5)
    by_fold = truth + 0.3 * random.random((60, 30))
    of_repeats = scores.stability(by_fold, 3, repeat)
    ranked = scores.ranks(np.stack([by_fold[repeat == k].mean(axis=0) for k in range(12)]))
    low, high = np.percentile(ranked, [10, 90], axis=0)
    assert of_repeats["rank_low"].tolist() == low.tolist()
    assert of_repeats["rank_high"].tolist() == high.tolist()
    assert scores.spread_words(repeat) == {"unit": "repeat", "words": "10–90 % of 12 repeats"}
    assert scores.spread_words(np.repeat([0, 1], 5))["words"] == "10–90 % of 10 folds"
    single = scores.spread_words(np.zeros(1, dtype=int))
    assert single["words"] == "smallest to largest of 1 fold"


def test_stability_of_a_list_that_never_changes_and_of_chance():
    steady = np.tile(np.arange(10.0, 0, -1), (5, 1))
    ranges = scores.stability(steady, 3, np.zeros(5, dtype=int))
    assert ranges["stability"].tolist() == [1, 1, 1] + [0] * 7
    for name in ("rank_low", "rank_median", "rank_high"):
        assert ranges[name].tolist() == list(range(1, 11))
    assert scores.overlap(steady, 3) == 1.0
    noise = np.random.default_rng(0).random((60, 200))
    assert scores.overlap(noise, 20) == pytest.approx(0.1, abs=0.02)
    assert scores.overlap(noise[:1], 20) is None


@pytest.mark.parametrize(
    ("aggregation", "expected"), [("sum", 2.5), ("max", 2.0), ("mean", 2.5 / 1.5)]
)
def test_aggregation(aggregation, expected):
    by_snp, weights = np.array([[1.0, 2.0, 0.0]]), np.array([[0.5, 1.0, 0.0]])
    assert scores.aggregate(by_snp, weights, aggregation)[0] == pytest.approx(expected)


def test_aggregate__bayes_is_the_logarithm_of_the_mean_bayes_factor():
    factors = np.array([[8.0, 2.0, 5.0], [1.0, 9.0, 5.0]])
    scored = np.array([[1.0, 1.0, 0.0], [0.5, 0.25, 0.0]])  # of the third SNP nothing is known
    pooled = scores.aggregate(np.log(factors) * (scored > 0), scored, "bayes")
    np.testing.assert_allclose(pooled, np.log([5.0, 5.0]))
    large = scores.aggregate(np.array([[2000.0, 1999.0]]), np.ones((1, 2)), "bayes")
    assert large[0] == pytest.approx(2000 + np.log((1 + np.exp(-1)) / 2))


@pytest.mark.parametrize("aggregation", ["sum", "max", "mean", "bayes"])
def test_a_gene_without_any_scored_snp_scores_nothing(aggregation):
    nothing = np.zeros((2, 3))
    assert scores.aggregate(nothing, nothing, aggregation).tolist() == [0, 0]

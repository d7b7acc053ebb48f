"""Outcomes beside the diagnosis: what is planted is what regressions find."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.disease import DiseaseState, Planted, draw_affected
from gendmr.simulate.outcomes import Causes, SimulatedColumns, causes_of, draw_outcomes
from remedies import mended

PEOPLE = 20_000
OUTCOMES: dict[str, dict[str, Any]] = {
    "memory": {"kind": "quantitative", "mean": 28.0, "sd": 4.0, "missing": 0.1},
    "conversion": {"kind": "survival", "censoring": 0.4},
    "stage": {"kind": "multiclass", "labels": ["CN", "MCI", "AD"], "shares": [0.4, 0.25, 0.35]},
}
PLANTED = [
    Planted(f"G{number}", number, True, ratio, way)
    for number, (ratio, way) in enumerate(
        [
            (3.0, "diagnosis"),
            (1.4, "diagnosis"),
            (1.25, "diagnosis"),
            (1.5, "hippocampus_L"),
            (1.4, "entorhinal_R"),
        ]
    )
]


class Pool:
    """A pool of people with everything that the model knows of them."""

    def __init__(self, outcomes: dict[str, Any], planted: list[Planted] = PLANTED, **changes: Any):
        self.section = SimulateSection.parse({"outcomes": outcomes, **changes})
        planted = [] if self.section.null_mode else planted
        random = np.random.default_rng(3)
        frequencies = random.uniform(0.15, 0.5, len(PLANTED))[:, None]
        self.copies = random.binomial(2, frequencies, (len(PLANTED), PEOPLE))
        self.disease: DiseaseState = draw_affected(
            self.section,
            planted,
            self.copies[: len(planted)],
            random.normal(73, 7, PEOPLE),
            random.random(PEOPLE) < 0.2,
            4,
        )
        self.causes: Causes = causes_of(
            self.section, planted, self.copies[: len(planted)], self.disease
        )
        self.drawn: dict[str, SimulatedColumns] = draw_outcomes(self.section, self.causes, 4)


def numbers(drawn: SimulatedColumns, column: str) -> np.ndarray:
    return drawn.table[column].to_numpy(dtype=float, na_value=np.nan)


def least_squares(columns: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and their standard errors; people without a value do not count."""
    observed = ~np.isnan(values)
    design = np.column_stack([np.ones(observed.sum()), columns[observed]])
    slopes, *_ = np.linalg.lstsq(design, values[observed], rcond=None)
    residual = values[observed] - design @ slopes
    covariance = np.linalg.inv(design.T @ design) * residual.var()
    return slopes[1:], np.sqrt(np.diag(covariance))[1:]


def cox(columns: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximise the partial likelihood (Breslow ties) by Newton's method: slopes, errors."""
    order = np.argsort(-time)
    x, time, event = columns[order] - columns.mean(axis=0), time[order], event[order] == 1
    last = np.searchsorted(-time, -time, side="right") - 1  # all who were seen at least as long
    slopes = np.zeros(x.shape[1])
    for _ in range(12):
        risk = np.exp(x @ slopes)
        total = np.cumsum(risk)[last]
        mean = np.cumsum(risk[:, None] * x, axis=0)[last] / total[:, None]
        square = np.cumsum(risk[:, None, None] * x[:, :, None] * x[:, None, :], axis=0)[last]
        square = square / total[:, None, None] - mean[:, :, None] * mean[:, None, :]
        information = square[event].sum(axis=0)
        slopes = slopes + np.linalg.solve(information, (x - mean)[event].sum(axis=0))
    return slopes, np.sqrt(np.diag(np.linalg.inv(information)))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool(OUTCOMES)


def test_a_regression_on_genes_finds_the_planted_effects_on_a_score(pool: Pool) -> None:
    drawn = pool.drawn["memory"]
    planted = drawn.scale * drawn.liability.genes
    assert (planted != 0).all()
    slopes, errors = least_squares(pool.copies.T, numbers(drawn, "memory"))
    assert (np.abs(slopes - planted) < 4 * errors).all()
    assert np.abs(planted[0]) > 8 * errors[0]


def test_a_regression_on_regions_finds_the_planted_effects_on_a_score(pool: Pool) -> None:
    drawn = pool.drawn["memory"]
    planted = drawn.scale * drawn.liability.regions
    columns = np.column_stack([pool.disease.susceptibility, pool.copies[:3].T])
    slopes, errors = least_squares(columns, numbers(drawn, "memory"))
    assert (np.abs(slopes[:4] - planted) < 4 * errors[:4]).all()
    assert np.abs(planted).max() > 8 * errors[0]


def test_genes_and_regions_explain_their_shares_of_a_score() -> None:
    outcomes = {
        "score": {"kind": "quantitative", "heritability": 0.3, "regional": 0.4, "missing": 0.0}
    }
    pool = Pool(outcomes)
    score = numbers(pool.drawn["score"], "score")
    assert score.mean() == pytest.approx(50, abs=0.1)
    assert score.std() == pytest.approx(10, rel=0.02)
    for columns, share in ((pool.copies.T, 0.3), (pool.disease.susceptibility, 0.4)):
        slopes, _ = least_squares(columns, score)
        assert (columns @ slopes).var() / score.var() == pytest.approx(share, abs=0.03)


def test_what_is_shared_is_as_for_the_diagnosis_and_what_is_own_is_not() -> None:
    outcomes = {
        "alike": {"kind": "quantitative", "shared": 1.0},
        "other": {"kind": "quantitative", "shared": 0.0},
        "higher": {"kind": "quantitative", "shared": 1.0, "worse": "higher"},
    }
    pool = Pool(outcomes)
    alike, other = (pool.drawn[name].liability.genes[:3] for name in ("alike", "other"))
    ratio = alike / pool.disease.effects[:3]
    assert ratio == pytest.approx([ratio[0]] * 3)
    assert np.ptp(other / pool.disease.effects[:3]) > 0.1
    case = pool.disease.case.astype(float)
    correlation = {
        name: np.corrcoef(case, np.nan_to_num(numbers(pool.drawn[name], name), nan=50.0))[0, 1]
        for name in outcomes
    }
    assert correlation["alike"] < -0.6
    assert abs(correlation["other"]) < 0.4
    assert correlation["higher"] > 0.6


def test_without_censoring_times_are_weibull_with_the_liability_as_log_hazard() -> None:
    outcome = {"kind": "survival", "censoring": 0.0, "missing": 0.0, "shape": 2.0, "median": 60.0}
    drawn = Pool({"conversion": outcome | {"log_hazard": 0.8}}).drawn["conversion"]
    assert (numbers(drawn, "converted") == 1).all()
    time, liability = numbers(drawn, "months"), drawn.liability.value
    slopes, errors = least_squares(liability[:, None], np.log(time))
    assert abs(slopes[0] + 0.8 / 2) < 4 * errors[0]
    middle = np.abs(liability) < 0.1
    assert np.median(time[middle]) == pytest.approx(60, rel=0.08)
    # Log times of a Weibull distribution are Gumbel: their SD is pi / (shape * sqrt(6)).
    residual = np.log(time) - slopes[0] * liability
    assert residual.std() == pytest.approx(np.pi / (2 * np.sqrt(6)), rel=0.03)


def test_cox_regression_finds_the_slope_through_the_censoring(pool: Pool) -> None:
    drawn = pool.drawn["conversion"]
    time, event = numbers(drawn, "months"), numbers(drawn, "converted")
    observed = ~np.isnan(time)
    slopes, errors = cox(drawn.liability.value[observed, None], time[observed], event[observed])
    assert errors[0] < 0.02
    assert abs(slopes[0] - 1.0) < 4 * errors[0]


def test_cox_regression_finds_the_planted_effects_of_genes_and_regions() -> None:
    """Nothing else is in the hazard here, so that nothing is attenuated."""
    outcome = {"kind": "survival", "heritability": 0.6, "regional": 0.4, "log_hazard": 1.2}
    direct = [replace(item, through="diagnosis") for item in PLANTED]
    pool = Pool({"conversion": outcome}, direct)
    drawn = pool.drawn["conversion"]
    planted = 1.2 * np.concatenate([drawn.liability.genes, drawn.liability.regions])
    time, event = numbers(drawn, "months"), numbers(drawn, "converted")
    observed = ~np.isnan(time)
    columns = np.column_stack([pool.copies.T, pool.disease.susceptibility])
    slopes, errors = cox(columns[observed], time[observed], event[observed])
    assert drawn.scale == 1.2
    assert (np.abs(slopes - planted) < 4 * errors).all()


@pytest.mark.parametrize("administrative", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("censoring", [0.05, 0.4, 0.9])
def test_censoring_has_the_configured_share(censoring: float, administrative: float) -> None:
    outcome = {
        "kind": "survival",
        "censoring": censoring,
        "administrative": administrative,
        "missing": 0.0,
        "median": 2.0,
    }
    drawn = Pool({"conversion": outcome}).drawn["conversion"]
    time, event = numbers(drawn, "months"), numbers(drawn, "converted")
    assert set(event) == {0.0, 1.0}
    assert 1 - event.mean() == pytest.approx(censoring, abs=1e-3)
    assert time.min() == 0.1
    assert time * 10 == pytest.approx(np.round(time * 10))
    at_the_end = (time[event == 0] == time.max()).mean()
    if administrative == 1.0:
        assert at_the_end == 1.0
    elif administrative == 0.0:
        assert at_the_end < 0.01
    else:
        assert 0.0 < at_the_end < 0.6


def test_classes_have_their_shares(pool: Pool) -> None:
    label = pool.drawn["stage"].table["stage"]
    shares = label.dropna().value_counts(normalize=True)
    assert shares[["CN", "MCI", "AD"]].tolist() == pytest.approx([0.4, 0.25, 0.35], abs=0.01)


def test_classes_are_no_steps_of_one_axis() -> None:
    outcome = {"kind": "multiclass", "labels": ["A", "B", "C", "D"], "overlap": 0.0}
    pool = Pool({"stage": outcome | {"missing": 0.0}})
    drawn = pool.drawn["stage"]
    label = drawn.table["stage"].to_numpy(dtype=str)
    axes = drawn.liability, drawn.second
    means = [[axis.value[label == letter].mean() for letter in "ABCD"] for axis in axes]
    error = 4 / np.sqrt(PEOPLE / 4)
    # The last class stands apart along the first axis, the others are in order along the second.
    assert means[0][3] > 1
    assert np.ptp(means[0][:3]) < error
    assert np.diff(means[1][:3]).min() > 0.5
    assert abs(np.mean(means[1][:3]) - means[1][3]) < error


def test_the_planted_effects_on_both_axes_tell_the_classes_apart(pool: Pool) -> None:
    drawn = pool.drawn["stage"]
    label = drawn.table["stage"].to_numpy(dtype=object)
    causes = np.vstack([pool.copies, pool.disease.susceptibility.T])
    axes = np.stack([drawn.liability.value, drawn.second.value])
    direct = [item.through == "diagnosis" for item in PLANTED]
    planted = np.stack(
        [np.r_[axis.genes * direct, axis.regions] for axis in (drawn.liability, drawn.second)]
    )
    # Linear regression of a cause on both axes: the covariances that the planted effects imply.
    slopes = np.linalg.solve(np.cov(axes), planted @ np.cov(causes))
    for worse_class, better_class in (("AD", "CN"), ("MCI", "CN"), ("AD", "MCI")):
        above, below = label == worse_class, label == better_class
        difference = causes[:, above].mean(axis=1) - causes[:, below].mean(axis=1)
        expected = (axes[:, above].mean(axis=1) - axes[:, below].mean(axis=1)) @ slopes
        errors = causes.std(axis=1) * np.sqrt(1 / above.sum() + 1 / below.sum())
        # A tenth besides, since copies of a strong allele and an axis are not jointly normal.
        assert (np.abs(difference - expected) < 4 * errors + np.abs(expected) / 10).all()
        assert (np.abs(expected) > 8 * errors).any()
    # No multiple of the effects on one axis gives those on the other.
    assert np.linalg.svd(planted, compute_uv=False)[1] > 0.1


def test_an_overlap_puts_the_last_class_further_along_the_second_axis_too() -> None:
    outcome = {"kind": "multiclass", "overlap": 0.9, "missing": 0.0}
    drawn = Pool({"stage": outcome}).drawn["stage"]
    label = drawn.table["stage"].to_numpy(dtype=str)
    assert np.corrcoef(drawn.liability.value, drawn.second.value)[0, 1] > 0.85
    means = [drawn.liability.value[label == stage].mean() for stage in ("CN", "MCI", "AD")]
    assert np.diff(means).min() > 0.5


def test_missing_values_have_their_share_and_leave_the_others_alone(pool: Pool) -> None:
    assert np.isnan(numbers(pool.drawn["memory"], "memory")).sum() == 0.1 * PEOPLE
    conversion = pool.drawn["conversion"].table
    assert (conversion["months"].isna() == conversion["converted"].isna()).all()
    assert conversion["months"].isna().sum() == 0.05 * PEOPLE
    full = Pool({"memory": OUTCOMES["memory"] | {"missing": 0.0}}).drawn["memory"]
    observed = pool.drawn["memory"].table["memory"].notna()
    assert (full.table["memory"] == pool.drawn["memory"].table["memory"])[observed].all()
    assert full.table["memory"].notna().all()
    correlation = np.corrcoef(observed, full.liability.value)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(PEOPLE)


def test_in_null_mode_nothing_planted_or_seen_of_a_brain_counts() -> None:
    pool = Pool(OUTCOMES, null_mode=True)
    stage = pool.drawn["stage"].table["stage"]
    columns = {
        "memory": numbers(pool.drawn["memory"], "memory"),
        "months": numbers(pool.drawn["conversion"], "months"),
        "converted": numbers(pool.drawn["conversion"], "converted"),
        "CN": np.where(stage.isna(), np.nan, stage == "CN"),
        "AD": np.where(stage.isna(), np.nan, stage == "AD"),
    }
    for name, values in columns.items():
        observed = ~np.isnan(values)
        for cause in (*pool.copies, *pool.disease.loss.T):
            correlation = np.corrcoef(cause[observed], values[observed])[0, 1]
            assert abs(correlation) < 4 / np.sqrt(observed.sum()), name
    for drawn in pool.drawn.values():
        assert drawn.liability.genes.size == drawn.liability.regions.size == 0
        assert drawn.liability.value.std() == pytest.approx(1)


def test_an_outcome_of_its_own_noise_has_no_effects() -> None:
    outcome = {"kind": "quantitative", "heritability": 0.0, "regional": 0.0, "shared": 0.0}
    pool = Pool({"noise": outcome})
    drawn = pool.drawn["noise"]
    assert not drawn.liability.genes.any()
    assert not drawn.liability.regions.any()
    slopes, errors = least_squares(pool.disease.loss, numbers(drawn, "noise"))
    assert (np.abs(slopes) < 4 * errors).all()
    observed = ~np.isnan(numbers(drawn, "noise"))
    case = pool.disease.case[observed]
    assert abs(np.corrcoef(case, numbers(drawn, "noise")[observed])[0, 1]) < 4 / np.sqrt(PEOPLE)


def test_genes_that_explain_too_much_through_regions_are_refused() -> None:
    for part in ("heritability", "regional"):
        outcome = {"kind": "quantitative", "heritability": 0.01, "regional": 0.8}
        with mended(
            "simulate/outcomes.py",
            ".heritability to at least ",
            ConfigurationError,
            lambda outcome=outcome: Pool({"score": outcome}),
        ) as refused:
            printed = re.search(
                r"score\.heritability to at least (\S+), or lower `regional`", refused.next_step
            )
            assert printed
            outcome[part] = float(printed[1]) if part == "heritability" else 0.0


def test_a_heritability_without_effects_to_share_is_refused() -> None:
    for change in ({"shared": 0.5}, {"heritability": 0}, {"odds": 1.5}):
        score, odds = {"kind": "quantitative", "shared": 1.0}, [1.0]

        def pool(score=score, odds=odds) -> None:
            Pool({"score": score}, [Planted("G0", 0, True, odds[0], "diagnosis")])

        words = "raise simulate.strongest_odds_ratio, lower `shared`, or set"
        with mended("simulate/outcomes.py", words, ConfigurationError, pool) as refused:
            assert "no planted gene has an effect" in refused.what
            odds[0] = change.pop("odds", 1.0)
            score.update(change)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({"score": {"kind": "ordinal"}}, "kind"),
        ({"score": {"kind": "quantitative", "censoring": 0.4}}, "censoring: unknown key"),
        ({"score": {"kind": "quantitative", "sd": 0.0}}, "sd = 0.0: .*greater than 0"),
        ({"score": {"kind": "quantitative", "heritability": "0.5"}}, "heritability = '0.5'"),
        ({"score": {"kind": "quantitative", "heritability": 0.7, "regional": 0.7}}, "at most 1"),
        ({"Score 1": {"kind": "quantitative"}}, "Score 1"),
        ({"age": {"kind": "quantitative"}}, "'age' are columns of something else"),
        ({"months": {"kind": "quantitative"}, "t": {"kind": "survival"}}, "'months' are columns"),
        ({"t": {"kind": "survival", "time": "t", "event": "t"}}, "time and event: two columns"),
        ({"t": {"kind": "survival", "censoring": 1.0}}, "censoring = 1.0"),
        ({"s": {"kind": "multiclass", "labels": ["a", "b"]}}, "labels"),
        ({"s": {"kind": "multiclass", "labels": ["a", "b", "a"]}}, "'a' appears twice"),
        ({"s": {"kind": "multiclass", "labels": ["a", "b", "n/a"]}}, "labels"),
        ({"s": {"kind": "multiclass", "shares": [0.5, 0.5]}}, "2 of them for 3 labels"),
        ({"s": {"kind": "multiclass", "shares": [0.5, 0.4, 0.3]}}, "their sum 1"),
        ({"s": {"kind": "multiclass", "shares": [0.5, 0.5, 0.0]}}, "each above 0"),
    ],
)
def test_a_wrong_outcome_is_named(outcomes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        SimulateSection.parse({"outcomes": outcomes})


def test_outcomes_without_regions_say_so() -> None:
    changes = {"regions": [], "through_regions": 0.0}
    with pytest.raises(ConfigurationError, match="'score' need at least one name in `regions`"):
        SimulateSection.parse({"outcomes": {"score": {"kind": "quantitative"}}, **changes})
    alone = {"score": {"kind": "quantitative", "regional": 0.0}}
    direct = [replace(item, through="diagnosis") for item in PLANTED]
    drawn = Pool(alone, direct, **changes).drawn["score"]
    assert drawn.liability.regions.size == 0
    assert drawn.liability.genes.all()

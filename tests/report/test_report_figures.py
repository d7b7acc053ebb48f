"""ROC curves, calibration, dominant modality: numbers behind the pictures, and what these say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gendmr.report.curves import GRID, calibration, local_linear, mean_roc, roc, wilson
from gendmr.report.dominance import Dominance, read_dominance

from gendmr.config.report import ReportSection
from gendmr.files.atomic import sha256
from gendmr.report.figures import draw_calibration, draw_dominance, draw_roc
from pictures import check_picture, texts
from report.studies import summarise

Maker = Callable[..., Path]


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
                    "diagnosis": truth,
                    "score": rng.normal(size=n) + truth,
                    "repeat": repeat,
                    "fold": rng.permutation(n) % folds,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_the_band_of_a_roc_curve_is_as_wide_as_theory_says() -> None:
    n = 2000
    found = roc(people(n, folds=1), "m")
    assert found is not None
    assert np.array_equal(found.found, mean_roc(people(n, folds=1)))
    # Normal scores one SD apart: tpr = Phi(Phi^-1(fpr) + 1), and its slope in fpr.
    from scipy.stats import norm

    for at in (20, 50, 80):
        fpr = GRID[at]
        tpr = norm.cdf(norm.ppf(fpr) + 1)
        slope = norm.pdf(norm.ppf(tpr)) / norm.pdf(norm.ppf(fpr))
        variance = tpr * (1 - tpr) / (n / 2) + slope**2 * fpr * (1 - fpr) / (n / 2)
        width = found.high[at] - found.low[at]
        assert width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.25)
        assert found.low[at] < tpr < found.high[at]


def test_repeats_of_the_same_people_make_no_band_vanish() -> None:
    once, often = roc(people(200), "m"), roc(people(200, repeats=10), "m")
    assert once is not None
    assert often is not None
    same = people(200)
    copies = [same.assign(repeat=repeat) for repeat in range(10)]
    copied = roc(pd.concat(copies, ignore_index=True), "m")
    assert copied is not None
    assert np.allclose(copied.low, once.low)
    assert np.allclose(copied.high, once.high)


def test_folds_with_one_class_do_not_count() -> None:
    table = people(80)
    alone = table[table["fold"] > 0].assign(fold=9, diagnosis=1, repeat=1)
    found = roc(pd.concat([table, alone], ignore_index=True), "m")
    assert found is not None
    assert np.allclose(found.found, roc(table, "m").found)  # type: ignore[union-attr]
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
            "diagnosis": (rng.uniform(size=n) < score).astype(int),
            "score": score,
        }
    )


def test_true_probabilities_lie_on_the_diagonal_and_false_ones_do_not() -> None:
    rows = probabilities(4000)
    found = calibration(rows)
    assert len(found.predicted) == 10
    assert found.people.tolist() == [400] * 10
    assert ((found.low < found.predicted) & (found.predicted < found.high)).sum() >= 8
    assert np.abs(found.smooth - found.x).max() < 0.04
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
    assert cases == pytest.approx(rows["diagnosis"].sum())


def test_equal_scores_are_one_bin_without_a_curve() -> None:
    found = calibration(probabilities(100).assign(score=0.5))
    assert found.predicted.tolist() == [0.5]
    assert found.people.tolist() == [100]
    assert len(found.smooth) == 0


def test_the_smooth_curve_reproduces_a_line_and_stays_within_0_and_1() -> None:
    x = np.linspace(0, 1, 200)
    at, curve = local_linear(x, 0.2 + 0.5 * x, np.ones(200))
    assert curve == pytest.approx(0.2 + 0.5 * at)
    _, curve = local_linear(x, (x > 0.5).astype(float), np.ones(200))
    assert curve.min() >= 0
    assert curve.max() <= 1
    assert np.ptp(curve) > 0.9


@pytest.mark.parametrize(("many", "panels"), [(False, 5), (True, 8)])
def test_each_method_has_a_panel(originals: Maker, tmp_path: Path, many: bool, panels: int) -> None:
    results = originals(many=True, folds=3) if many else originals()
    summary = summarise(results, ReportSection())
    for draw, name in ((draw_roc, "roc"), (draw_calibration, "calibration")):
        figure = draw(results, summary, tmp_path / f"{name}.png")
        check_picture(tmp_path / f"{name}.png", 175)
        titles = [axes.get_title() for axes in figure.axes]
        assert len(titles) == panels
        assert "gendmr" in titles
        said = texts(tmp_path / f"{name}.svg")
        assert set(titles) <= set(said)
        assert ("17 more methods are not drawn" in said) == many
    roc_says, calibration_says = (texts(tmp_path / f"{n}.svg") for n in ("roc", "calibration"))
    assert {"AUC 0.80", "0.72 to 0.88"} <= set(roc_says)
    assert "Brier 0.200" in calibration_says


def test_one_method_fills_a_column(originals: Maker, tmp_path: Path) -> None:
    results = originals()
    summary = summarise(results, ReportSection(), methods=["gendmr"], ranked=["gendmr"])
    figure = draw_roc(results, summary, tmp_path / "roc.png")
    check_picture(tmp_path / "roc.png", 85)
    assert len(figure.axes) == 1
    assert texts(tmp_path / "roc.svg").count("gendmr") == 1  # no reference beside itself


def test_dominant_modalities_differ_by_line_and_colour(originals: Maker, tmp_path: Path) -> None:
    dominance = read_dominance(originals(), "gendmr", [(0, fold) for fold in range(5)])
    assert dominance is not None
    figure = draw_dominance(dominance, tmp_path / "dominance.png")
    check_picture(tmp_path / "dominance.png", 85)
    said = texts(tmp_path / "dominance.svg")
    assert {"Cases", "Controls", "imaging", "genetics", "neither", "epoch"} <= set(said)
    means = [line for line in figure.axes[0].lines if line.get_label() in ("imaging", "genetics")]
    assert len({line.get_color() for line in means}) == 2
    assert len({str(line._dash_pattern) for line in means}) == 2
    shown = next(line for line in means if line.get_label() == "imaging")
    assert shown.get_ydata() == pytest.approx(dominance.mean("imaging", "case"), nan_ok=True)


def test_one_epoch_is_a_dot(tmp_path: Path) -> None:
    shares = {
        (who, group): np.array([[1 / 3]])
        for who in ("imaging", "genetics", "neither")
        for group in ("case", "control")
    }
    figure = draw_dominance(Dominance("m", np.array([1]), shares), tmp_path / "dominance.png")
    check_picture(tmp_path / "dominance.png", 85)
    assert {line.get_marker() for line in figure.axes[0].lines} == {"None", "o"}


def test_the_same_bytes_twice(originals: Maker, tmp_path: Path) -> None:
    results = originals()
    summary = summarise(results, ReportSection())
    hashes = []
    for run in ("one", "two"):
        draw_roc(results, summary, tmp_path / run / "roc.png")
        draw_calibration(results, summary, tmp_path / run / "calibration.png")
        hashes.append([sha256(path) for path in sorted((tmp_path / run).iterdir())])
    assert len(hashes[0]) == 4
    assert hashes[0] == hashes[1]

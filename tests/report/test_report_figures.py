"""Figures of outcomes and of the dominant modality: what they show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.config.report import ReportSection
from gendmr.files.atomic import sha256
from gendmr.report.catalogue import drawn_figures
from gendmr.report.figures import draw_dominance, readable
from gendmr.report.schema import StudySummary
from gendmr.report.sections.dominance import Dominance, read_dominance
from pictures import check_picture, texts
from report.studies import OUTCOMES, summarise

Maker = Callable[..., Path]


def draw(name: str, results: Path, summary: StudySummary, path: Path) -> Any:
    return drawn_figures(OUTCOMES, OUTCOMES)[name].function()(results, summary, path)


@pytest.mark.parametrize(("many", "panels"), [(False, 5), (True, 8)])
def test_each_method_has_a_panel(originals: Maker, tmp_path: Path, many: bool, panels: int) -> None:
    results = originals(many=True, folds=3) if many else originals()
    summary = summarise(results, ReportSection())
    for name in ("roc", "calibration"):
        figure = draw(name, results, summary, tmp_path / f"{name}.png")
        check_picture(tmp_path / f"{name}.png", 175)
        titles = [axes.get_title() for axes in figure.axes]
        assert len(titles) == panels
        assert "gendmr" in titles
        labels = texts(tmp_path / f"{name}.svg")
        assert set(titles) <= set(labels)
        assert ("17 more methods are not drawn" in labels) == many
    roc_says, calibration_says = (texts(tmp_path / f"{n}.svg") for n in ("roc", "calibration"))
    assert sum(text.startswith("AUC 0.") for text in roc_says) == panels
    assert sum(text.startswith("Brier 0.") for text in calibration_says) == panels


def test_one_method_fills_a_column(originals: Maker, tmp_path: Path) -> None:
    results = originals()
    summary = summarise(results, ReportSection(), methods=["gendmr"], ranked=["gendmr"])
    figure = draw("roc", results, summary, tmp_path / "roc.png")
    check_picture(tmp_path / "roc.png", 85)
    assert len(figure.axes) == 1
    assert texts(tmp_path / "roc.svg").count("gendmr") == 1  # no reference beside itself


def test_dominant_modalities_differ_by_line_and_colour(originals: Maker, tmp_path: Path) -> None:
    dominance = read_dominance(originals(), "gendmr", [(0, fold) for fold in range(5)])
    assert dominance is not None
    figure = draw_dominance(dominance, tmp_path / "dominance.png")
    check_picture(tmp_path / "dominance.png", 85)
    labels = texts(tmp_path / "dominance.svg")
    assert {"case", "control", "images", "genotypes", "none dominant", "epoch"} <= set(labels)
    means = [line for line in figure.axes[0].lines if line.get_label() in ("images", "genotypes")]
    assert len({line.get_color() for line in means}) == 2
    assert len({str(line._dash_pattern) for line in means}) == 2
    shown = next(line for line in means if line.get_label() == "images")
    assert shown.get_ydata() == pytest.approx(dominance.mean("images", "case"), nan_ok=True)


def test_one_epoch_is_a_dot(tmp_path: Path) -> None:
    shares = {
        (who, group): np.array([[1 / 3]])
        for who in ("images", "genotypes", "none dominant")
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
        draw("roc", results, summary, tmp_path / run / "roc.png")
        draw("calibration", results, summary, tmp_path / run / "calibration.png")
        hashes.append([sha256(path) for path in sorted((tmp_path / run).iterdir())])
    assert len(hashes[0]) == 4
    assert hashes[0] == hashes[1]


def test_readable__leaves_out_people_of_whom_a_method_reads_nothing() -> None:
    rows = pd.DataFrame({"modalities": ["snp+region", "snp", "region", "none", "regional"]})
    assert readable(rows, ["region", "covariates"]).index.tolist() == [0, 2]
    assert readable(rows, ["snp", "region"]).index.tolist() == [0, 1, 2]
    assert len(readable(rows, ["covariates"])) == len(rows)

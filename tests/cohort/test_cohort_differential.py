"""Flags and exclusions by group: told with odds ratio and exact p, warned of where they differ."""

from __future__ import annotations

import math
from itertools import product

import pytest

from gendmr.cohort.differential import differential_warnings
from gendmr.cohort.join import join_people
from gendmr.files.atomic import read_json
from gendmr.statistics.contingency import odds_ratio


def fisher_twin(a: int, row: int, c: int, other: int) -> float:
    """Sum the probabilities of tables with these margins that are no likelier than this one."""
    column, total = a + c, row + other

    def probability(x: int) -> float:
        return math.comb(row, x) * math.comb(other, column - x) / math.comb(total, column)

    possible = range(max(0, column - other), min(row, column) + 1)
    return sum(p for p in map(probability, possible) if p <= probability(a) * (1 + 1e-7))


@pytest.mark.parametrize(("a", "c"), list(product((0, 1, 4, 9), (0, 2, 11))))
def test_p_is_that_of_all_tables_with_these_margins(a, c):
    assert odds_ratio(a, 9, c, 13).p == pytest.approx(fisher_twin(a, 9, c, 13))


def test_the_odds_ratio_is_that_of_the_tea_tasting_lady():
    # R's fisher.test(matrix(c(3, 1, 1, 3), 2)): 6.408309, 0.2117329 to 621.9337, p 0.4857; the
    # upper limit lies where the likelihood is so flat that R's own tolerance shows.
    result = odds_ratio(3, 4, 1, 4)
    assert result.ratio == pytest.approx(6.408309, rel=1e-4)
    assert (result.low, result.high) == pytest.approx((0.2117329, 621.9337), rel=0.01)
    assert result.p == pytest.approx(0.4857, abs=1e-4)
    assert odds_ratio(3, 5, 0, 5).ratio == math.inf
    assert math.isnan(odds_ratio(0, 5, 0, 5).ratio)


def comparisons(inputs, tmp_path) -> tuple[dict, list[str]]:
    join_people(**inputs.write(), output=tmp_path / "out")
    summary = read_json(tmp_path / "out/summary.json")
    return {(row["modality"], row["what"]): row for row in summary["quality"]}, summary["warnings"]


def test_flags_and_exclusions_are_compared_between_cases_and_controls(inputs, tmp_path):
    case = {row["participant_id"] for row in inputs.participants if row["diagnosis"] == "case"}
    cases = [name for name in inputs.imaged if name in case]
    controls = [name for name in inputs.imaged if name not in cases]
    inputs.flagged = cases[:-1]
    rows, warnings = comparisons(inputs, tmp_path)
    row = rows["region", "flagged"]
    assert (row["group"], row["others"]) == ("case", "control")
    assert (row["n"], row["of"]) == (len(cases) - 1, len(cases))
    assert (row["n_others"], row["of_others"]) == (0, len(controls))
    assert row["odds_ratio"] is None
    assert row["p"] == pytest.approx(
        fisher_twin(len(cases) - 1, len(cases), 0, len(controls)), abs=1e-12
    )
    assert any("Images are flagged in" in text and "exact p" in text for text in warnings)


def test_people_left_out_are_those_who_were_measured_and_have_nothing(inputs, tmp_path):
    # They stay, with genotypes: the comparison is of images.
    imaged = inputs.imaged
    refused = [row["participant_id"] for row in inputs.participants]
    refused = [name for name in refused if name not in imaged][:2]
    inputs.refused = refused
    rows, _ = comparisons(inputs, tmp_path)
    row = rows["region", "left out"]
    assert row["n"] + row["n_others"] == len(refused)
    assert row["of"] + row["of_others"] == len(imaged) + len(refused)


def test_where_nobody_is_flagged_nothing_is_compared(inputs, tmp_path):
    inputs.flagged, inputs.refused, inputs.unmeasured = [], [], []
    rows, warnings = comparisons(inputs, tmp_path)
    assert not [key for key in rows if key[0] == "region"]
    assert not [text for text in warnings if "Images are" in text]


def test_only_unlikely_differences_are_warned_of():
    row = {"label": "images", "what": "flagged", "group": "case", "others": "control"}
    row |= {"n": 3, "of": 20, "n_others": 2, "of_others": 20, "odds_ratio": 1.5}
    row |= {"low": 0.2, "high": None}
    warnings = differential_warnings([row | {"p": 0.2}, row | {"p": 0.01}])
    assert len(warnings) == 1
    assert "(case)" in warnings[0]

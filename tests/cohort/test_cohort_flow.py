"""The flow of people and variants: all numbers are there, and nothing runs over its box."""

from __future__ import annotations

import copy

import pytest

from gendmr.cohort.flow import draw_flow
from gendmr.files.atomic import sha256
from pictures import check_picture, texts, written

FLOW = {
    "listed": 1405,
    "left": {"no diagnosis": 7, "another diagnosis (MCI)": 31},
    "no_modality": {"neither genotypes nor images": 3},
    "genotypes": {
        "in": 1410,
        "removed": {"person missingness": 12, "sex": 4, "duplicate": 2},
        "passed": 1392,
        "flagged": 0,
        "left": {"not in participants.tsv": 5, "without a known diagnosis": 37},
    },
    "images": {
        "in": 812,
        "removed": {"no regions measured": 6},
        "passed": 806,
        "flagged": 11,
        "left": {"not in participants.tsv": 0, "without a known diagnosis": 20},
    },
    "variants": {
        "in": 512_345,
        "removed": {"merge": 3210, "maf": 45_000, "hwe": 58},
        "passed": 464_077,
    },
    "cohort": {
        "case": {"all": 660, "both": 380, "snp_only": 276, "region_only": 4},
        "control": {"all": 704, "both": 401, "snp_only": 302, "region_only": 1},
    },
}


def test_all_numbers_are_told(tmp_path):
    draw_flow(FLOW, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    said = set(texts(tmp_path / "flow.svg"))
    assert {"n = 1,405", "n = 1,367", "n = 1,410", "n = 1,392", "n = 812", "n = 806"} <= said
    assert {"Left out: n = 38", "7  no diagnosis", "Removed: n = 18", "Removed: n = 6"} <= said
    assert {"n = 512,345", "45,000  minor allele frequency", "n = 464,077"} <= said
    assert {"Removed: n = 48,268", "58  Hardy–Weinberg proportions"} <= said
    assert {"n = 1,364", "660 cases, 704 controls", "n = 5", "4 cases, 1 control"} <= said
    assert "11 kept although flagged" in said


def test_without_images_there_are_three_columns_and_no_patterns(tmp_path):
    draw_flow({**FLOW, "images": None}, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    said = texts(tmp_path / "flow.svg")
    assert not {"Imaged", "Genotypes only", "Genotypes and images"} & set(said)
    assert {"Genotyped", "Variants read", "Analysed"} <= set(said)


@pytest.mark.parametrize("reason", ["in words that go on for a long while " * 3, "x" * 90])
def test_long_reasons_are_broken_within_their_box(tmp_path, reason):
    flow = copy.deepcopy(FLOW)
    flow["genotypes"]["removed"][reason.strip()] = 123_456
    draw_flow(flow, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    column = 175 / 4 * 72 / 25.4
    lines = [line for line in written(tmp_path / "flow.svg") if column < line.left < 2 * column]
    assert len(lines) > 12
    assert max(line.right for line in lines) < 2 * column - 4
    together = "".join(line.text for line in lines).replace(" ", "")
    assert reason.replace(" ", "") in together


def test_the_same_bytes_twice(tmp_path):
    for name in ("a", "b"):
        draw_flow(FLOW, tmp_path / f"{name}.png")
    for suffix in ("png", "svg"):
        assert sha256(tmp_path / f"a.{suffix}") == sha256(tmp_path / f"b.{suffix}")

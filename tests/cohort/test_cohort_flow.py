"""The flow of people and variants: all numbers are there, and nothing runs over its box."""

from __future__ import annotations

import copy

import pytest

from gendmr.cohort.flow import draw_flow
from gendmr.files.atomic import sha256
from pictures import check_picture, texts, written


def entry(title, case, control):
    return {
        "title": title,
        "n": case + control,
        "outcomes": {"diagnosis": {"case": case, "control": control}},
    }


FLOW = {
    "listed": 1405,
    "left": {"no diagnosis": 7, "another diagnosis (MCI)": 31},
    "outcome": "diagnosis",
    "no_modality": {"neither genotypes nor images": 3},
    "modalities": {
        "snp": {
            "label": "genotypes",
            "in": 1410,
            "removed": {"person missingness": 12, "sex": 4, "duplicate": 2},
            "passed": 1392,
            "flagged": 0,
            "left": {"not in participants.tsv": 5, "without diagnosis": 37},
        },
        "region": {
            "label": "images",
            "in": 812,
            "removed": {"no regions measured": 6},
            "passed": 806,
            "flagged": 11,
            "left": {"not in participants.tsv": 0, "without diagnosis": 20},
        },
    },
    "instances": {
        "variant": {
            "in": 512_345,
            "removed": {
                "merge": 3210,
                "minor allele frequency": 45_000,
                "Hardy–Weinberg proportions": 58,
            },
            "passed": 464_077,
        }
    },
    "analysed": [
        entry("Analysed", 660, 704),
        entry("Genotypes and images", 380, 401),
        entry("Genotypes only", 276, 302),
        entry("Images only", 4, 1),
    ],
}


def test_all_numbers_are_told(tmp_path):
    draw_flow(FLOW, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    labels = set(texts(tmp_path / "flow.svg"))
    assert {"n = 1,405", "n = 1,367", "n = 1,410", "n = 1,392", "n = 812", "n = 806"} <= labels
    assert {"Left out: n = 38", "7  no diagnosis", "Removed: n = 18", "Removed: n = 6"} <= labels
    assert {"n = 512,345", "45,000  minor allele frequency", "n = 464,077"} <= labels
    assert {"Removed: n = 48,268", "58  Hardy–Weinberg proportions"} <= labels
    assert {"n = 1,364", "case 660, control 704", "n = 5", "case 4, control 1"} <= labels
    assert "11 kept although flagged" in labels


def test_without_images_there_are_three_columns_and_no_patterns(tmp_path):
    flow = copy.deepcopy(FLOW)
    del flow["modalities"]["region"]
    draw_flow({**flow, "analysed": flow["analysed"][:1]}, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    labels = texts(tmp_path / "flow.svg")
    assert not {"With images", "Genotypes only", "Genotypes and images"} & set(labels)
    assert {"With genotypes", "Variants read", "Analysed"} <= set(labels)


def test_several_outcomes_have_a_line_each_and_three_modalities_their_combinations(tmp_path):
    flow = copy.deepcopy(FLOW)
    flow["outcome"] = None
    flow["modalities"]["assay"] = {**flow["modalities"]["region"], "label": "assays"}
    for item in flow["analysed"]:
        item["outcomes"] |= {"survival": {"event": 3, "censored": 5}, "memory": {"all": 7}}
    flow["analysed"] += [entry(f"Genotypes and assays {n}", n, n) for n in range(4)]
    draw_flow(flow, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    labels = set(texts(tmp_path / "flow.svg"))
    assert {"diagnosis: case 660, control 704", "survival: event 3, censored 5"} <= labels
    assert {"memory: 7", "With an outcome", "With assays", "Usable assays"} <= labels
    assert {f"   assays {n}" for n in range(4)} <= labels


def test_without_variants_there_is_no_column_of_them(tmp_path):
    flow = copy.deepcopy(FLOW)
    flow["instances"] = {}
    draw_flow(flow, tmp_path / "flow.png")
    check_picture(tmp_path / "flow.png", 175)
    assert not [text for text in texts(tmp_path / "flow.svg") if "Variants" in text]


@pytest.mark.parametrize("reason", ["in words that go on for a long while " * 3, "x" * 90])
def test_long_reasons_are_broken_within_their_box(tmp_path, reason):
    flow = copy.deepcopy(FLOW)
    flow["modalities"]["snp"]["removed"][reason.strip()] = 123_456
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

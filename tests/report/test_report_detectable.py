"""The smallest effects that could have been found: against simulations and the textbook."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.config.outcomes.base import OutcomeSection
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.outcomes.multiclass import MulticlassOutcome
from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.config.outcomes.survival import SurvivalOutcome
from gendmr.report.detectable import FREQUENCIES, RankedUnits, smallest_effects
from gendmr.report.outcomes import OutcomeOfPeople
from gendmr.tasks import task_of


def entries(
    section: OutcomeSection, columns: dict[str, list[Any]], modality: str, count: int = 1
) -> list[dict[str, Any]]:
    """Return what could be found in people who are all measured."""
    task = task_of("outcome", section)
    texts = {suffix: pd.Series(values).astype(str) for suffix, values in columns.items()}
    outcome = task.read(texts, "a test")
    people = pd.DataFrame({"participant_id": [str(i) for i in range(len(outcome))]})
    people[f"has_{modality}"] = True
    outcome_of_people = OutcomeOfPeople(
        task, people["participant_id"].to_numpy(dtype=object), outcome
    )
    smallest = smallest_effects(
        {"outcome": outcome_of_people}, people, {modality: RankedUnits("gene", count)}
    )
    return list(smallest["outcomes"])


def detectable(cases: int, controls: int, modality: str) -> dict[str, Any]:
    labels = {"": ["case"] * cases + ["control"] * controls}
    (entry,) = entries(BinaryOutcome(), labels, modality)
    (table,) = entry["tables"]
    return dict(table)


def test_smallest_odds_ratio_is_found_with_the_power_it_says() -> None:
    cases, controls, frequency = 400, 400, 0.3
    table = detectable(cases, controls, "snp")
    assert table["people"] == "case 400, control 400"
    odds_ratio = table["rows"][0]["values"][FREQUENCIES.index(frequency)]
    rng = np.random.default_rng(5)
    # Frequencies in cases and controls that give this odds ratio, the mean of both being 0.3
    low = np.linspace(0.15, 0.3, 20001)
    odds = odds_ratio * low / (1 - low)
    gap = np.abs((odds / (1 + odds) + low) / 2 - frequency)
    control = low[gap.argmin()]
    case = 2 * frequency - control
    x1 = rng.binomial(2, case, (4000, cases))
    x0 = rng.binomial(2, control, (4000, controls))
    z = (x1.mean(1) - x0.mean(1)) / np.sqrt(x1.var(1) / cases + x0.var(1) / controls)
    assert abs((np.abs(z) > 1.96).mean() - 0.8) < 0.03


def test_smallest_difference_matches_the_textbook() -> None:
    table = detectable(64, 64, "region")
    # Cohen (1988): 64 per group find d = 0.5 with power 0.8 at 0.05
    assert math.isclose(table["rows"][0]["values"][0], 0.5, abs_tol=0.006)


def test_smallest_correlation_matches_the_textbook() -> None:
    section = QuantitativeOutcome(column="score")
    (entry,) = entries(section, {"": list(range(783))}, "region")
    # Cohen (1988): 783 people find r = 0.1 with power 0.8 at 0.05
    assert math.isclose(entry["tables"][0]["rows"][0]["values"][0], 0.1, abs_tol=0.001)


def test_smallest_hazard_ratio_needs_the_events_of_the_textbook() -> None:
    section = SurvivalOutcome(time="months", event="converted")
    # Schoenfeld (1983): 4 (1.96 + 0.84)^2 / log(2)^2 = 65 events find a ratio of 2 of two halves,
    # whose standard deviation is 1/2: a ratio of sqrt(2) per standard deviation.
    columns = {"time": list(range(1, 201)), "event": [1] * 65 + [0] * 135}
    (entry,) = entries(section, columns, "region")
    ratio = entry["tables"][0]["rows"][0]["values"][0]
    assert ratio == pytest.approx(math.sqrt(2), abs=0.01)


def test_any_of_many_needs_a_larger_effect_and_classes_have_no_single_one() -> None:
    labels = {"": ["case"] * 100 + ["control"] * 100}
    (entry,) = entries(BinaryOutcome(), labels, "snp", count=1000)
    single, any_of_them = entry["tables"][0]["rows"]
    assert any_of_them["what"] == "any of 1000 genes"
    assert all(a < b for a, b in zip(single["values"], any_of_them["values"], strict=True))
    section = MulticlassOutcome(column="stage", classes=("a", "b", "c"))
    assert entries(section, {"": ["a", "b", "c"] * 20}, "snp") == []

"""What could have been found at all: the smallest effects that a single test finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import pandas as pd

from gendmr.modalities import modality_of
from gendmr.report.outcomes import OutcomeOfPeople
from gendmr.report.sections import genetics
from gendmr.tasks.base import Effect

POWER, LEVEL = 0.8, 0.05
FREQUENCIES = (0.05, 0.1, 0.3, 0.5)


@dataclass(frozen=True)
class RankedUnits:
    """What is tested of a modality.

    Parameters
    ----------
    unit : str
        `gene`, `region`.
    count : int
        How many are ranked; 0 where none are.
    """

    unit: str
    count: int


def smallest_effects(
    outcomes: Mapping[str, OutcomeOfPeople], people: pd.DataFrame, tests: Mapping[str, RankedUnits]
) -> dict[str, Any]:
    r"""Return the smallest effects that a test of one SNP or one measurement finds, with power 0.8.

    The expected statistic is :math:`z = b\sqrt{2f(1-f)\,I}` for an allele of frequency f and
    :math:`z = b\sqrt{I}` for a measurement in standard deviations, with the effect b and the
    information I of the task (`gendmr.tasks.base.Effect`). It must reach
    :math:`z_{1-\alpha/2} + z_{0.8}`, where :math:`\alpha` is 0.05 for one gene or region named
    beforehand and 0.05 / m for any of m.

    Parameters
    ----------
    outcomes : mapping of str to OutcomeOfPeople
    people : DataFrame
        As `gendmr.report.people.read_people` returns them.
    tests : mapping of str to RankedUnits
        By modality.

    Returns
    -------
    dict
        ``power``, ``level``, ``frequencies``, and ``outcomes``: ``name``, ``label``,
        ``information`` (in words) and ``tables``, one per modality. Outcomes of which no single
        number says an effect are left out.
    """
    entries = []
    for name, outcome in outcomes.items():
        effect = outcome.task.effect
        if effect is None:
            continue
        tables = [
            table
            for modality, tested in tests.items()
            if (table := _table(outcome, effect, people, modality, tested)) is not None
        ]
        if tables:
            entries.append(
                {
                    "name": name,
                    "label": outcome.task.label,
                    "information": effect.words,
                    "tables": tables,
                }
            )
    return {
        "power": POWER,
        "level": LEVEL,
        "frequencies": list(FREQUENCIES),
        "outcomes": entries,
    }


def _table(
    outcome: OutcomeOfPeople,
    effect: Effect,
    people: pd.DataFrame,
    modality: str,
    tested: RankedUnits,
) -> dict[str, Any] | None:
    """Return the table of one modality; None where nothing can be found in so few people."""
    measured = people.loc[people[f"has_{modality}"], "participant_id"]
    outcome_values = outcome.of(measured)
    information = effect.information(outcome_values)
    if information <= 0:
        return None
    alleles = modality == genetics.MODALITY
    spreads = [math.sqrt(2 * f * (1 - f)) for f in FREQUENCIES] if alleles else [1.0]
    ratio = effect.allele_ratio if alleles else effect.measurement_ratio
    return {
        "modality": modality,
        "people": outcome.counted(measured) or f"{len(outcome_values)} people",
        "with": modality_of(modality).label,
        "alleles": alleles,
        "effect": effect.allele if alleles else effect.measurement,
        "ratio": ratio,
        "rows": [
            {
                "what": description,
                "values": [
                    _rounded_effect(required / (spread * math.sqrt(information)), ratio)
                    for spread in spreads
                ],
            }
            for description, required in _required_z(tested)
        ],
    }


def _rounded_effect(size: float, ratio: bool) -> float | None:
    """Return an effect as it is told; None where it is beyond what can be written."""
    if not ratio:
        return round(size, 4)
    return round(math.exp(size), 4) if size < 50 else None


def _required_z(tested: RankedUnits) -> Sequence[tuple[str, float]]:
    """Return the z that must be expected, for one test and for any of several."""
    normal = NormalDist()
    return [
        (label, normal.inv_cdf(1 - LEVEL / count / 2) + normal.inv_cdf(POWER))
        for label, count in (
            (f"one {tested.unit} named beforehand", 1),
            (f"any of {tested.count} {tested.unit}s", tested.count),
        )
        if count > 0
    ]

"""Simulated outcomes of every kind, as a user's table would hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.outcomes.multiclass import MulticlassOutcome
from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.config.outcomes.survival import SurvivalOutcome

SECTIONS: dict[str, Any] = {
    "binary": BinaryOutcome(case=("AD",), control=("CN",)),
    "multiclass": MulticlassOutcome(column="diagnosis", classes=("CN", "MCI", "AD")),
    "quantitative": QuantitativeOutcome(column="mmse", unit="points"),
    "cox": SurvivalOutcome(time="months", event="converted", unit="months"),
    "discrete": SurvivalOutcome(
        time="months", event="converted", unit="months", model="discrete", horizons=(12, 24)
    ),
}


def simulate_table(kind: str, signal: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Return a user's table of text whose outcome grows with a signal (person,)."""
    people = len(signal)
    if kind == "binary":
        case = rng.random(people) < 1 / (1 + np.exp(-signal))
        return pd.DataFrame({"diagnosis": np.where(case, "AD", "CN")})
    if kind == "multiclass":
        place = np.digitize(signal + rng.logistic(size=people), [-0.5, 0.8])
        return pd.DataFrame({"diagnosis": np.array(["CN", "MCI", "AD"], dtype=object)[place]})
    if kind == "quantitative":
        value = 27 + 2 * signal + rng.normal(0, 2, people)
        return pd.DataFrame({"mmse": [f"{score:.1f}" for score in value]})
    event_at = rng.exponential(30 * np.exp(-signal))
    seen_until = rng.uniform(6, 60, people)
    months = np.ceil(np.minimum(event_at, seen_until))  # visits: many ties
    event = event_at <= seen_until
    return pd.DataFrame({"months": [f"{m:.0f}" for m in months], "converted": 1 * event}).astype(
        str
    )

"""From signed risks of people to scores of instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from gendmr.methods.base import Attribution, FitInputs, GivesEvidence, Method

Score = Literal["mean_abs", "abs_mean"]
SCORES: tuple[Score, ...] = ("mean_abs", "abs_mean")
EVIDENCE: Final = "evidence"
KINDS: tuple[str, ...] = (*SCORES, EVIDENCE)


def with_evidence(
    attributions: Mapping[str, Attribution], method: Method, inputs: FitInputs
) -> dict[str, Attribution]:
    """Return attributions with the evidence of a method that collects any."""
    evidence = method.evidence(inputs) if isinstance(method, GivesEvidence) else {}
    return {
        name: replace(attribution, evidence=evidence.get(name))
        for name, attribution in attributions.items()
    }


def scores_of(attribution: Attribution) -> dict[str, np.ndarray]:
    """Return the scores (instance,) of a bag by kind; `evidence` where the method has any."""
    scores: dict[str, np.ndarray] = {
        score: instance_scores(attribution.value, score) for score in SCORES
    }
    return scores if attribution.evidence is None else scores | {EVIDENCE: attribution.evidence}


def instance_scores(risk: np.ndarray, score: Score) -> np.ndarray:
    """Score each instance of a bag over the held-out people of one fold.

    Parameters
    ----------
    risk : ndarray (people, instances)
        Signed risk on the logit scale; NaN where a person lacks the bag or the method did not
        read the instance.
    score : str
        `mean_abs`: mean over people of |risk - its mean over people|; `abs_mean`: |mean risk|.

    Returns
    -------
    ndarray (instances,) of float64
        At least 0; 0 where nobody has a value.
    """
    present = ~np.isnan(risk)
    count = np.maximum(present.sum(axis=0), 1)
    values = np.where(present, risk, 0.0).astype("float64")
    mean = values.sum(axis=0) / count
    if score == "abs_mean":
        return np.asarray(np.abs(mean))
    return np.asarray(np.where(present, np.abs(values - mean), 0.0).sum(axis=0) / count)

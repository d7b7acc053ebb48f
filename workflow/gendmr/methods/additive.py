"""What baselines without a network share: outputs that are sums of terms, fitted in moments.

The output of a person is an intercept, a term for each covariate, and the terms of the instances of
the modalities that the person has: a missing modality contributes nothing, which is what its
training mean would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gendmr.methods.base import Attribution, FitInputs, Fitted
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.base import Outcome, Task

PENALTY = 1.0  # of squared coefficients per SD: too weak to matter unless classes are separated


@dataclass
class FittedAdditive:
    """Coefficients of terms that are summed.

    Parameters
    ----------
    preparation : Preparation
        Of the fold.
    intercept : float64 (output,)
    covariates : float64 (covariate, output)
        Per unit.
    coefficients : mapping of str to float64 (instance, measure, output)
        By modality, per SD.
    share : mapping of str to float
        What one unit of a modality's terms adds to the output; 1 where it is not named.
    notes : list of str
    learned : mapping of str to ndarray
        What else belongs beside the weights.
    """

    preparation: Preparation
    intercept: np.ndarray
    covariates: np.ndarray
    coefficients: Mapping[str, np.ndarray]
    share: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy", "scipy", "scikit-learn")

    def portable(self) -> FittedAdditive:
        """Return what a model file holds of it: no history."""
        return replace(self, history=[])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        weights = {"intercept": self.intercept, "covariates": self.covariates}
        for name, value in self.coefficients.items():
            weights[name] = value
            weights[f"share.{name}"] = np.array([self.share.get(name, 1.0)])
        return {**weights, **self.learned}

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """What one SD of each measure adds to the output; see `Fitted.terms`."""
        return {
            name: value * self.share.get(name, 1.0) for name, value in self.coefficients.items()
        }

    def predict(self, people: PreparedSubset) -> np.ndarray:
        """Return the output, float64 (person, output)."""
        total = self.intercept + people.covariates @ self.covariates
        for name in self.coefficients:
            terms = self._terms(people, name)
            for output, output_terms in enumerate(terms):
                total[:, output] += (
                    self.share.get(name, 1.0) * output_terms.sum(axis=1) * (people.present[name])
                )
        return np.asarray(total, dtype=np.float64)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return the terms of each modality; its baseline is the intercept."""
        contrast = self.preparation.task.contrast(self.predict(people))
        baseline = contrast @ self.intercept
        attributions = {}
        for name, coefficient in self.coefficients.items():
            if len(coefficient):
                terms = self._terms(people, name)
                value = contrast[:, :1] * terms[0]
                for output in range(1, len(terms)):
                    value += contrast[:, output : output + 1] * terms[output]
                attributions[name] = attribution_of(value, people.present[name], baseline)
        return attributions

    def _terms(self, people: PreparedSubset, name: str) -> list[np.ndarray]:
        """Return terms (person, instance) of a modality, for each output."""
        design = self.preparation.design(people, name)
        coefficient = self.coefficients[name]
        return [
            (design * coefficient[:, :, output]).sum(axis=2)
            for output in range(coefficient.shape[2])
        ]


def attribution_of(
    value: np.ndarray,
    present: np.ndarray,
    baseline: float | np.ndarray,
    seeds: np.ndarray | None = None,
) -> Attribution:
    """Return attributions of values (person, instance); attention is the share of |value|.

    Where there are several, `seeds` has the values by seed (seed, person, instance).
    """
    size = np.abs(value)
    total = size.sum(axis=1, keepdims=True)
    even = np.full_like(size, 1 / max(size.shape[1], 1))
    share = np.where(total > 0, size / np.where(total > 0, total, 1), even)
    missing = ~present[:, None]
    return Attribution(
        value=np.where(missing, np.nan, value).astype(np.float32),
        attention=np.where(missing, np.nan, share).astype(np.float32),
        baseline=np.where(present, baseline, np.nan).astype(np.float32),
        seeds=None
        if seeds is None or len(seeds) < 2
        else np.where(missing, np.nan, seeds).astype(np.float32),
    )


def fit_scores(
    task: Task, features: np.ndarray, outcome: Outcome, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the linear model of a task whose scores cannot count backwards.

    A score made from statistics of the training people is meant to rise with the output. Where it
    falls in people whom it was not made from, it is noise, and gets the coefficient 0.

    Parameters
    ----------
    task : Task
    features : float (person, feature)
        In their own units; one that does not vary gets the coefficient 0.
    outcome : Outcome
    scores : float (person, score, output)
        Each score has one slope for all outputs.

    Returns
    -------
    coefficients, slopes, intercept : float64 (feature, output), (score,), (output,)
        Of features and scores, per unit; slopes are at least 0.
    """
    if not (scores == scores[:, :, :1]).all():
        return _fit_apart(task, features, outcome, scores)
    # Scores that are the same for all outputs are one column each.
    columns = scores[:, :, 0]
    count, usable = features.shape[1], np.ones(columns.shape[1], dtype=bool)
    while True:
        coefficients, intercept = _fit_once(task, features, outcome, columns[:, usable])
        slopes = coefficients[count:].mean(axis=1)
        if (slopes >= 0).all():
            break
        usable[np.flatnonzero(usable)[slopes < 0]] = False
    all_slopes = np.zeros(columns.shape[1])
    all_slopes[usable] = slopes
    return coefficients[:count], all_slopes, intercept


def _fit_once(
    task: Task, features: np.ndarray, outcome: Outcome, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (feature and column, output), per unit, and the intercept (output,)."""
    values = np.column_stack([features, columns])
    unit, mean, spread = _in_sds(values)
    used = spread > 0
    coefficients = np.zeros((values.shape[1], task.n_outputs))
    coefficients[used], level = task.linear(unit[:, used], outcome, PENALTY)
    coefficients[used] /= spread[used][:, None]
    # Feature by feature: the order of these sums decides the last digits of every result.
    count = features.shape[1]
    column_offset = mean[count:] @ coefficients[count:]
    return coefficients, level - mean[:count] @ coefficients[:count] - column_offset


def _fit_apart(
    task: Task, features: np.ndarray, outcome: Outcome, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit scores that differ between the outputs: one slope each, of the task's own losses.

    Scores of classes tell nearly the same of each other, so that a regression on all of them as
    columns would share one effect among them; see `fit_scores`.
    """
    from scipy.optimize import minimize

    people, width, outputs = scores.shape
    unit, mean, spread = _in_sds(features)
    size = np.sqrt(((scores - scores.mean(axis=0)) ** 2).mean(axis=(0, 2)))
    scaled = scores / np.where(size > 0, size, 1)[:, None]
    weight, count = task.weights(outcome), features.shape[1]

    def parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        slopes, affine = values[:width], values[width:].reshape(count + 1, outputs)
        return slopes, affine[:count], affine[count]

    def objective(values: np.ndarray) -> float:
        slopes, coefficients, level = parts(values)
        output = level + unit @ coefficients + np.einsum("nso,s->no", scaled, slopes)
        loss = float((weight * task.losses(output, outcome)).sum())
        return float(
            (loss + PENALTY / 2 * float((slopes**2).sum() + (coefficients**2).sum())) / people
        )

    start = np.zeros(width + (count + 1) * outputs)
    bounds = [(0.0, None)] * width + [(None, None)] * (len(start) - width)
    slopes, coefficients, level = parts(minimize(objective, start, bounds=bounds).x)
    coefficients = coefficients / np.where(spread > 0, spread, 1)[:, None]
    slopes = np.where(size > 0, slopes / np.where(size > 0, size, 1), 0.0)
    return coefficients, slopes, level - mean @ coefficients


def _in_sds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns in SDs (0 where one does not vary), their means and SDs (0 likewise)."""
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, 0.0)
    unit = np.where(spread > 0, values - mean, 0.0) / np.where(spread > 0, spread, 1.0)
    return unit, mean, spread


def only_epoch(fitted: Fitted, inputs: FitInputs, **columns: float) -> list[dict[str, Any]]:
    """Return the history of a method that is fitted in one go."""
    task = inputs.task
    line: dict[str, Any] = {"epoch": 1, "step": 1, "learning_rate": None}
    for name, people in (("train", inputs.train), ("validation", inputs.validation)):
        output = fitted.predict(people)
        weight = task.weights(people.outcome)
        losses = task.losses(output, people.outcome)
        line[f"{name}_loss"] = float((weight * losses).sum() / weight.sum())
        line[f"{name}_{task.metrics[0].name}"] = task.score(output, people.outcome)
    return [{**line, **columns}]


def note_missing(train: PreparedSubset, names: Sequence[str], consequence: str) -> list[str]:
    """Return a note for each modality that some training people lack.

    Parameters
    ----------
    train : PreparedSubset
    names : sequence of str
    consequence : str
        What becomes of them: `it adds nothing to their score`.
    """
    return [
        f"{int((~present).sum())} of {len(train)} training people lack the modality {name}:"
        f" {consequence}."
        for name, present in train.present.items()
        if name in names and (~present).any()
    ]

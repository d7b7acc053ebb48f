"""Ridge regression on one or several modalities side by side; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.linalg

from gendmr.config.methods.ridge import RidgeMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import attribution_of, note_missing, only_epoch
from gendmr.methods.base import Attribution, FitInputs, Progress, SequentialFits
from gendmr.modalities import modality_of
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator

COVARIATES = "covariates"
FEWEST = 4  # of the rarest class, or with an event, to compare penalties


def build(options: MethodOptions) -> Ridge:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, RidgeMethod):
        raise TypeError(f"options of {method.kind}, not of ridge")
    return Ridge(method, options.reads)


class Ridge(SequentialFits):
    """Ridge regression: logistic, multinomial, linear or Cox, as the task has it.

    Features are standardised by the training people and classes weighted equally. A person who
    lacks a modality gets the training mean of it: nobody is dropped. The penalty is the one with
    the smallest cross-validated loss within the training people.
    """

    def __init__(self, options: RidgeMethod, reads: tuple[str, ...]) -> None:
        self.options = options
        self.reads = reads

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedRidge:
        """Fit on the training people; see `Method.fit`. It runs on the CPU."""
        train, preparation, task = inputs.train, inputs.preparation, inputs.task
        notes = note_missing(train, self.reads, "its training mean is used for them")
        features, centre, scale = standardised_features(train, preparation, self.reads)
        n_features = features.shape[1]
        rotated, right = _rotate(features)
        del features
        if not len(right):
            notes.append("No feature varies in the training people: everybody gets one score.")
        penalties = sorted(self.options.penalties)
        losses = self._cross_validate(rotated, inputs, penalties)
        penalty = penalties[int(np.argmin(losses))]
        coefficients, intercept = task.linear(rotated, train.outcome, penalty)
        fitted = FittedRidge(
            reads=self.reads,
            preparation=preparation,
            centre=centre,
            scale=scale,
            coefficients=right.T @ coefficients,
            intercept=intercept,
            notes=notes,
        )
        fitted.history = only_epoch(
            fitted, inputs, penalty=penalty, cross_validated_loss=min(losses)
        )
        progress(f"penalty {penalty:g}, {n_features} features, {len(train)} people")
        return fitted

    @staticmethod
    def _cross_validate(
        features: np.ndarray, inputs: FitInputs, penalties: list[float]
    ) -> list[float]:
        """Return the weighted mean loss of people left out, for each penalty."""
        task, outcome = inputs.task, inputs.train.outcome
        fewest = task.fewest(outcome)
        if len(penalties) == 1 or fewest < FEWEST:
            return [0.0] * len(penalties)
        part = stratified_parts(inputs.train, min(5, fewest), generator(inputs.seed, "ridge"))
        weight = task.weights(outcome)
        total = np.zeros(len(penalties))
        for number in np.unique(part):
            outside = part == number
            inside_outcome = outcome.take(~outside)
            if not task.fewest(inside_outcome):
                continue
            for place, penalty in enumerate(penalties):
                coefficients, intercept = task.linear(features[~outside], inside_outcome, penalty)
                output = features[outside] @ coefficients + intercept
                losses = task.losses(output, outcome.take(outside))
                total[place] += float((weight[outside] * losses).sum())
        return [float(value) for value in total / weight.sum()]


@dataclass
class FittedRidge:
    """Coefficients of standardised features, (feature, output)."""

    reads: tuple[str, ...]
    preparation: Preparation
    centre: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    notes: list[str]
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy", "scipy", "scikit-learn")

    def portable(self) -> FittedRidge:
        """Return what a model file holds of it: no history."""
        return replace(self, history=[])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        return {
            "coefficients": self.coefficients,
            "intercept": self.intercept,
            "centre": self.centre,
            "scale": self.scale,
        }

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """What one SD of each measure adds to the output; see `Fitted.terms`."""
        # What does not vary has an infinite scale, and no term.
        per_unit = self.coefficients / self.scale[:, None]
        terms, start = {}, 0
        for name in self.reads:
            if name != COVARIATES:
                instances = len(self.preparation.instances(name))
                measures = len(modality_of(name).measures)
                block = slice(start, start + instances * measures)
                terms[name] = per_unit[block].reshape(instances, measures, per_unit.shape[1])
                start = block.stop
        return terms

    def predict(self, people: PreparedSubset) -> np.ndarray:
        """Return the output, float64 (person, output)."""
        return np.asarray(self._standardised(people) @ self.coefficients + self.intercept)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return the terms of the sum: of an instance, those of its measures together."""
        features = self._standardised(people)
        contrast = self.preparation.task.contrast(features @ self.coefficients + self.intercept)
        baseline = contrast @ self.intercept
        attributions, start = {}, 0
        for name in self.reads:
            if name == COVARIATES:
                continue
            instances = len(self.preparation.instances(name))
            shape = people.values[name].shape
            measures = shape[2] if len(shape) > 2 else 1
            block = slice(start, start + instances * measures)
            start = block.stop
            if instances:
                value = np.zeros((len(people), instances))
                for output in range(self.coefficients.shape[1]):
                    terms = features[:, block] * self.coefficients[block, output]
                    terms = terms.reshape(len(people), instances, measures).sum(axis=2)
                    value += contrast[:, output : output + 1] * terms
                attributions[name] = attribution_of(value, people.present[name], baseline)
        return attributions

    def _standardised(self, people: PreparedSubset) -> np.ndarray:
        return np.asarray(
            (features_of(people, self.preparation, self.reads) - self.centre) / self.scale
        )


def _rotate(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features along their principal axes, (person, axis), and the axes, (axis, feature).

    Ridge is invariant under rotation, so at most as many axes as people stand for any number of
    features; axes along which nobody differs are left out.
    """
    people, width = features.shape
    if width < people:
        # The Gram matrix of the features is smaller than any factor of the features themselves.
        values, axes = scipy.linalg.eigh(features.T @ features, overwrite_a=True, driver="evr")
        singular = np.sqrt(np.maximum(values[::-1], 0))
        used = singular > 1e-7 * max(float(singular.max(initial=0)), 1.0)
        right_vectors = np.ascontiguousarray(axes.T[::-1][used])
        return features @ right_vectors.T, right_vectors
    left_vectors, singular, right_vectors = np.linalg.svd(features, full_matrices=False)
    used = singular > 1e-8 * max(float(singular.max(initial=0)), 1.0)
    return left_vectors[:, used] * singular[used], right_vectors[used]


def standardised_features(
    people: PreparedSubset, preparation: Preparation, reads: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (person, feature) of mean 0 and SD 1, with their mean and SD (feature,).

    The SD of what does not vary is infinite, so that it is 0 for everybody.
    """
    features = features_of(people, preparation, reads)
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)
    features -= centre  # in place, because the features of 20,000 people are gigabytes
    features /= scale
    return features, centre, scale


def features_of(
    people: PreparedSubset, preparation: Preparation, reads: tuple[str, ...]
) -> np.ndarray:
    """Return float64 (person, feature); a modality that a person lacks is its training mean."""
    columns = [
        preparation.design(people, name).reshape(len(people), -1)
        for name in reads
        if name != COVARIATES
    ]
    if COVARIATES in reads:
        columns.append(people.covariates)
    return np.column_stack(columns)

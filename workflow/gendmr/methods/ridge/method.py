"""Ridge logistic regression on one or several modalities side by side; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gendmr.config.methods import RidgeMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import bag_of, only_epoch, solve
from gendmr.methods.base import Bag, OneByOne, Progress
from gendmr.seeds import generator
from gendmr.engine.checkpoint import Checkpoint
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import People, Preparation
from gendmr.training.scores import class_weights, log_loss


def build(options: MethodOptions) -> Ridge:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, RidgeMethod):
        raise TypeError(f"options of {method.kind}, not of ridge")
    return Ridge(method)


class Ridge(OneByOne):
    """Ridge logistic regression.

    Features are standardised by the training people and classes weighted equally. A person who
    lacks a modality gets the training mean of it: nobody is dropped. The penalty is the one with
    the smallest cross-validated log loss within the training people.
    """

    kind = "ridge"
    task = "classification"

    def __init__(self, options: RidgeMethod) -> None:
        self.options = options
        self.modalities = frozenset(options.modalities)

    def fit(
        self,
        train: People,
        validation: People,
        preparation: Preparation,
        *,
        seed: int,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> FittedRidge:
        """Fit on `train`; see `Method.fit`. The device does not matter: it runs on the CPU."""
        notes = []
        for name, present in (("snp", train.has_snp), ("region", train.has_region)):
            if name in self.modalities and (~present).any():
                notes.append(
                    f"{int((~present).sum())} of {len(train)} training people lack the modality"
                    f" {name}: its training mean is used for them."
                )
        raw = _features(train, preparation, self.modalities)
        centre, scale = raw.mean(axis=0), raw.std(axis=0)
        scale = np.where(scale > 1e-9, scale, np.inf)
        features = (raw - centre) / scale
        # The penalty is invariant under rotation: n columns do the work of many thousand.
        left, singular, right = np.linalg.svd(features, full_matrices=False)
        kept = singular > 1e-8 * max(float(singular.max(initial=0)), 1.0)
        rotated, right = left[:, kept] * singular[kept], right[kept]
        if not kept.any():
            notes.append("No feature varies in the training people: everybody gets one score.")
        y = train.diagnosis.astype(int)
        penalties = sorted(self.options.penalties)
        losses = self._cross_validate(rotated, y, train, penalties, seed)
        penalty = penalties[int(np.argmin(losses))]
        coefficients, intercept = solve(rotated, y, penalty)
        fitted = FittedRidge(
            modalities=self.modalities,
            preparation=preparation,
            centre=centre,
            scale=scale,
            coefficients=coefficients @ right,
            intercept=intercept,
            notes=notes,
        )
        fitted.history = only_epoch(
            fitted, train, validation, penalty=penalty, cross_validated_loss=min(losses)
        )
        progress(f"penalty {penalty:g}, {features.shape[1]} features, {len(train)} people")
        return fitted

    @staticmethod
    def _cross_validate(
        features: np.ndarray, y: np.ndarray, train: People, penalties: list[float], seed: int
    ) -> list[float]:
        smaller = int(min(y.sum(), len(y) - y.sum()))
        if len(penalties) == 1 or smaller < 4:
            return [0.0] * len(penalties)
        part = stratified_parts(train, min(5, smaller), generator(seed, "ridge"))
        weight = np.array(class_weights(train.diagnosis))[y]
        total = np.zeros(len(penalties))
        for number in np.unique(part):
            outside = part == number
            if len(np.unique(y[~outside])) < 2:
                continue
            for place, penalty in enumerate(penalties):
                coefficients, intercept = solve(features[~outside], y[~outside], penalty)
                logit = features[outside] @ coefficients + intercept
                total[place] += log_loss(y[outside], logit, weight[outside]) * weight[outside].sum()
        return [float(value) for value in total / weight.sum()]


@dataclass
class FittedRidge:
    """Coefficients of standardised features."""

    modalities: frozenset[str]
    preparation: Preparation
    centre: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    notes: list[str]
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy", "scipy", "scikit-learn")

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        return {
            "coefficients": self.coefficients,
            "intercept": np.array([self.intercept]),
            "centre": self.centre,
            "scale": self.scale,
        }

    def logits(self, people: People) -> np.ndarray:
        """Return the logit of being a case, float64 (people,)."""
        return np.asarray(self._parts(people).sum(axis=1) + self.intercept)

    def bags(self, people: People) -> dict[str, Bag]:
        """Return the terms of the sum: of a SNP, or of the three measures of a region."""
        parts = self._parts(people)
        snps, regions = len(self.preparation.snps), len(self.preparation.regions)
        found = {}
        start = 0
        if "snp" in self.modalities:
            found["snp"] = bag_of(parts[:, :snps], people.has_snp, self.intercept)
            start = snps
        if "region" in self.modalities:
            block = parts[:, start : start + 3 * regions].reshape(len(people), regions, 3)
            found["region"] = bag_of(block.sum(axis=2), people.has_region, self.intercept)
        return {name: bag for name, bag in found.items() if bag.risk.shape[1]}

    def _parts(self, people: People) -> np.ndarray:
        raw = _features(people, self.preparation, self.modalities)
        return np.asarray((raw - self.centre) / self.scale * self.coefficients)


def _features(people: People, preparation: Preparation, modalities: frozenset[str]) -> np.ndarray:
    """Return float64 (people, feature); a modality that a person lacks is its training mean."""
    columns = []
    if "snp" in modalities:
        dosage = np.where(people.dosage < 0, preparation.mean_dosage, people.dosage)
        columns.append((dosage - preparation.mean_dosage) / preparation.scale_dosage)
    if "region" in modalities:
        columns.append(people.regions.reshape(len(people), -1).astype(np.float64))
    if "covariates" in modalities:
        columns.append(people.covariates)
    return np.column_stack(columns)

"""What baselines without a network share: logits that are sums of terms, fitted in moments.

The logit of a person is an intercept, a term for each covariate, and the risks of SNPs and regions
of the modalities that the person has: a missing modality contributes nothing, which is what its
training mean would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gendmr.methods.base import Bag, Fitted
from gendmr.preprocessing.preparation import People, Preparation
from gendmr.training.scores import auc, class_weights, log_loss

PENALTY = 1.0  # of squared coefficients per SD: too weak to matter unless classes are separated


@dataclass
class FittedAdditive:
    """Coefficients of terms that are summed.

    Parameters
    ----------
    preparation : Preparation
        Of the fold.
    intercept : float
    covariates : float64 (covariate,)
        Logits per unit.
    snp : float64 (snp,), optional
        Logits of the bag per SD of the dosage; None for a method that reads no SNPs.
    region : float64 (region, 3), optional
        Logits of the bag per SD of each measure; None for a method that reads no regions.
    share : dict
        What one logit of a bag adds to the logit of the person; 1 where a bag is not named.
    notes : list of str
    learned : dict of arrays
        What else belongs beside the weights.
    """

    preparation: Preparation
    intercept: float
    covariates: np.ndarray
    snp: np.ndarray | None = None
    region: np.ndarray | None = None
    share: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy", "scipy", "scikit-learn")

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        found = {"intercept": np.array([self.intercept]), "covariates": self.covariates}
        for name, value in (("snp", self.snp), ("region", self.region)):
            if value is not None:
                found[name] = value
                found[f"share.{name}"] = np.array([self.share.get(name, 1.0)])
        return {**found, **self.learned}

    def logits(self, people: People) -> np.ndarray:
        """Return the logit of being a case, float64 (people,)."""
        total = self.intercept + people.covariates @ self.covariates
        for name, risk in self._risks(people).items():
            present = people.has_snp if name == "snp" else people.has_region
            total = total + self.share.get(name, 1.0) * risk.sum(axis=1) * present
        return np.asarray(total, dtype=np.float64)

    def bags(self, people: People) -> dict[str, Bag]:
        """Return the terms of SNPs and of regions; the bias of a bag is the intercept."""
        return {
            name: bag_of(
                risk, people.has_snp if name == "snp" else people.has_region, self.intercept
            )
            for name, risk in self._risks(people).items()
            if risk.shape[1]
        }

    def _risks(self, people: People) -> dict[str, np.ndarray]:
        """Return risks (people, instance) by modality, in logits of the bag."""
        found = {}
        if self.snp is not None:
            found["snp"] = standardise(people, self.preparation) * self.snp
        if self.region is not None:
            found["region"] = (people.regions.astype(np.float64) * self.region).sum(axis=2)
        return found


def standardise(people: People, preparation: Preparation) -> np.ndarray:
    """Return dosages in SDs of the training people, float64 (people, snp); missing is 0."""
    centred = (people.dosage - preparation.mean_dosage) / preparation.scale_dosage
    return np.where(people.dosage < 0, 0.0, centred)


def bag_of(risk: np.ndarray, present: np.ndarray, bias: float | np.ndarray) -> Bag:
    """Return the bag of risks (people, instance); attention is the share in the sum of |risk|."""
    size = np.abs(risk)
    total = size.sum(axis=1, keepdims=True)
    even = np.full_like(size, 1 / max(size.shape[1], 1))
    share = np.where(total > 0, size / np.where(total > 0, total, 1), even)
    missing = ~present[:, None]
    return Bag(
        risk=np.where(missing, np.nan, risk).astype(np.float32),
        attention=np.where(missing, np.nan, share).astype(np.float32),
        bias=np.where(present, bias, np.nan).astype(np.float32),
    )


def solve(features: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Return coefficients and intercept of a ridge logistic regression, classes weighted equally.

    Parameters
    ----------
    features : float (people, feature)
        Standardised.
    y : int (people,)
        Both classes are there.
    penalty : float
        Half of it times the sum of squared coefficients is added to the summed loss.
    """
    from sklearn.linear_model import LogisticRegression

    if not features.shape[1]:
        return np.zeros(0), 0.0
    model = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000, tol=1e-5)
    model.fit(features, y)
    return model.coef_[0], float(model.intercept_[0])


def logistic(
    features: np.ndarray, y: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit a logistic regression whose scores cannot count backwards.

    A score made from statistics of the training people is meant to rise with the risk. Where it
    falls in people whom it was not made from, it is noise, and gets the coefficient 0.

    Parameters
    ----------
    features : float (people, feature)
        In their own units; one that does not vary gets the coefficient 0.
    y : int (people,)
    scores : float (people, score)

    Returns
    -------
    coefficients, slopes, intercept : float64 (feature,), float64 (score,), float
        Of features and scores, per unit; slopes are at least 0.
    """
    count = features.shape[1]
    values = np.column_stack([features, scores])
    mean, spread = values.mean(axis=0), values.std(axis=0)
    used = spread > 1e-9 * (1 + np.abs(mean))
    while True:
        found = np.zeros(values.shape[1])
        unit = (values[:, used] - mean[used]) / spread[used]
        found[used], level = solve(unit, y, PENALTY)
        backwards = np.flatnonzero(found[count:] < 0)
        if not backwards.size:
            break
        used[count + backwards] = False
    found[used] /= spread[used]
    return found[:count], found[count:], level - float(mean @ found)


def only_epoch(
    fitted: Fitted, train: People, validation: People, **more: float
) -> list[dict[str, Any]]:
    """Return the history of a method that is fitted in one go."""
    weight = np.array(class_weights(train.diagnosis))
    inside, outside = fitted.logits(train), fitted.logits(validation)
    return [
        {
            "epoch": 1,
            "step": 1,
            "train_loss": log_loss(train.diagnosis, inside, weight[train.diagnosis]),
            "validation_loss": log_loss(
                validation.diagnosis, outside, weight[validation.diagnosis]
            ),
            "train_auc": auc(train.diagnosis, inside),
            "validation_auc": auc(validation.diagnosis, outside),
            "learning_rate": None,
            **more,
        }
    ]


def note_missing(train: People, names: tuple[str, ...]) -> list[str]:
    """Return a note for each modality that some training people lack."""
    return [
        f"{int((~present).sum())} of {len(train)} training people lack the modality {name}: it adds"
        " nothing to their score."
        for name, present in (("snp", train.has_snp), ("region", train.has_region))
        if name in names and (~present).any()
    ]

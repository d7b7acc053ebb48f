"""Classes: a logit for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.multiclass import MulticlassOutcome
from gendmr.errors import FoldError, OutcomeError, first_few
from gendmr.files.tables import MISSING, Kind
from gendmr.statistics.classification import auc, softmax
from gendmr.statistics.intervals import percentile_interval, resample_counts, resampled_auc
from gendmr.tasks.base import ParsedOutcome, Task
from gendmr.tasks.judged import Judged
from gendmr.tasks.multiclass.columns import pool_classes, probabilities, probability_of
from gendmr.tasks.multiclass.glioma import glioma_classes
from gendmr.tasks.multiclass.outcome import ClassLabels
from gendmr.tasks.reading import MANY, blank, check_minimum, counted, positions, same_but_case

if TYPE_CHECKING:
    import torch

PARTS = ("train", "validation", "held-out")


def build(name: str, section: MulticlassOutcome) -> Task[ClassLabels]:
    """Return the task of an outcome of three or more classes."""
    return MulticlassTask(name, section)


@dataclass
class MulticlassTask(Judged):
    """See `gendmr.tasks.base.Task`.

    Parameters
    ----------
    name : str
    section : MulticlassOutcome
    class_weights : float64 (class,), optional
        After `fit`.
    """

    name: str
    section: MulticlassOutcome
    class_weights: np.ndarray | None = None

    kind = "multiclass"
    effect = None

    def __post_init__(self) -> None:
        self.classes = tuple(self.section.classes)
        self.label = self.section.label or self.name
        self.n_outputs = len(self.classes)
        self.stored: Mapping[str, Kind] = {"": "text"}
        self.columns: Mapping[str, Kind] = {
            "observed": "text",
            "predicted": "text",
            **{probability_of(name): "number" for name in self.classes},
        }

    def wanted(self) -> tuple[str, ...]:
        """Return the columns of the labels."""
        rule = self.section.glioma
        return rule.columns() if rule is not None else (self.section.column,)

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Return the class of each person; labels of no class are a reason."""
        class_of = {name: name for name in self.classes}
        class_of |= {
            label: name for name, labels in self.section.pooled.items() for label in labels
        }
        rule = self.section.glioma
        column = self.section.column or "diagnosis by the rule glioma"
        if rule is not None:
            labels, rule_reason = glioma_classes(table, rule, where)
        else:
            labels, rule_reason = table[column], pd.Series("", index=table.index, dtype=object)
        missing = blank(labels)
        unknown = ~missing & ~labels.isin(list(class_of))
        n_labels = labels[~missing].nunique()
        if n_labels > MANY and int(unknown.sum()) > int((~missing).sum()) / 2:
            raise OutcomeError(
                f"{where}: column {column} has {n_labels} different labels, and most people have"
                f" none of the configured classes; found: {counted(labels[~missing])}",
                cause="a measurement, a date or an identifier",
                next_step=f"set cohort.outcomes.{self.name}.column to the column of the classes, or"
                " its kind to quantitative",
            )
        columns = labels.map(class_of).fillna(MISSING)
        empty = [name for name in self.classes if not (columns == name).any()]
        if empty:
            raise OutcomeError(
                f"{where}: nobody's {column} is {' or '.join(map(repr, empty))}; found:"
                f" {counted(labels[~missing])}",
                cause="labels are spelt otherwise (letter case counts), or other classes are meant",
                next_step=f"set cohort.outcomes.{self.name}.classes (and pooled) to the labels of"
                " the column",
            )
        reason = pd.Series("", index=table.index, dtype=object)
        reason[missing] = f"no {self.name}"
        reason = reason.mask(missing & (rule_reason != ""), f"no {self.name}: " + rule_reason)
        for label in sorted(labels[unknown].unique()):
            hint = same_but_case(label, class_of)
            reason[labels == label] = f"{self.name} {label!r} is none of the classes{hint}"
        return ParsedOutcome(pd.DataFrame({"": columns}), reason)

    def read(self, columns: Mapping[str, pd.Series], where: str) -> ClassLabels:
        """Return the class of each person, from our own column."""
        label = positions(columns[""], self.classes, f"{where}, column {self.name}")
        return ClassLabels(label, self.classes)

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the meaning of the column."""
        levels = {
            name: ", ".join((name, *self.section.pooled.get(name, ()))) for name in self.classes
        }
        return {"": {"Description": f"{self.label} of the analysis", "Levels": levels}}

    def groups(self, outcome: ClassLabels) -> np.ndarray:
        """Return the classes."""
        return outcome.strata()

    def check_parts(self, outcome: ClassLabels, part: np.ndarray, where: str) -> None:
        """Refuse a part that lacks a class."""
        names = outcome.strata()
        for name in PARTS:
            inside = (part == name) & outcome.known
            lacking = [
                class_name for class_name in self.classes if class_name not in set(names[inside])
            ]
            if lacking:
                raise FoldError(
                    f"{where}: nobody of {first_few(lacking)} among its {int(inside.sum())} {name}"
                    " people",
                    cause=f"too few independent families or groups of that {self.name}",
                    next_step="fewer cohort.folds, a larger cohort.inner_validation, no group_by,"
                    " or classes that are pooled",
                )

    def check_groups(self, outcome: ClassLabels, groups: np.ndarray, folds: int) -> None:
        """Refuse a cohort with fewer groups of a class than folds."""
        for number, name in enumerate(self.classes):
            inside = outcome.label == number
            description = f"people with {self.name} {name}"
            fault = check_minimum(len(set(groups[inside])), int(inside.sum()), description, folds)
            if fault:
                raise FoldError(fault[0], cause=fault[1], next_step=fault[2])

    def fit(self, outcome: ClassLabels) -> MulticlassTask:
        """Return the task with the weights that make all classes count the same."""
        people = np.bincount(outcome.label[outcome.known], minlength=self.n_outputs)
        if not people.all():
            empty = [name for name, n in zip(self.classes, people, strict=True) if not n]
            raise OutcomeError(
                f"{self.name}: none of {int(people.sum())} training people is of"
                f" {first_few(empty)}",
                cause="people of that class lack the modalities that are needed",
                next_step="bring more people, pool classes, or fewer cohort.folds",
            )
        return replace(self, class_weights=people.sum() / (self.n_outputs * people))

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return the weights of the classes."""
        return {} if self.class_weights is None else {"class_weights": self.class_weights}

    def weights(self, outcome: ClassLabels) -> np.ndarray:
        """Return the weight of the class of each person; 0 where it is unknown."""
        if self.class_weights is None:
            raise RuntimeError("the task has not been fitted")
        return np.asarray(np.append(self.class_weights, 0.0)[outcome.label])

    def target(self, outcome: ClassLabels) -> Mapping[str, np.ndarray]:
        """Return the place of the class; 0 where it is unknown."""
        return {"label": np.maximum(outcome.label, 0).astype(np.int64)}

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the cross-entropy of each person."""
        class_logit = output.gather(1, target["label"][:, None])[:, 0]
        return output.logsumexp(dim=1) - class_logit

    def losses(self, output: np.ndarray, outcome: ClassLabels) -> np.ndarray:
        """Return the cross-entropy of each person."""
        logits = output.astype(np.float64)
        class_logit = logits[np.arange(len(logits)), np.maximum(outcome.label, 0)]
        return np.asarray(np.logaddexp.reduce(logits, axis=1) - class_logit)

    def calibrate(
        self,
        output: np.ndarray,
        outcome: ClassLabels,
        train_output: np.ndarray,
        train_outcome: ClassLabels,
    ) -> Mapping[str, Any]:
        """Return nothing: the most probable class is called."""
        return {}

    def predictions(
        self, output: np.ndarray, outcome: ClassLabels, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return observed class, most probable class and the probability of each."""
        probability = softmax(output)
        columns: dict[str, Any] = {
            "observed": outcome.strata(),
            "predicted": np.array(self.classes, dtype=object)[output.argmax(axis=1)],
        }
        for number, name in enumerate(self.classes):
            columns[probability_of(name)] = probability[:, number]
        return pd.DataFrame(columns)

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1 for the most probable class and -1/(K-1) for the others."""
        weight = np.full_like(output, -1 / (self.n_outputs - 1))
        weight[np.arange(len(output)), output.argmax(axis=1)] = 1
        return weight

    def notes(self, outcome: ClassLabels, role: str) -> list[str]:
        """Return a note on classes that nobody is of."""
        present = set(outcome.strata()[outcome.known])
        empty = [name for name in self.classes if name not in present]
        if not empty:
            return []
        rule = "left out of means over classes" if len(present) > 1 else "no AUC can be told"
        return [
            f"None of {int(outcome.known.sum())} {role} people is of {first_few(empty, 20)}:"
            f" {rule}."
        ]

    def score(self, output: np.ndarray, outcome: ClassLabels) -> float:
        """Return the macro-averaged AUC of the logits."""
        areas = [auc(outcome.label == k, output[:, k]) for k in range(self.n_outputs)]
        return float(np.mean(areas)) if np.isfinite(areas).all() else float("nan")

    def fewest(self, outcome: ClassLabels) -> int:
        """Return the number of people in the smallest class."""
        return int(np.bincount(outcome.label[outcome.known], minlength=self.n_outputs).min())

    def response(self, outcome: ClassLabels) -> np.ndarray:
        """Return an indicator of each class."""
        return np.asarray((outcome.label[:, None] == np.arange(self.n_outputs)).astype(np.float64))

    def reference(self, outcome: ClassLabels) -> np.ndarray:
        """Return everybody: which class is unaffected is not known."""
        return np.ones(len(outcome), dtype=bool)

    def design(self, outcome: ClassLabels) -> np.ndarray:
        """Return an indicator of each class."""
        return self.response(outcome)

    def phenotypes(self, outcome: ClassLabels, covariates: np.ndarray) -> np.ndarray:
        """Return residuals of the multinomial regression on the covariates, a column per class."""
        from gendmr.statistics.residuals import multinomial_residuals

        onehot = outcome.label[:, None] == np.arange(self.n_outputs)
        return multinomial_residuals(onehot, covariates)

    def linear(
        self, features: np.ndarray, outcome: ClassLabels, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ridge multinomial regression, classes weighted equally."""
        from sklearn.linear_model import LogisticRegression

        if not features.shape[1]:
            return np.zeros((0, self.n_outputs)), np.zeros(self.n_outputs)
        model = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000, tol=1e-5)
        model.fit(features, outcome.label)
        return model.coef_.T, model.intercept_

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return probabilities averaged over repeats, and the most probable class."""
        return pool_classes(rows, self.classes)

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the bootstrap interval of the macro AUC; each class is drawn apart."""
        observed = rows["observed"].to_numpy(dtype=str)
        counts = resample_counts(random, observed)
        scores = probabilities(rows, self.classes)
        present = [k for k, name in enumerate(self.classes) if 0 < (observed == name).mean() < 1]
        if len(present) < 2:
            return np.nan, np.nan
        areas = [resampled_auc(observed == self.classes[k], scores[:, k], counts) for k in present]
        return percentile_interval(np.mean(areas, axis=0))

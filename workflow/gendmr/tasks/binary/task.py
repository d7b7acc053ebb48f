"""Case or control: one logit per person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import FoldError, OutcomeError
from gendmr.files.tables import MISSING, Kind
from gendmr.statistics.classification import auc, best_threshold, sigmoid
from gendmr.statistics.intervals import bootstrap_auc
from gendmr.tasks.base import Effect, ParsedOutcome, Task
from gendmr.tasks.binary.outcome import SIDES, CaseStatus
from gendmr.tasks.judged import Judged
from gendmr.tasks.pooling import pool_people
from gendmr.tasks.reading import blank, check_minimum, counted, positions, same_but_case

if TYPE_CHECKING:
    import torch

PARTS = ("train", "validation", "held-out")


def information(outcome: CaseStatus) -> float:
    """Return cases times controls over their sum."""
    cases, controls = int((outcome.case == 1).sum()), int((outcome.case == 0).sum())
    return cases * controls / max(cases + controls, 1)


EFFECT = Effect(
    information,
    "n·φ(1−φ), φ the share of cases",
    allele="odds ratio per allele",
    measurement="difference between cases and controls, SD",
    allele_ratio=True,
)


def build(name: str, section: BinaryOutcome) -> Task[CaseStatus]:
    """Return the task of an outcome of cases and controls."""
    return BinaryTask(name, section)


@dataclass
class BinaryTask(Judged):
    """See `gendmr.tasks.base.Task`.

    Parameters
    ----------
    name : str
    section : BinaryOutcome
    class_weights : (float, float), optional
        Of a control and of a case, after `fit`.
    """

    name: str
    section: BinaryOutcome
    class_weights: tuple[float, float] | None = None

    kind = "binary"
    n_outputs = 1
    effect = EFFECT

    def __post_init__(self) -> None:
        self.label = self.section.label or self.name
        self.stored: Mapping[str, Kind] = {"": "text"}
        self.columns: Mapping[str, Kind] = {
            "observed": "integer",
            "score": "number",
            "logit": "number",
            "predicted": "integer",
        }

    def wanted(self) -> tuple[str, ...]:
        """Return the column of the labels."""
        return (self.section.column,)

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Return case or control; labels that are neither are a reason."""
        sides = {"case": self.section.case, "control": self.section.control}
        side_of = {label: side for side, labels in sides.items() for label in labels}
        labels = table[self.section.column]
        missing = blank(labels)
        for side, side_labels in sides.items():
            if not labels.isin(side_labels).any():
                raise OutcomeError(
                    f"{where}: nobody's {self.section.column} is"
                    f" {' or '.join(map(repr, side_labels))}"
                    f" ({side}); found: {counted(labels[~missing])}",
                    cause="labels are spelt otherwise; letter case counts",
                    next_step=f"set cohort.outcomes.{self.name}.{side} to the labels of your"
                    f" {side}s",
                )
        reason = pd.Series("", index=table.index, dtype=object)
        reason[missing] = f"no {self.name}"
        unknown = ~missing & ~labels.isin(list(side_of))
        for label in sorted(labels[unknown].unique()):
            reason[labels == label] = (
                f"{self.name} {label!r} is neither case nor control{same_but_case(label, side_of)}"
            )
        columns = pd.DataFrame({"": labels.map(side_of).fillna(MISSING)})
        return ParsedOutcome(columns, reason)

    def read(self, columns: Mapping[str, pd.Series], where: str) -> CaseStatus:
        """Return who is a case, from our own column."""
        return CaseStatus(positions(columns[""], SIDES, f"{where}, column {self.name}"))

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the meaning of the column."""
        return {
            "": {
                "Description": f"{self.label} of the analysis",
                "Levels": {
                    "case": ", ".join(self.section.case),
                    "control": ", ".join(self.section.control),
                },
            }
        }

    def groups(self, outcome: CaseStatus) -> np.ndarray:
        """Return case and control."""
        return outcome.strata()

    def check_parts(self, outcome: CaseStatus, part: np.ndarray, where: str) -> None:
        """Refuse a part without cases or without controls."""
        side = outcome.strata()
        for name in PARTS:
            inside = (part == name) & outcome.known
            lacking = sorted({"case", "control"} - set(side[inside]))
            if lacking:
                raise FoldError(
                    f"{where}: no {' and no '.join(lacking)} among its {int(inside.sum())} {name}"
                    " people",
                    cause=f"too few independent families or groups of that {self.name}",
                    next_step="fewer cohort.folds, a larger cohort.inner_validation, or no"
                    " group_by",
                )

    def check_groups(self, outcome: CaseStatus, groups: np.ndarray, folds: int) -> None:
        """Refuse a cohort with fewer groups of a class than folds."""
        for side in ("case", "control"):
            inside = outcome.strata() == side
            fault = check_minimum(
                len(set(groups[inside])),
                int(inside.sum()),
                f"people with {self.name} {side}",
                folds,
            )
            if fault:
                raise FoldError(fault[0], cause=fault[1], next_step=fault[2])

    def fit(self, outcome: CaseStatus) -> BinaryTask:
        """Return the task with the weights that make both classes count the same."""
        people, cases = int(outcome.known.sum()), int((outcome.case == 1).sum())
        if not 0 < cases < people:
            raise OutcomeError(
                f"{self.name}: all {people} training people are {'cases' if cases else 'controls'}",
                cause="people of the other class lack the modalities that are needed",
                next_step="bring people of both classes, or fewer cohort.folds",
            )
        return replace(self, class_weights=(people / (2 * (people - cases)), people / (2 * cases)))

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return the weights of control and case."""
        return {} if self.class_weights is None else {"class_weights": np.array(self.class_weights)}

    def weights(self, outcome: CaseStatus) -> np.ndarray:
        """Return the weight of the class of each person; 0 where it is unknown."""
        if self.class_weights is None:
            raise RuntimeError("the task has not been fitted")
        return np.asarray(np.array([*self.class_weights, 0.0])[outcome.case])

    def target(self, outcome: CaseStatus) -> Mapping[str, np.ndarray]:
        """Return 1 for cases and 0 for controls."""
        return {"case": np.maximum(outcome.case, 0).astype(np.float32)}

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the cross-entropy of each person."""
        import torch

        logit = output[:, 0]
        return torch.nn.functional.softplus(logit) - target["case"] * logit

    def losses(self, output: np.ndarray, outcome: CaseStatus) -> np.ndarray:
        """Return the cross-entropy of each person."""
        signed = np.where(outcome.case == 1, -1.0, 1.0) * output[:, 0].astype(np.float64)
        return np.asarray(np.logaddexp(0, signed))

    def calibrate(
        self,
        output: np.ndarray,
        outcome: CaseStatus,
        train_output: np.ndarray,
        train_outcome: CaseStatus,
    ) -> Mapping[str, Any]:
        """Return the threshold of the best balanced accuracy of the inner validation."""
        has_outcome = outcome.known
        threshold = best_threshold(outcome.case[has_outcome], sigmoid(output[has_outcome, 0]))
        return {"threshold": threshold}

    def predictions(
        self, output: np.ndarray, outcome: CaseStatus, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return observed class, probability, logit and predicted class."""
        logit = output[:, 0]
        probability = sigmoid(logit)
        observed: Any = outcome.case.astype(int)
        if not outcome.known.all():
            observed = pd.array(observed, dtype="Int64")
            observed[~outcome.known] = pd.NA
        return pd.DataFrame(
            {
                "observed": observed,
                "score": probability,
                "logit": logit,
                "predicted": (probability >= calibration["threshold"]).astype(int),
            }
        )

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1: attributions are of the logit."""
        return np.ones_like(output)

    def notes(self, outcome: CaseStatus, role: str) -> list[str]:
        """Return a note where no metric that compares cases with controls can be told."""
        case = outcome.case[outcome.known]
        if case.min(initial=1) != case.max(initial=0):
            return []
        rule = "; the threshold is 0.5" if role == "validation" else ""
        return [
            f"All {len(case)} {role} people are {'cases' if case.any() else 'controls'}: their AUC"
            f" is n/a{rule}."
        ]

    def score(self, output: np.ndarray, outcome: CaseStatus) -> float:
        """Return the AUC."""
        return auc(outcome.case, output[:, 0])

    def fewest(self, outcome: CaseStatus) -> int:
        """Return the number of people in the smaller class."""
        return int(min((outcome.case == 1).sum(), (outcome.case == 0).sum()))

    def response(self, outcome: CaseStatus) -> np.ndarray:
        """Return 1 for cases and 0 for controls."""
        return np.asarray((outcome.case == 1).astype(np.float64)[:, None])

    def trait(self, outcome: CaseStatus) -> np.ndarray:
        """Return 1 for controls and 2 for cases, NaN where unknown."""
        return np.where(outcome.case < 0, np.nan, outcome.case + 1.0)

    def reference(self, outcome: CaseStatus) -> np.ndarray:
        """Return the controls."""
        return np.asarray(outcome.case == 0)

    def design(self, outcome: CaseStatus) -> np.ndarray:
        """Return indicators of cases and of controls."""
        return np.column_stack([outcome.case == 1, outcome.case == 0]).astype(np.float64)

    def phenotypes(self, outcome: CaseStatus, covariates: np.ndarray) -> np.ndarray:
        """Return residuals of the logistic regression of the class on the covariates."""
        from gendmr.statistics.residuals import logistic_residuals

        return logistic_residuals(outcome.case, covariates)[:, None]

    def linear(
        self, features: np.ndarray, outcome: CaseStatus, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ridge logistic regression, classes weighted equally."""
        from sklearn.linear_model import LogisticRegression

        if not features.shape[1]:
            return np.zeros((0, 1)), np.zeros(1)
        model = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000, tol=1e-5)
        model.fit(features, outcome.case)
        return model.coef_.T, np.array([float(model.intercept_[0])])

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return scores averaged over repeats; called a case in at least half of them."""
        pooled = pool_people(rows, ("observed",), ("score", "logit", "predicted"))
        pooled["predicted"] = (pooled["predicted"] >= 0.5).astype(int)
        return pooled

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the bootstrap interval of the AUC; cases and controls are drawn apart."""
        return bootstrap_auc(rows["observed"].to_numpy(int), rows["score"].to_numpy(float), random)

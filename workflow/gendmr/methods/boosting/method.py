"""Gradient-boosted trees for Cox's partial likelihood, by XGBoost; no torch.

Chen & Guestrin 2016, "XGBoost: a scalable tree boosting system" (KDD). Attributions are Shapley
values of the trees (Lundberg et al. 2020, "From local explanations to global understanding with
explainable AI for trees", Nature Machine Intelligence), which add up to the log risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.config.methods.boosting import BoostingMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import attribution_of, note_missing, only_epoch
from gendmr.methods.base import Attribution, FitInputs, Progress, SequentialFits
from gendmr.methods.ridge.method import COVARIATES, FEWEST, features_of
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import derive, generator
from gendmr.tasks.survival.outcome import CensoredTimes

if TYPE_CHECKING:
    import xgboost

METRIC = "cox-nloglik"
UNKNOWN_ROUNDS = 50  # trees where there are too few events to compare numbers of them


def build(options: MethodOptions) -> Boosting:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, BoostingMethod):
        raise TypeError(f"options of {method.kind}, not of boosting")
    return Boosting(method, options.reads)


class Boosting(SequentialFits):
    """See `BoostingMethod`; the number of trees is that of the smallest cross-validated loss.

    Where the outcome is of discrete time, the log risk is the one feature of its linear model.
    """

    def __init__(self, options: BoostingMethod, reads: tuple[str, ...]) -> None:
        self.options = options
        self.reads = reads

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedBoosting:
        """Fit on the training people; see `Method.fit`. It runs on the CPU, in one thread."""
        import xgboost

        train, preparation, task = inputs.train, inputs.preparation, inputs.task
        notes = note_missing(train, self.reads, "its training mean is used for them")
        features = features_of(train, preparation, self.reads).astype(np.float32)
        outcome = train.outcome
        if not isinstance(outcome, CensoredTimes):
            raise TypeError(f"an outcome {type(outcome).__name__}, not CensoredTimes")
        data = xgboost.DMatrix(features, label=labels_of(outcome), nthread=1)
        rounds, loss = self._rounds(features, inputs, outcome)
        booster = xgboost.train(self._parameters(inputs.seed), data, num_boost_round=rounds)
        slope, intercept = np.ones((1, task.n_outputs)), np.zeros(task.n_outputs)
        if task.n_outputs > 1:
            risk = booster.predict(data, output_margin=True).astype(np.float64)
            slope, intercept = task.linear(risk[:, None], outcome, 1.0)
        fitted = FittedBoosting(
            reads=self.reads,
            preparation=preparation,
            model=np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8).copy(),
            slope=np.asarray(slope, np.float64),
            intercept=np.asarray(intercept, np.float64),
            notes=notes,
        )
        used = len(booster.get_score(importance_type="weight"))
        fitted.history = only_epoch(
            fitted, inputs, trees=float(rounds), features=float(used), cross_validated_loss=loss
        )
        progress(f"{rounds} trees, {used} of {features.shape[1]} features")
        return fitted

    def _parameters(self, seed: int) -> dict[str, Any]:
        options = self.options
        return {
            "objective": "survival:cox",
            "eval_metric": METRIC,
            "tree_method": "hist",
            "max_depth": options.depth,
            "eta": options.learning_rate,
            "subsample": options.rows,
            "colsample_bytree": options.columns,
            "min_child_weight": 1.0,
            "base_score": 1.0,  # a relative risk, whose logarithm is 0
            "nthread": 1,
            "seed": derive(seed, "boosting") % (1 << 31),
        }

    def _rounds(
        self, features: np.ndarray, inputs: FitInputs, outcome: CensoredTimes
    ) -> tuple[int, float]:
        """Return the number of trees with the smallest loss of people left out, and that loss."""
        import xgboost

        fewest = inputs.task.fewest(outcome)
        if fewest < FEWEST:
            return min(UNKNOWN_ROUNDS, self.options.trees), float("nan")
        random = generator(inputs.seed, "boosting")
        part = stratified_parts(inputs.train, min(5, fewest), random)
        labels = labels_of(outcome)
        curves, weights = [], []
        for number in np.unique(part):
            training = part != number
            if not (labels[training] > 0).any() or not (labels[~training] > 0).any():
                continue
            inside, outside = (
                xgboost.DMatrix(features[some], label=labels[some], nthread=1)
                for some in (training, ~training)
            )
            by_set: dict[str, dict[str, list[float]]] = {}
            xgboost.train(
                self._parameters(inputs.seed),
                inside,
                num_boost_round=self.options.trees,
                evals=[(outside, "outside")],
                evals_result=by_set,
                verbose_eval=False,
            )
            curves.append(by_set["outside"][METRIC])
            weights.append(int((labels[~training] > 0).sum()))
        if not curves:
            return min(UNKNOWN_ROUNDS, self.options.trees), float("nan")
        mean = np.average(np.array(curves), axis=0, weights=weights)
        return int(np.argmin(mean)) + 1, float(mean.min())


def labels_of(outcome: CensoredTimes) -> np.ndarray:
    """Return times as XGBoost wants them: negative where censored."""
    time = outcome.time.astype(np.float64)
    return np.where(outcome.event.astype(bool), time, -time)


@dataclass
class FittedBoosting:
    """Trees, and what becomes of their sum.

    Parameters
    ----------
    reads : tuple of str
    preparation : Preparation
    model : uint8 (byte,)
        The trees in XGBoost's UBJSON.
    slope : float64 (1, output)
        Of the log risk; 1 where it is the output.
    intercept : float64 (output,)
    """

    reads: tuple[str, ...]
    preparation: Preparation
    model: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray
    notes: list[str]
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy", "xgboost-cpu")

    def portable(self) -> FittedBoosting:
        """Return what a model file holds of it: no history."""
        return replace(self, history=[])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name."""
        return {"model": self.model, "slope": self.slope, "intercept": self.intercept}

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """Nothing: trees are no sum of terms."""
        return {}

    def predict(self, people: PreparedSubset) -> np.ndarray:
        """Return the output, float64 (person, output)."""
        risk = self._booster().predict(self._data(people), output_margin=True)
        return np.asarray(risk.astype(np.float64)[:, None] @ self.slope + self.intercept)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return Shapley values: of an instance, those of its measures together."""
        values = self._booster().predict(self._data(people), pred_contribs=True).astype(np.float64)
        output = values.sum(axis=1, keepdims=True) @ self.slope + self.intercept
        contrast = np.asarray(self.preparation.task.contrast(output))  # (person, output)
        rise = contrast @ self.slope[0]  # (person,)
        baseline = values[:, -1] * rise + contrast @ self.intercept
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
                contributions = (
                    values[:, block].reshape(len(people), instances, measures).sum(axis=2)
                )
                attributions[name] = attribution_of(
                    contributions * rise[:, None], people.present[name], baseline
                )
        return attributions

    def _booster(self) -> xgboost.Booster:
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(self.model.tobytes()))
        return booster

    def _data(self, people: PreparedSubset) -> xgboost.DMatrix:
        import xgboost

        features = features_of(people, self.preparation, self.reads).astype(np.float32)
        return xgboost.DMatrix(features, nthread=1)

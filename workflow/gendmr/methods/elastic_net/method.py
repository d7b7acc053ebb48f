"""Cox regression with an elastic-net penalty, by skglm; no torch."""

from __future__ import annotations

import warnings

import numpy as np

from gendmr.config.methods.elastic_net import ElasticNetMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import note_missing, only_epoch
from gendmr.methods.base import FitInputs, Progress, SequentialFits
from gendmr.methods.ridge.method import FEWEST, FittedRidge, standardised_features
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator
from gendmr.statistics.residuals import martingale_residuals
from gendmr.statistics.survival import PartialLikelihood
from gendmr.tasks.survival.outcome import CensoredTimes


def build(options: MethodOptions) -> ElasticNet:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, ElasticNetMethod):
        raise TypeError(f"options of {method.kind}, not of elastic_net")
    return ElasticNet(method, options.reads)


class ElasticNet(SequentialFits):
    """Elastic-net Cox regression; the penalty is the one of the smallest cross-validated loss.

    Where the outcome is of discrete time, the relative risk is the one feature of its linear model.
    """

    def __init__(self, options: ElasticNetMethod, reads: tuple[str, ...]) -> None:
        self.options = options
        self.reads = reads

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedRidge:
        """Fit on the training people; see `Method.fit`. It runs on the CPU."""
        train, preparation, task = inputs.train, inputs.preparation, inputs.task
        notes = note_missing(train, self.reads, "its training mean is used for them")
        standardised, centre, scale = standardised_features(train, preparation, self.reads)
        features = np.asfortranarray(standardised)
        outcome = _times_of(train)
        strengths = self._strengths(features, outcome)
        losses = self._cross_validate(features, inputs, strengths)
        best = int(np.argmin(losses))
        beta = cox_path(features, outcome, strengths[: best + 1], self.options.l1_ratio)[-1]
        coefficients, intercept = beta[:, None], np.zeros(task.n_outputs)
        if not np.any(beta):
            notes.append("No feature has a coefficient: everybody gets one risk.")
        if task.n_outputs > 1:
            slope, intercept = task.linear((features @ beta)[:, None], outcome, 1.0)
            coefficients = beta[:, None] * slope[0]
        fitted = FittedRidge(
            reads=self.reads,
            preparation=preparation,
            centre=centre,
            scale=scale,
            coefficients=coefficients,
            intercept=intercept,
            notes=notes,
        )
        selected = int(np.count_nonzero(beta))
        fitted.history = only_epoch(
            fitted, inputs, penalty=float(strengths[best]), features=float(selected)
        )
        progress(f"penalty {strengths[best]:.4g}, {selected} of {len(beta)} features")
        return fitted

    def _strengths(self, features: np.ndarray, outcome: CensoredTimes) -> np.ndarray:
        """Return the penalties, the strongest first."""
        nothing = np.zeros((len(features), 0))
        # The gradient at coefficients of 0: events less what is expected without any feature.
        residual = martingale_residuals(outcome.time, outcome.event.astype(bool), nothing)
        slope = np.abs(features.T @ residual) / len(features)
        first = max(float(slope.max(initial=0.0)) / self.options.l1_ratio, 1e-6)
        return np.geomspace(first * 0.99, first * self.options.smallest, self.options.penalties)

    def _cross_validate(
        self, features: np.ndarray, inputs: FitInputs, strengths: np.ndarray
    ) -> np.ndarray:
        """Return the loss of people left out for each penalty, as -log partial likelihood.

        That of a part is the difference between all people and all but the part (Verweij and van
        Houwelingen 1993), since few people alone have no risk sets worth the name.
        """
        outcome = _times_of(inputs.train)
        fewest = inputs.task.fewest(outcome)
        total = np.zeros(len(strengths))
        if len(strengths) == 1 or fewest < FEWEST:
            return total
        everybody = PartialLikelihood(outcome.time, outcome.event)
        part = stratified_parts(inputs.train, min(5, fewest), generator(inputs.seed, "elastic-net"))
        for number in np.unique(part):
            training = part != number
            inside = outcome.take(training)
            if not inputs.task.fewest(inside):
                continue
            others = PartialLikelihood(inside.time, inside.event)
            path = cox_path(
                np.asfortranarray(features[training]), inside, strengths, self.options.l1_ratio
            )
            for place, beta in enumerate(path):
                risk = features @ beta
                total[place] += everybody.losses(risk).sum()
                total[place] -= others.losses(risk[training]).sum()
        return total


def _times_of(people: PreparedSubset) -> CensoredTimes:
    """Return times and events: the method learns no other outcome."""
    outcome = people.outcome
    if not isinstance(outcome, CensoredTimes):
        raise TypeError(f"an outcome {type(outcome).__name__}, not CensoredTimes")
    return outcome


def cox_path(
    features: np.ndarray, outcome: CensoredTimes, strengths: np.ndarray, l1_ratio: float
) -> list[np.ndarray]:
    """Return coefficients (feature,) for each penalty, each started from the one before.

    Minimises the negative log partial likelihood (Breslow) over the number of people plus
    ``strength * (l1_ratio * |b| + (1 - l1_ratio) / 2 * b²)``, as glmnet does (Simon et al. 2011).
    """
    from skglm.datafits import Cox
    from skglm.penalties import L1_plus_L2
    from skglm.solvers import ProxNewton
    from skglm.utils.jit_compilation import compiled_clone

    people, width = features.shape
    times = np.column_stack([outcome.time, outcome.event.astype(np.float64)])
    path: list[np.ndarray] = []
    beta, risk = np.zeros(width), np.zeros(people)
    datafit = compiled_clone(Cox())
    datafit.initialize(features, times)
    for strength in strengths:
        penalty = compiled_clone(L1_plus_L2(float(strength), l1_ratio))
        solver = ProxNewton(fit_intercept=False, max_iter=50, tol=1e-6)
        with warnings.catch_warnings():
            # A path may stop a little short of the tolerance; cross-validation judges what it gave.
            warnings.simplefilter("ignore")
            beta, _, _ = solver.solve(
                features, times, datafit, penalty, w_init=beta.copy(), Xw_init=risk.copy()
            )
        beta = np.asarray(beta, dtype=np.float64)
        risk = features @ beta
        path.append(beta)
    return path

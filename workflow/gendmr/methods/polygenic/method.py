"""A polygenic score whose every part is fitted in the fold; no torch.

Clumping and thresholding (International Schizophrenia Consortium 2009, Nature 460:748; Choi, Mak &
O'Reilly 2020, Nat Protoc 15:2759), with effects from the training people in place of those of
another study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gendmr.config.methods import PolygenicMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import FittedAdditive, logistic, note_missing, only_epoch, standardise
from gendmr.methods.base import OneByOne, Progress
from gendmr.seeds import generator
from gendmr.statistics.association import score_test
from gendmr.statistics.linkage import prune
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.preparation import People, Preparation
from gendmr.training.scores import class_weights, log_loss

if TYPE_CHECKING:
    from gendmr.engine.checkpoint import Checkpoint

PARTS = 5
PARTITIONS = 3  # ways to cut the training people: what one cut says of a weak score is chance
FEWEST = 4  # people of the smaller class with genotypes, below which there is no score


def build(options: MethodOptions) -> Polygenic:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, PolygenicMethod):
        raise TypeError(f"options of {method.kind}, not of polygenic")
    return Polygenic(method)


@dataclass(frozen=True)
class Score:
    """A polygenic score with the regression that reads it.

    Parameters
    ----------
    weight : float64 (snp,)
        Logits per SD of the dosage.
    covariates : float64 (covariate,)
        Logits per unit.
    intercept : float
    threshold, loss : float
        Chosen p-value, and the cross-validated log loss with it; NaN without a score.
    """

    weight: np.ndarray
    covariates: np.ndarray
    intercept: float
    threshold: float
    loss: float


class Polygenic(OneByOne):
    """Clumped SNPs weighted by their effects in the training people, beside the covariates.

    The effect of a SNP is its partial correlation with the diagnosis given covariates and
    components, z / sqrt(n): the slope per SD of the dosage up to a common factor. A person's score
    is made of effects that the person had no part in: the training people are cut into parts, and
    effects and clumps for one part come from the others; so three times, with other parts. On these
    scores the p-value threshold is chosen (cross-validated log loss) and the regression of the
    diagnosis on covariates and score is fitted; it then reads scores with effects from all training
    people. A score that falls with the risk in people whom it was not made from is left out.
    """

    kind = "polygenic"
    task = "classification"
    modalities = frozenset({"snp", "covariates"})

    def __init__(self, options: PolygenicMethod) -> None:
        self.options = options
        self.thresholds = np.array(sorted(options.thresholds))

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
    ) -> FittedAdditive:
        """Fit on `train`; see `Method.fit`. The device does not matter: it runs on the CPU."""
        notes: list[str] = []
        score = self._score(train, preparation, seed, notes)
        used = int((score.weight != 0).sum())
        if used:
            notes += note_missing(train, ("snp",))
        else:
            notes.append("The score is that of the covariates alone.")
        fitted = FittedAdditive(
            preparation=preparation,
            intercept=score.intercept,
            covariates=score.covariates,
            snp=score.weight,
            notes=notes,
        )
        fitted.history = only_epoch(
            fitted,
            train,
            validation,
            threshold=score.threshold,
            score_snps=used,
            cross_validated_loss=score.loss,
        )
        progress(f"p-value threshold {score.threshold:g}, {used} SNPs, {len(train)} people")
        return fitted

    def _score(self, train: People, preparation: Preparation, seed: int, notes: list[str]) -> Score:
        y = train.diagnosis.astype(int)
        cases = int(y[train.has_snp].sum())
        smaller = min(cases, int(train.has_snp.sum()) - cases)
        if not len(preparation.snps) or smaller < FEWEST:
            notes.append(
                f"No polygenic score: {len(preparation.snps)} SNPs, and {smaller} training people"
                " with genotypes in the smaller class."
            )
            coefficients, _, intercept = logistic(train.covariates, y, np.zeros((len(y), 0)))
            nothing = np.zeros(len(preparation.snps))
            return Score(nothing, coefficients, intercept, float("nan"), float("nan"))
        scores, losses = self._cross_fit(train, preparation, min(PARTS, smaller), seed)
        best = int(np.argmin(losses))
        coefficients, slopes, intercept = logistic(
            np.tile(train.covariates, (PARTITIONS, 1)),
            np.tile(y, PARTITIONS),
            scores[:, :, best].reshape(-1, 1),
        )
        threshold = float(self.thresholds[best])
        if not slopes[0]:
            notes.append(
                f"The polygenic score (p-values up to {threshold:g}) does not rise with the risk in"
                " people whom it was not made from, or no SNP reaches the threshold."
            )
        effects = self._effects(train, preparation, np.ones(len(train), dtype=bool))[:, best]
        return Score(effects * slopes[0], coefficients, intercept, threshold, float(losses[best]))

    def _cross_fit(
        self, train: People, preparation: Preparation, parts: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scores without the person's own part, and what each threshold costs.

        Returns
        -------
        scores : float64 (partition, people, threshold)
        losses : float64 (threshold,)
            Cross-validated log loss of the regression on the score, mean over partitions.
        """
        dosage = standardise(train, preparation)
        scores = np.zeros((PARTITIONS, len(train), len(self.thresholds)))
        losses = np.zeros((PARTITIONS, len(self.thresholds)))
        for row in range(PARTITIONS):
            part = stratified_parts(train, parts, generator(seed, "polygenic", row))
            for number in np.unique(part):
                inside = part == number
                effects = self._effects(train, preparation, ~inside)
                scores[row, inside] = dosage[inside] @ effects
            losses[row] = [
                _cross_validated_loss(train, scores[row][:, [column]], part)
                for column in range(len(self.thresholds))
            ]
        return scores, losses.mean(axis=0)

    def _effects(self, people: People, preparation: Preparation, inside: np.ndarray) -> np.ndarray:
        """Return the effects of clumped SNPs at each threshold, float64 (snp, threshold)."""
        from scipy.special import erfc

        typed = inside & people.has_snp
        dosage = people.dosage[typed]
        found, _ = score_test(dosage, people.diagnosis[typed], people.covariates[typed])
        z = found[:, 0]
        first = prune(
            dosage,
            preparation.snps["chromosome"].to_numpy(dtype=str),
            preparation.snps["position"].to_numpy(dtype=np.int64),
            -np.abs(z),
            self.options.r2,
        )
        effect = np.zeros(len(z))
        effect[first] = z[first] / np.sqrt(max(int(typed.sum()), 1))
        p = erfc(np.abs(z) / np.sqrt(2))
        return np.asarray(effect[:, None] * (p[:, None] <= self.thresholds))


def _cross_validated_loss(train: People, score: np.ndarray, part: np.ndarray) -> float:
    """Return the log loss of people whom the regression on the score (people, 1) has not seen."""
    y, covariates = train.diagnosis.astype(int), train.covariates
    weight = np.array(class_weights(y))[y]
    logit = np.zeros(len(y))
    for number in np.unique(part):
        outside = part == number
        if len(np.unique(y[~outside])) < 2:
            continue  # the logit stays 0: nothing is known from one class
        coefficients, slopes, intercept = logistic(
            covariates[~outside], y[~outside], score[~outside]
        )
        logit[outside] = intercept + covariates[outside] @ coefficients + score[outside] @ slopes
    return log_loss(y, logit, weight)

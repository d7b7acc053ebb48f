"""A polygenic score whose every part is fitted in the fold; no torch.

Clumping and thresholding (International Schizophrenia Consortium 2009, Nature 460:748; Choi, Mak &
O'Reilly 2020, Nat Protoc 15:2759), with effects from the training people in place of those of
another study.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gendmr.config.methods.polygenic import PolygenicMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import FittedAdditive, fit_scores, note_missing, only_epoch
from gendmr.methods.base import FitInputs, Progress, SequentialFits
from gendmr.preprocessing.partition import stratified_parts
from gendmr.seeds import generator
from gendmr.statistics.association import score_test
from gendmr.statistics.linkage import prune

NAME = "snp"
PARTS = 5
PARTITIONS = 3  # ways to cut the training people: what one cut says of a weak score is chance
FEWEST = 4  # people with genotypes of the rarest class, below which there is no score


def build(options: MethodOptions) -> Polygenic:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, PolygenicMethod):
        raise TypeError(f"options of {method.kind}, not of polygenic")
    return Polygenic(method)


@dataclass(frozen=True)
class PolygenicScore:
    """A polygenic score with the regression that reads it.

    Parameters
    ----------
    weight : float64 (snp,)
        Output per SD of the dosage.
    covariates : float64 (covariate, output)
        Per unit.
    intercept : float64 (output,)
    threshold : float
        P-value up to which SNPs enter.
    loss : float
        Cross-validated.
    """

    weight: np.ndarray
    covariates: np.ndarray
    intercept: np.ndarray
    threshold: float
    loss: float


class Polygenic(SequentialFits):
    """Clumped SNPs weighted by their effects in the training people, beside the covariates.

    The effect of a SNP is its partial correlation with the task's phenotype given covariates and
    components, z / sqrt(n): the slope per SD of the dosage up to a common factor. A person's score
    is made of effects that the person had no part in: the training people are cut into parts, and
    effects and clumps for one part come from the others; so three times, with other parts. On these
    scores the p-value threshold is chosen (cross-validated loss of the task) and its linear model
    on covariates and score is fitted; it then reads scores with effects from all training people.
    A score that falls with the output in people whom it was not made from is left out.
    """

    def __init__(self, options: PolygenicMethod) -> None:
        self.options = options
        self.thresholds = np.array(sorted(options.thresholds))

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedAdditive:
        """Fit on the training people; see `Method.fit`. It runs on the CPU."""
        notes: list[str] = []
        score = self._score(inputs, notes)
        used = int((score.weight != 0).sum())
        if used:
            notes += note_missing(inputs.train, (NAME,), "it adds nothing to their score")
        else:
            notes.append("The score is that of the covariates alone.")
        outputs = len(score.intercept)
        fitted = FittedAdditive(
            preparation=inputs.preparation,
            intercept=score.intercept,
            covariates=score.covariates,
            coefficients={NAME: np.repeat(score.weight[:, None, None], outputs, axis=2)},
            notes=notes,
        )
        fitted.history = only_epoch(
            fitted,
            inputs,
            threshold=score.threshold,
            score_snps=used,
            cross_validated_loss=score.loss,
        )
        progress(f"p-value threshold {score.threshold:g}, {used} SNPs, {len(inputs.train)} people")
        return fitted

    def _score(self, inputs: FitInputs, notes: list[str]) -> PolygenicScore:
        train, task = inputs.train, inputs.task
        snps = len(inputs.preparation.instances(NAME))
        fewest = task.fewest(train.outcome.take(train.present[NAME]))
        if not snps or fewest < FEWEST:
            notes.append(
                f"No polygenic score: {snps} SNPs, and {fewest} training people with genotypes in"
                " the smaller class."
            )
            no_scores = np.zeros((len(train), 0, task.n_outputs))
            coefficients, _, intercept = fit_scores(
                task, train.covariates, train.outcome, no_scores
            )
            return PolygenicScore(np.zeros(snps), coefficients, intercept, np.nan, np.nan)
        scores, losses = self._cross_fit(inputs, min(PARTS, fewest))
        best = int(np.argmin(losses))
        coefficients, slopes, intercept = fit_scores(
            task,
            np.tile(train.covariates, (PARTITIONS, 1)),
            train.outcome.take(np.tile(np.arange(len(train)), PARTITIONS)),
            _for_outputs(scores[:, :, best].reshape(-1), task.n_outputs),
        )
        threshold = float(self.thresholds[best])
        if not slopes[0]:
            notes.append(
                f"The polygenic score (p-values up to {threshold:g}) does not rise with the risk in"
                " people whom it was not made from, or no SNP reaches the threshold."
            )
        effects = self._effects(inputs, np.ones(len(train), dtype=bool))[:, best]
        return PolygenicScore(
            effects * slopes[0], coefficients, intercept, threshold, float(losses[best])
        )

    def _cross_fit(self, inputs: FitInputs, parts: int) -> tuple[np.ndarray, np.ndarray]:
        """Return scores without the person's own part, and what each threshold costs.

        Returns
        -------
        scores : float64 (partition, person, threshold)
        losses : float64 (threshold,)
            Cross-validated loss of the linear model on the score, mean over partitions.
        """
        train = inputs.train
        dosage = inputs.preparation.design(train, NAME)[:, :, 0]
        scores = np.zeros((PARTITIONS, len(train), len(self.thresholds)))
        losses = np.zeros((PARTITIONS, len(self.thresholds)))
        for row in range(PARTITIONS):
            part = stratified_parts(train, parts, generator(inputs.seed, "polygenic", row))
            for number in np.unique(part):
                inside = part == number
                scores[row, inside] = dosage[inside] @ self._effects(inputs, ~inside)
            losses[row] = [
                _cross_validated_loss(inputs, scores[row][:, column], part)
                for column in range(len(self.thresholds))
            ]
        return scores, losses.mean(axis=0)

    def _effects(self, inputs: FitInputs, inside: np.ndarray) -> np.ndarray:
        """Return the effects of clumped SNPs at each threshold, float64 (snp, threshold)."""
        from scipy.special import erfc

        people, snps = inputs.train, inputs.preparation.instances(NAME)
        typed = inside & people.present[NAME]
        dosage, covariates = people.values[NAME][typed], people.covariates[typed]
        phenotypes = inputs.task.phenotypes(people.outcome.take(typed), covariates)
        z = score_test(dosage, phenotypes, covariates)[0][:, 0]
        first = prune(
            dosage,
            snps["chromosome"].to_numpy(),
            snps["position"].to_numpy(dtype=np.int64),
            -np.abs(z),
            self.options.r2,
        )
        effect = np.zeros(len(z))
        effect[first] = z[first] / np.sqrt(max(int(typed.sum()), 1))
        p = erfc(np.abs(z) / np.sqrt(2))
        return np.asarray(effect[:, None] * (p[:, None] <= self.thresholds))


def _for_outputs(score: np.ndarray, outputs: int) -> np.ndarray:
    """Return a score (person,) as the one score of all outputs, (person, 1, output)."""
    return np.repeat(score[:, None, None], outputs, axis=2)


def _cross_validated_loss(inputs: FitInputs, score: np.ndarray, part: np.ndarray) -> float:
    """Return the loss of people whom the linear model on the score (person,) has not seen."""
    train, task = inputs.train, inputs.task
    weight, losses = task.weights(train.outcome), np.zeros(len(train))
    scores = _for_outputs(score, task.n_outputs)
    for number in np.unique(part):
        outside = part == number
        inside_outcome, outside_outcome = train.outcome.take(~outside), train.outcome.take(outside)
        output = np.zeros((int(outside.sum()), task.n_outputs))
        # A single class has no contrast to learn: the output stays 0.
        if task.fewest(inside_outcome):
            coefficients, slopes, intercept = fit_scores(
                task, train.covariates[~outside], inside_outcome, scores[~outside]
            )
            output = intercept + train.covariates[outside] @ coefficients
            output += np.einsum("nso,s->no", scores[outside], slopes)
        losses[outside] = task.losses(output, outside_outcome)
    return float((weight * losses).sum() / weight.sum())

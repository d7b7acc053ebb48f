"""The dosage of one locus with the covariates: what is known without any new method."""

from __future__ import annotations

import numpy as np

from gendmr.config.methods.locus import LocusMethod
from gendmr.config.training import MethodOptions
from gendmr.errors import first_few
from gendmr.methods.additive import FittedAdditive, fit_scores, note_missing, only_epoch
from gendmr.methods.base import FitInputs, Progress, SequentialFits
from gendmr.statistics.association import score_test

NAME = "snp"


def build(options: MethodOptions) -> Locus:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, LocusMethod):
        raise TypeError(f"options of {method.kind}, not of locus")
    return Locus(method)


class Locus(SequentialFits):
    """The linear model of the task on covariates, components and one locus.

    The locus is the SNP of the interval with the smallest p-value (score test with covariates and
    components) in the training people, or the SNPs that are named. Classes are weighted equally; a
    missing genotype is the training mean.
    """

    def __init__(self, options: LocusMethod) -> None:
        self.options = options

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedAdditive:
        """Fit on the training people; see `Method.fit`. It draws nothing at random."""
        train, preparation, task = inputs.train, inputs.preparation, inputs.task
        notes: list[str] = []
        columns = self._columns(inputs, notes)
        if columns.size:
            notes += note_missing(train, (NAME,), "it adds nothing to their score")
        else:
            notes.append("The score is that of the covariates alone.")
        dosage = preparation.design(train, NAME)[:, columns, 0]
        features = np.column_stack([train.covariates, dosage])
        no_scores = np.zeros((len(train), 0, task.n_outputs))
        coefficients, _, intercept = fit_scores(task, features, train.outcome, no_scores)
        count = train.covariates.shape[1]
        snp = np.zeros((len(preparation.instances(NAME)), 1, task.n_outputs))
        snp[columns, 0] = coefficients[count:]
        fitted = FittedAdditive(
            preparation=preparation,
            intercept=intercept,
            covariates=coefficients[:count],
            coefficients={NAME: snp},
            notes=notes,
        )
        fitted.history = only_epoch(fitted, inputs)
        progress(f"{columns.size} SNPs of {len(snp)} in the locus, {len(train)} people")
        return fitted

    def _columns(self, inputs: FitInputs, notes: list[str]) -> np.ndarray:
        """Return the columns of the SNPs that enter; says which in `notes`."""
        train = inputs.train
        names = inputs.preparation.instances(NAME)["snp"].to_numpy(dtype=object)
        if self.options.snps:
            absent = [name for name in self.options.snps if name not in set(names)]
            if absent:
                notes.append(
                    f"{len(absent)} of {len(self.options.snps)} named SNPs are not in the cohort,"
                    f" excluded, or do not vary in the training people: {first_few(absent)}."
                )
            return np.arange(len(names))
        if not len(names):
            notes.append(f"No SNP of {self.options.interval} can be used.")
            return np.zeros(0, dtype=np.int64)
        typed = train.present[NAME]
        covariates = train.covariates[typed]
        phenotypes = inputs.task.phenotypes(train.outcome.take(typed), covariates)
        z, _ = score_test(train.values[NAME][typed], phenotypes, covariates)
        if not z.any():
            notes.append(
                f"No SNP of {self.options.interval} can be tested: beyond the covariates, nothing"
                f" varies among the {int(typed.sum())} training people with genotypes."
            )
            return np.zeros(0, dtype=np.int64)
        strength = np.abs(z).max(axis=1)
        best = int(strength.argmax())
        largest = z[best, int(np.abs(z[best]).argmax())]
        notes.append(
            f"{names[best]} has the smallest p-value of {len(names)} SNPs of"
            f" {self.options.interval} in the training people (z {largest:.2f})."
        )
        return np.array([best])

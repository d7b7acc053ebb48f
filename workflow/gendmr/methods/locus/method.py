"""The dosage of one locus beside the covariates, by logistic regression; no torch.

What is known of APOE predicts Alzheimer's disease without any new method: a method that sees the
locus has to do better than this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gendmr.config.methods import LocusMethod
from gendmr.config.training import MethodOptions
from gendmr.errors import first_few
from gendmr.methods.additive import FittedAdditive, logistic, note_missing, only_epoch, standardise
from gendmr.methods.base import OneByOne, Progress
from gendmr.statistics.association import score_test
from gendmr.preprocessing.preparation import People, Preparation

if TYPE_CHECKING:
    from gendmr.engine.checkpoint import Checkpoint


def build(options: MethodOptions) -> Locus:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, LocusMethod):
        raise TypeError(f"options of {method.kind}, not of locus")
    return Locus(method)


class Locus(OneByOne):
    """Logistic regression of the diagnosis on covariates, components and one locus.

    The locus is the SNP of the interval with the smallest p-value (score test with covariates and
    components) in the training people, or the SNPs that are named. Classes are weighted equally; a
    missing genotype is the training mean.
    """

    kind = "locus"
    task = "classification"
    modalities = frozenset({"snp", "covariates"})

    def __init__(self, options: LocusMethod) -> None:
        self.options = options

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
        """Fit on `train`; see `Method.fit`. It runs on the CPU and draws nothing at random."""
        notes: list[str] = []
        columns = self._columns(train, preparation, notes)
        if columns.size:
            notes += note_missing(train, ("snp",))
        else:
            notes.append("The score is that of the covariates alone.")
        features = np.column_stack([train.covariates, standardise(train, preparation)[:, columns]])
        y = train.diagnosis.astype(int)
        coefficients, _, intercept = logistic(features, y, np.zeros((len(y), 0)))
        count = train.covariates.shape[1]
        snp = np.zeros(len(preparation.snps))
        snp[columns] = coefficients[count:]
        fitted = FittedAdditive(
            preparation=preparation,
            intercept=intercept,
            covariates=coefficients[:count],
            snp=snp,
            notes=notes,
        )
        fitted.history = only_epoch(fitted, train, validation)
        progress(f"{columns.size} SNPs of {len(snp)} in the locus, {len(train)} people")
        return fitted

    def _columns(self, train: People, preparation: Preparation, notes: list[str]) -> np.ndarray:
        """Return the columns of the SNPs that enter; says which in `notes`."""
        names = preparation.snps["snp"].to_numpy(dtype=str)
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
        typed = train.has_snp
        z, _ = score_test(train.dosage[typed], train.diagnosis[typed], train.covariates[typed])
        if not z.any():
            notes.append(
                f"No SNP of {self.options.interval} can be tested: beyond the covariates, nothing"
                f" varies among the {int(typed.sum())} training people with genotypes."
            )
            return np.zeros(0, dtype=np.int64)
        best = int(np.abs(z[:, 0]).argmax())
        notes.append(
            f"{names[best]} has the smallest p-value of {len(names)} SNPs of"
            f" {self.options.interval} in the training people (z {z[best, 0]:.2f})."
        )
        return np.array([best])

"""Each method against one reference in the same folds, and among people with the same modalities.

An interval that includes 0 is a tie: the folds do not say which of the two is better. Intervals are
not corrected for the number of methods that are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gendmr.errors import ConfigurationError, InputFileError, first_few
from gendmr.report.performance import SHOWN, finite
from gendmr.report.schema import Comparison, Difference, MethodSummary
from gendmr.training.metrics import nadeau_bengio

PREFERRED_KIND = "gendmr"
REFERENCE = "reference"
HIGHER = "higher"
LOWER = "lower"
TIED = "interval includes 0"
NOT_COMPUTED = "not computed: fewer than 2 folds with both"


def reference_method(methods: Sequence[MethodSummary], configured: str | None) -> str:
    """Return the method that the others are compared with.

    Parameters
    ----------
    methods : sequence of MethodSummary
        In the order of the configuration.
    configured : str, optional
        `report.reference`; absent: the first of kind `gendmr`, else the first.

    Raises
    ------
    ConfigurationError
        The configured method is not among them.
    """
    names = [method.method for method in methods]
    if configured is None:
        preferred = [method.method for method in methods if method.kind == PREFERRED_KIND]
        return (preferred or names)[0]
    if configured not in names:
        raise ConfigurationError(
            f"report.reference = {configured!r}: no such method; there are {first_few(names, 30)}",
            next_step="name one of these, or leave report.reference out",
        )
    return configured


def check_same_people(methods: Sequence[MethodSummary]) -> None:
    """Refuse methods that were judged on different people.

    Raises
    ------
    InputFileError
        Two methods held out other people, or other diagnoses, in a fold that both have.
    """
    first: dict[tuple[int, int], tuple[str, str]] = {}
    for method in methods:
        for fold, digest in method.people.items():
            name, expected = first.setdefault(fold, (method.method, digest))
            if digest != expected:
                raise InputFileError(
                    f"repeat {fold[0]}, fold {fold[1]}: {method.method} and {name} were judged"
                    " on different people",
                    cause="one of them was trained before the folds or the cohort changed",
                    next_step="run `snakemake --cores 2 training` for all methods, then again",
                )


def difference(method: MethodSummary, reference: MethodSummary) -> Difference:
    """Return AUC of `method` minus that of `reference` over the folds that both have.

    The 95 % interval is that of the corrected resampled t test (Nadeau & Bengio 2003, Machine
    Learning 52:239): the variance of the mean of J paired differences is
    ``(1/J + n_test/n_train) s^2``, t with J - 1 degrees of freedom.

    Returns
    -------
    Difference
        With the verdict `HIGHER`, `LOWER`, `TIED` or `NOT_COMPUTED`.
    """
    other = {(row.repeat, row.fold): row.auc for row in reference.auc_of_folds}
    pairs = [
        (row, row.auc - auc)
        for row in method.auc_of_folds
        if row.auc is not None and (auc := other.get((row.repeat, row.fold))) is not None
    ]
    deltas = np.array([delta for _, delta in pairs], dtype=np.float64)
    shares = [row.n_held_out / row.n_train for row, _ in pairs]
    bounds = nadeau_bengio(deltas, float(np.mean(shares)) if shares else 0.0)
    mean, low, high = (finite(value) for value in bounds)
    return Difference(mean, low, high, folds=len(pairs), verdict=_verdict(low, high))


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NOT_COMPUTED
    if low > 0:
        return HIGHER
    return LOWER if high < 0 else TIED


def compare(
    methods: Sequence[MethodSummary], reference: str
) -> tuple[list[MethodSummary], Comparison]:
    """Return the methods with their differences from the reference, and what is said of all."""
    chosen = next(method for method in methods if method.method == reference)
    itself = Difference(None, None, None, folds=None, verdict=REFERENCE)
    compared = [
        replace(method, difference=itself if method is chosen else difference(method, chosen))
        for method in methods
    ]
    verdicts = Counter(method.paired.verdict for method in compared)
    return compared, Comparison(
        reference=reference,
        order=[method.method for method in by_auc(methods)],
        verdicts={
            "higher": verdicts[HIGHER],
            "lower": verdicts[LOWER],
            "tied": verdicts[TIED],
            "not_computed": verdicts[NOT_COMPUTED],
        },
        folds=max(len(method.auc_of_folds) for method in methods),
    )


def by_auc(methods: Sequence[MethodSummary]) -> list[MethodSummary]:
    """Return methods by mean AUC, best first; those without one last, ties as they came."""
    return sorted(methods, key=lambda method: -(method.auc.mean or 0.0))


def comparison_table(methods: Sequence[MethodSummary]) -> pd.DataFrame:
    """Return `report/comparison.tsv`: one row per method, best first.

    AUC with its interval over folds and pooled over people, means over folds of the other metrics,
    and the paired difference from the reference with its interval and verdict.
    """
    rows = []
    for method in by_auc(methods):
        auc, paired = method.auc, method.paired
        rows.append(
            {
                "method": method.method,
                "kind": method.kind,
                "reads": ",".join(method.reads),
                "exclude": ",".join(method.exclude),
                "folds": sum(row.auc is not None for row in method.auc_of_folds),
                "auc": auc.mean,
                "auc_low": auc.low,
                "auc_high": auc.high,
                "auc_pooled": auc.pooled,
                "auc_pooled_low": auc.pooled_low,
                "auc_pooled_high": auc.pooled_high,
                **{name: method.mean_of(name) for name in SHOWN if name != "auc"},
                "difference": paired.mean,
                "difference_low": paired.low,
                "difference_high": paired.high,
                "difference_folds": paired.folds,
                "verdict": paired.verdict,
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"difference_folds": "Int64"})


def modality_table(methods: Sequence[MethodSummary]) -> pd.DataFrame:
    """Return `report/by_modality.tsv`: pooled AUC by method and by what is present of a person."""
    return pd.DataFrame(
        [{"method": method.method, **row} for method in methods for row in method.by_modality]
    ).rename(columns={"n": "people"})

"""Methods of an outcome against one reference in the same folds, and by what is known of a person.

An interval that includes 0 is a tie: the folds do not say which of the two is better. Intervals are
not corrected for the number of methods that are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import ConfigurationError, InputFileError, first_few
from gendmr.report.method_schema import Comparison, Difference, MethodSummary
from gendmr.report.numbers import finite
from gendmr.report.schema import StudySummary
from gendmr.statistics.intervals import nadeau_bengio

REFERENCE = "reference"
HIGHER = "better"
LOWER = "worse"
TIED = "interval includes 0"
NOT_COMPUTED = "not computed: fewer than 2 folds with both"


def check_reference(methods: Sequence[MethodSummary], configured: str | None) -> None:
    """Refuse a reference that is no method of the study.

    Raises
    ------
    ConfigurationError
        The configured method is not among them.
    """
    names = [method.method for method in methods]
    if configured is not None and configured not in names:
        raise ConfigurationError(
            f"report.reference = {configured!r}: no such method; there are {first_few(names, 30)}",
            next_step="name one of these, or leave report.reference out",
        )


def reference_method(
    methods: Sequence[MethodSummary], configured: str | None, ranked: Sequence[str]
) -> str:
    """Return the method that the others of an outcome are compared with.

    Parameters
    ----------
    methods : sequence of MethodSummary
        Those of the outcome, in the order of the configuration.
    configured : str, optional
        `report.reference`; counts where it is one of them.
    ranked : sequence of str
        Methods with attributions: the first of them, where none is configured.
    """
    names = [method.method for method in methods]
    if configured in names:
        return str(configured)
    return next((name for name in names if name in ranked), names[0])


def check_same_people(methods: Sequence[MethodSummary]) -> None:
    """Refuse methods of an outcome that were judged on different people.

    Raises
    ------
    InputFileError
        Two methods held out other people, or other outcomes, in a fold that both have.
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
                    next_step="snakemake --cores 2 training --configfile CONFIG",
                )


def difference(method: MethodSummary, reference: MethodSummary) -> Difference:
    """Return how much better a method is than its reference, over the folds that both have.

    Above 0 the method is better: for a metric of which lower is better, the sign is turned. The
    95 % interval is that of the corrected resampled t test (Nadeau & Bengio 2003, Machine
    Learning 52:239): the variance of the mean of J paired differences is
    ``(1/J + n_test/n_train) s^2``, t with J - 1 degrees of freedom.

    Returns
    -------
    Difference
        With the verdict `HIGHER`, `LOWER`, `TIED` or `NOT_COMPUTED`.
    """
    reference_value_of = {(row.repeat, row.fold): row.value for row in reference.primary_of_folds}
    pairs = [
        (row, method.primary.sign * (row.value - value))
        for row in method.primary_of_folds
        if row.value is not None
        and (value := reference_value_of.get((row.repeat, row.fold))) is not None
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
    """Return methods of an outcome with their differences from the reference, and the whole."""
    reference_summary = next(method for method in methods if method.method == reference)
    itself = Difference(None, None, None, folds=None, verdict=REFERENCE)
    compared = [
        replace(
            method,
            difference=itself
            if method is reference_summary
            else difference(method, reference_summary),
        )
        for method in methods
    ]
    verdicts = Counter(method.paired.verdict for method in compared)
    return compared, Comparison(
        reference=reference,
        order=[method.method for method in best_first(methods)],
        verdicts={
            "higher": verdicts[HIGHER],
            "lower": verdicts[LOWER],
            "tied": verdicts[TIED],
            "not_computed": verdicts[NOT_COMPUTED],
        },
        folds=max(len(method.primary_of_folds) for method in methods),
    )


def best_first(methods: Sequence[MethodSummary]) -> list[MethodSummary]:
    """Return methods of an outcome by their mean primary metric, best first.

    Those without one come last, ties as they came.
    """

    def place(method: MethodSummary) -> tuple[bool, float]:
        mean = method.estimate.mean
        return mean is None, 0.0 if mean is None else -method.primary.sign * mean

    return sorted(methods, key=place)


def comparison_table(summary: StudySummary) -> pd.DataFrame:
    """Return `report/comparison.tsv`: one row per method, by outcome, best first.

    The primary metric with its interval over folds and pooled over people, the paired difference
    from the reference with its interval and verdict (above 0: better than the reference), and means
    over folds of all other metrics.
    """
    further_metrics = list(
        dict.fromkeys(metric.name for outcome in summary.outcomes for metric in outcome.metrics[1:])
    )
    rows = []
    for outcome in summary.outcomes:
        for method in summary.learners(outcome.name):
            estimate, paired = method.estimate, method.paired
            rows.append(
                {
                    "outcome": outcome.name,
                    "method": method.method,
                    "kind": method.kind,
                    "reads": ",".join(method.reads),
                    "exclude": ",".join(method.exclude),
                    "metric": method.primary.name,
                    "better": method.primary.better,
                    "folds": sum(row.value is not None for row in method.primary_of_folds),
                    "mean": estimate.mean,
                    "low": estimate.low,
                    "high": estimate.high,
                    "pooled": estimate.pooled,
                    "pooled_low": estimate.pooled_low,
                    "pooled_high": estimate.pooled_high,
                    "difference": paired.mean,
                    "difference_low": paired.low,
                    "difference_high": paired.high,
                    "difference_folds": paired.folds,
                    "verdict": paired.verdict,
                    **{name: method.mean_of(name) for name in further_metrics},
                }
            )
    return pd.DataFrame(rows).astype({"difference_folds": "Int64"})


def group_row(method: MethodSummary, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table by group of people: what the method reaches in one group."""
    names = {"outcome": method.outcome, "method": method.method, "metric": method.primary.name}
    return {**names, **row, "people": row["n"]}


def modality_table(methods: Sequence[MethodSummary]) -> pd.DataFrame:
    """Return `report/by_modality.tsv`: pooled primary metric by what is present of a person."""
    columns = [
        "outcome", "method", "modalities", "people", "groups", "metric", "value", "low", "high",
        "note",
    ]  # fmt: skip
    rows = [group_row(method, row) for method in methods for row in method.by_modality]
    return pd.DataFrame(rows, columns=columns)

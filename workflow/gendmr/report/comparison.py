"""Each method against one reference in the same folds, and among people with the same modalities.

An interval that includes 0 is a tie: the folds do not say which of the two is better. Intervals are
not corrected for the number of methods that are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import ConfigurationError, InputFileError, first_few
from gendmr.report.performance import SHOWN, finite
from gendmr.training.metrics import nadeau_bengio

PREFERRED_KIND = "gendmr"
REFERENCE = "reference"
HIGHER = "higher"
LOWER = "lower"
TIED = "interval includes 0"
NOT_COMPUTED = "not computed: fewer than 2 folds with both"


def reference_method(methods: Sequence[dict[str, Any]], configured: str | None) -> str:
    """Return the method that the others are compared with.

    Parameters
    ----------
    methods : sequence of dict
        What `gendmr.report.performance.method_summary` returns, in the order of the configuration.
    configured : str, optional
        `report.reference`; absent: the first of kind `gendmr`, else the first.

    Raises
    ------
    ConfigurationError
        The configured method is not among them.
    """
    names = [method["method"] for method in methods]
    if configured is None:
        preferred = [method["method"] for method in methods if method["kind"] == PREFERRED_KIND]
        return str((preferred or names)[0])
    if configured not in names:
        raise ConfigurationError(
            f"report.reference = {configured!r}: no such method; there are {first_few(names, 30)}",
            next_step="name one of these, or leave report.reference out",
        )
    return configured


def check_same_people(methods: Sequence[dict[str, Any]]) -> None:
    """Refuse methods that were judged on different people.

    Raises
    ------
    InputFileError
        Two methods held out other people, or other diagnoses, in a fold that both have.
    """
    first: dict[tuple[int, int], tuple[str, str]] = {}
    for method in methods:
        for fold, digest in method["people"].items():
            name, expected = first.setdefault(fold, (method["method"], digest))
            if digest != expected:
                raise InputFileError(
                    f"repeat {fold[0]}, fold {fold[1]}: {method['method']} and {name} were judged"
                    " on different people",
                    cause="one of them was trained before the folds or the cohort changed",
                    next_step="run `snakemake --cores 2 training` for all methods, then again",
                )


def difference(method: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """Return AUC of `method` minus that of `reference` over the folds that both have.

    The 95 % interval is that of the corrected resampled t test (Nadeau & Bengio 2003, Machine
    Learning 52:239): the variance of the mean of J paired differences is
    ``(1/J + n_test/n_train) s^2``, t with J - 1 degrees of freedom.

    Returns
    -------
    dict
        ``mean``, ``low``, ``high`` (None where there is none), ``folds`` (J) and ``verdict``:
        `HIGHER`, `LOWER`, `TIED` or `NOT_COMPUTED`.
    """
    other = {(row["repeat"], row["fold"]): row["auc"] for row in reference["auc_of_folds"]}
    pairs = [
        (row, auc)
        for row in method["auc_of_folds"]
        if row["auc"] is not None and (auc := other.get((row["repeat"], row["fold"]))) is not None
    ]
    deltas = np.array([row["auc"] - auc for row, auc in pairs], dtype=np.float64)
    shares = [row["n_held_out"] / row["n_train"] for row, _ in pairs]
    mean, low, high = nadeau_bengio(deltas, float(np.mean(shares)) if shares else 0.0)
    found = {"mean": finite(mean), "low": finite(low), "high": finite(high), "folds": len(pairs)}
    return {**found, "verdict": _verdict(found)}


def _verdict(found: dict[str, Any]) -> str:
    if found["low"] is None or found["high"] is None:
        return NOT_COMPUTED
    if found["low"] > 0:
        return HIGHER
    return LOWER if found["high"] < 0 else TIED


def compare(methods: Sequence[dict[str, Any]], reference: str) -> dict[str, Any]:
    """Give each method its ``difference`` from the reference; return what the page says of all.

    Returns
    -------
    dict
        ``reference``; ``order``, the methods by mean AUC, best first; ``verdicts``, how many
        methods have each verdict; ``folds``, the largest number of folds of a method.
    """
    chosen = next(method for method in methods if method["method"] == reference)
    for method in methods:
        method["difference"] = (
            {"mean": None, "low": None, "high": None, "folds": None, "verdict": REFERENCE}
            if method is chosen
            else difference(method, chosen)
        )
    verdicts = Counter(method["difference"]["verdict"] for method in methods)
    return {
        "reference": reference,
        "order": [method["method"] for method in by_auc(methods)],
        "verdicts": {
            "higher": verdicts[HIGHER],
            "lower": verdicts[LOWER],
            "tied": verdicts[TIED],
            "not_computed": verdicts[NOT_COMPUTED],
        },
        "folds": max(len(method["auc_of_folds"]) for method in methods),
    }


def by_auc(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return methods by mean AUC, best first; those without one last, ties as they came."""
    return sorted(methods, key=lambda method: -(mean_auc(method) or 0.0))


def mean_auc(method: dict[str, Any]) -> float | None:
    """Return the mean AUC over folds."""
    mean: float | None = method["metrics"].get("auc", {}).get("mean")
    return mean


def comparison_table(methods: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return `report/comparison.tsv`: one row per method, best first.

    AUC with its interval over folds and pooled over people, means over folds of the other metrics,
    and the paired difference from the reference with its interval and verdict.
    """
    rows = []
    for method in by_auc(methods):
        metrics, delta = method["metrics"], method["difference"]
        auc = metrics.get("auc", {})
        rows.append(
            {
                "method": method["method"],
                "kind": method["kind"],
                "reads": ",".join(method["reads"]),
                "exclude": ",".join(method["exclude"]),
                "folds": sum(row["auc"] is not None for row in method["auc_of_folds"]),
                "auc": auc.get("mean"),
                "auc_low": auc.get("low"),
                "auc_high": auc.get("high"),
                "auc_pooled": auc.get("pooled"),
                "auc_pooled_low": auc.get("pooled_low"),
                "auc_pooled_high": auc.get("pooled_high"),
                **{name: metrics.get(name, {}).get("mean") for name in SHOWN if name != "auc"},
                "difference": delta["mean"],
                "difference_low": delta["low"],
                "difference_high": delta["high"],
                "difference_folds": delta["folds"],
                "verdict": delta["verdict"],
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"difference_folds": "Int64"})


def modality_table(methods: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return `report/by_modality.tsv`: pooled AUC by method and by what is present of a person."""
    return pd.DataFrame(
        [{"method": method["method"], **row} for method in methods for row in method["by_modality"]]
    ).rename(columns={"n": "people"})

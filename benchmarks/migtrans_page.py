"""The generated part of docs/explanation/migtrans.md, from the table that migtrans.py wrote."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t

from planted_page import markdown, mean_with_error

MAIN = "migtrans"
FOUND = ("network_pairs", "regions", "genes")  # columns that count what was planted
# What stands in the study without a part, or with one more, and what it is held against.
ABLATIONS = {
    "network-alone": (
        *("image-first", "one-token", "no-feed-forward", "all-present", "autoencoder"),
        *("pretrained", "auxiliary", "smoothed", "three-seeds"),
    ),
    "maps-alone": ("squeeze", "no-gate"),
}
HELD_OUT = 0.25  # held-out people per training person, in five folds
SEVERAL = 4  # cohorts from which on intervals are over cohorts


def generated(table: pd.DataFrame) -> str:
    """Return the tables of the page: true diagnoses, ablations, permuted diagnoses."""
    true, permuted = (table[table["permuted"] == number] for number in (0, 1))
    parts = []
    ablated = {name for names in ABLATIONS.values() for name in names} | {"maps-alone"}
    if len(rows := true[~true["method"].isin(ablated)]):
        parts += ["### True diagnoses", section(rows, MAIN)]
    for against, names in ABLATIONS.items():
        rows = true[true["method"].isin([against, *names])]
        if rows["method"].nunique() > 1:
            parts += [f"### Parts: against `{against}`", section(rows, against)]
    if len(permuted):
        parts += ["### Permuted diagnoses", section(permuted, MAIN)]
    return "\n\n".join(parts) or "No cohort has been run yet."


def section(rows: pd.DataFrame, main: str) -> str:
    """Return a row per method: AUC, how much better the main one is in the same folds, and more."""
    mean = rows.groupby("method")["auc"].mean().sort_values(ascending=False)
    lines = []
    for name in mean.index:
        method_rows = rows[rows["method"] == name]
        numbers = [
            "–" if method_rows[column].isna().all() else f"{method_rows[column].mean():.{digits}f}"
            for column, digits in {"share": 2, **dict.fromkeys(FOUND, 1)}.items()
        ]
        lines.append(
            [
                f"**{name}**" if name == main else str(name),
                str(len(method_rows)),
                mean_with_error(method_rows["auc"], 3),
                "" if name == main else gain(rows, main, str(name)),
                *numbers,
                f"{method_rows['seconds'].mean():.0f}",
            ]
        )
    head = [
        *("method", "cohorts", "AUC", f"{main} is better by (95 % interval)", "network counts"),
        *("pairs", "regions", "genes", "processor s"),
    ]
    return markdown(head, lines)


def gain(rows: pd.DataFrame, main: str, other: str) -> str:
    """Return by how much a method's AUC is above another's, with the 95 % interval.

    Over four cohorts or more the t interval of the cohorts' differences. Over fewer that of folds,
    whose training sets overlap: the variance of a cohort's mean is (1 / J + test / train) times
    that over its J folds (Nadeau & Bengio 2003), and cohorts are independent.
    """
    pairs = [
        rows[rows["method"] == name].set_index("cohort")["auc_by_fold"] for name in (main, other)
    ]
    differences = [
        np.subtract(*(np.array(by_cohort.loc[cohort].split(), dtype=float) for by_cohort in pairs))
        for cohort in pairs[0].index.intersection(pairs[1].index)
    ]
    if not differences:
        return ""
    means, count = np.array([difference.mean() for difference in differences]), len(differences)
    if count >= SEVERAL:
        error, freedom = means.std(ddof=1) / np.sqrt(count), count - 1
    else:
        variances = [
            (1 / difference.size + HELD_OUT) * difference.var(ddof=1) for difference in differences
        ]
        error, freedom = (
            np.sqrt(sum(variances)) / count,
            sum(difference.size - 1 for difference in differences),
        )
    half = float(t.ppf(0.975, freedom)) * error
    text = f"{means.mean() + 0.0:+.3f} ({means.mean() - half:+.3f} to {means.mean() + half:+.3f})"
    return text.replace("-", "−")

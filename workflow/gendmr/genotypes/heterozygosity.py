"""Heterozygosity against what ancestry predicts, so that admixture is not taken for contamination.

A population with less variation, and a person of several populations, have another F coefficient
than the rest of a cohort through no fault of their samples.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.genotypes.people_step import PeopleStep
from gendmr.genotypes.plink import read_report, read_scores, write_names
from gendmr.statistics.clusters import separate_groups
from gendmr.statistics.leave_one_out import (
    FEWEST_ROWS,
    in_robust_sds,
    leave_one_out,
    quadratic,
    shared_components,
)

COMPONENTS = 4
FEWEST = 3
MANY_PEOPLE = 5000  # above it PLINK's randomised algorithm (Galinsky et al. 2016) is needed


def check_heterozygosity(step: PeopleStep) -> pd.DataFrame:
    """Flag people whose F coefficient lies far from what the components of the others predict.

    F is regressed on ancestry components, their squares and products; who is judged does not take
    part in the fit. A component that sets few people apart is none of ancestry. As many components
    enter as leave 20 people per column; where that is none, people are compared with the median of
    their own ancestry group.

    Parameters
    ----------
    step : PeopleStep
        Receives the removals and notes.

    Returns
    -------
    DataFrame
        By IID: `f`, and `residual` in robust SDs; empty where nothing could be computed.
    """
    section, work, notes = step.section, step.work, step.notes
    empty = pd.DataFrame({"f": [], "residual": []}, dtype=float)
    names = step.pruned_on("autosomes")
    if not names:
        if step.pruned:
            notes.append("heterozygosity not checked: no variant on an autosome")
        return empty
    write_names(work / "autosomes.txt", names)
    small_sample = ["small-sample"] if step.few else []
    step.run("2", ["--extract", "autosomes.txt", "--het", *small_sample], "het", names)
    f = read_report(work / "het.het", {"IID": "str", "F": "float64"}).set_index("IID")["F"].dropna()
    if len(f) < FEWEST or float(f.std()) == 0:
        notes.append("heterozygosity not checked: fewer than three people")
        return pd.DataFrame({"f": f, "residual": np.nan})
    design, groups = _ancestry(step, f.index, names)
    values = f.to_numpy()
    if design.shape[1] > 1:
        residual = leave_one_out(values, design)
    else:
        medians = _medians(values, groups)
        residual = in_robust_sds(values - medians)
    table = pd.DataFrame({"f": values, "residual": residual}, index=f.index)
    limit = section.heterozygosity_sd
    for side, reason in ((-1, "too heterozygous"), (1, "too homozygous")):
        outside = table[side * table["residual"] > limit]["residual"]
        step.removals.add(
            outside.index, "heterozygosity", reason, outside, f"{side * limit:g} robust SD"
        )
    unjudged = int(table["residual"].isna().sum())
    if unjudged:
        notes.append(
            f"heterozygosity of {unjudged} people could not be judged: nobody has an ancestry near"
            " theirs"
        )
    return table


def _medians(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the median of each person's group, or of everybody where a group is small."""
    medians = np.full(len(values), np.median(values))
    for group in np.unique(groups):
        members = groups == group
        if members.sum() >= FEWEST_ROWS:
            medians[members] = np.median(values[members])
    return medians


def _ancestry(
    step: PeopleStep, people: pd.Index, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns on which F is regressed and the ancestry group of each person."""
    intercept_only = np.ones((len(people), 1)), np.zeros(len(people), dtype=np.int64)
    count = min(COMPONENTS, len(people) - 1, len(names) - 1)
    if count < 2:
        return intercept_only
    limit = step.section.component_variants
    sampled = [names[int(row)] for row in np.unique(np.linspace(0, len(names) - 1, limit).round())]
    write_names(step.work / "ancestry.txt", sampled)
    approximate = ["approx"] if len(people) > MANY_PEOPLE else []
    step.run(
        "2",
        ["--extract", "ancestry.txt", "--pca", str(count), *approximate, "--seed", "1"],
        "ancestry",
        sampled,
    )
    iids, scores = read_scores(step.work / "ancestry.eigenvec")
    scores = pd.DataFrame(scores, index=iids).reindex(people).to_numpy()
    if not np.isfinite(scores).all():
        return intercept_only
    scores = shared_components(scores)
    design = quadratic(scores)
    if design.shape[1] > 1:
        return design, intercept_only[1]
    return design, separate_groups(scores[:, :2], lambda groups: groups)

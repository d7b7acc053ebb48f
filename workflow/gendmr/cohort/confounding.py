"""Covariates that tell an outcome: what is found may then be of them, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.config.cohort import CohortSection
from gendmr.errors import OutcomeError, first_few
from gendmr.files.tables import MISSING
from gendmr.tasks.base import Outcome, Task

# Share of the outcome's variance: two classes that a label tells with 80 of 100 people right.
EXPLAINED = 0.35
PARTS = 5  # of the cross-validation
PENALTY = 1.0
BINS = 5
MOST_LEVELS = 0.5  # more levels than this share of people are labels of single people
MOST_PEOPLE = 3000  # looked at, evenly spread: enough to see what nearly tells an outcome
UNLIKELY = 0.001  # that all people of a level are of one group by chance


@dataclass(frozen=True)
class Confounder:
    """A covariate, or all of them together, that tells an outcome.

    Parameters
    ----------
    outcome : str
        Its label.
    covariates : tuple of str
    share : float
        Of the outcome's variance that they explain alone, in people who were left out of the fit.
    people : int
    """

    outcome: str
    covariates: tuple[str, ...]
    share: float
    people: int

    def __str__(self) -> str:
        """Return the warning."""
        names = " and ".join((", ".join(self.covariates[:-1]), self.covariates[-1])).removeprefix(
            " and "
        )
        return (
            f"{names} alone {'tells' if len(self.covariates) == 1 else 'tell'} {self.outcome}"
            f" ({self.share:.0%} of it in {self.people} people, cross-validated): whatever differs"
            f" with {names} looks like {self.outcome}, and no method, ranking or p-value of this"
            " study can hold the two apart."
        )


def confounding_warnings(table: pd.DataFrame, options: CohortSection) -> list[str]:
    """Return warnings of covariates that tell an outcome, the clearest first.

    Each column of `cohort.covariates`, `group_by` and `fold_by` predicts each outcome alone, by a
    linear regression of `Task.response`, in people who were left out of the fit; what is missing
    is a level like others, since it may be missing in patients only. Where none tells it alone,
    all of `cohort.covariates` together do it. A level all of whose people are of one group is told
    too.

    Parameters
    ----------
    table : DataFrame
        `participant_id`, columns of the outcomes and covariates (numbers, or labels with `n/a`).
    options : CohortSection
    """
    texts = table.astype(object).where(table.notna(), MISSING).astype(str)
    confounders: list[Confounder] = []
    levels: list[str] = []
    for task in tasks_of(options).values():
        outcome: Outcome = read_outcome(texts, task, options.participants)
        people = np.flatnonzero(outcome.known)
        people = people[:: -(-max(len(people), 1) // MOST_PEOPLE)]
        if not len(people):
            continue
        outcome, rows = outcome.take(people), table.iloc[people]
        designs = {
            name: _design(rows[name], categorical) for name, categorical in _columns(rows, options)
        }
        outcome_confounders = list(
            _tell({(name,): design for name, design in designs.items()}, outcome, task)
        )
        covariates = tuple(name for name in options.covariates if name in designs)
        if not outcome_confounders and len(covariates) > 1:
            all_covariates = np.hstack([designs[name] for name in covariates])
            outcome_confounders = list(_tell({covariates: all_covariates}, outcome, task))
        confounders += outcome_confounders
        named_covariates = {
            name for confounder in outcome_confounders for name in confounder.covariates
        }
        for name, categorical in _columns(rows, options):
            if categorical and name not in named_covariates:
                levels += _pure_levels(rows[name], name, task.groups(outcome), task.label)
    confounders.sort(key=lambda confounder: -confounder.share)
    return [*map(str, confounders), *levels]


def _columns(rows: pd.DataFrame, options: CohortSection) -> Iterator[tuple[str, bool]]:
    """Yield the columns that may confound, and whether they are labels."""
    names = [*options.covariates, options.group_by, options.fold_by]
    for name in dict.fromkeys(name for name in names if name is not None and name in rows):
        categorical = name in options.categorical or name not in options.covariates
        if not categorical or rows[name].nunique() <= MOST_LEVELS * len(rows):
            yield name, categorical


def _design(values: pd.Series, categorical: bool) -> np.ndarray:
    """Return indicators of levels, or a number with indicators of its fifths (person, column)."""
    if categorical:
        return pd.get_dummies(values.fillna(MISSING).astype(str)).to_numpy(dtype=np.float64)
    number = pd.to_numeric(values).to_numpy(dtype=np.float64)
    missing = ~np.isfinite(number)
    if missing.all():
        return np.zeros((len(number), 1))
    cuts = np.quantile(number[~missing], np.linspace(0, 1, BINS + 1)[1:-1])
    fifth = np.where(missing, BINS, np.searchsorted(cuts, np.where(missing, 0, number)))
    filled = np.where(missing, number[~missing].mean(), number)
    return np.column_stack([filled, fifth[:, None] == np.arange(BINS + 1)]).astype(np.float64)


def _tell(
    designs: dict[tuple[str, ...], np.ndarray], outcome: Outcome, task: Task
) -> Iterator[Confounder]:
    """Yield the designs that predict an outcome nearly perfectly."""
    for names, design in designs.items():
        share = _explained(design, outcome, task)
        if share >= EXPLAINED:
            yield Confounder(task.label, names, share, len(outcome))


def _explained(design: np.ndarray, outcome: Outcome, task: Task) -> float:
    """Return the share of the outcome that a design explains in people left out; 0 for too few.

    Of several phenotypes (one a class) the largest share counts.
    """
    parts = min(PARTS, task.fewest(outcome))
    if parts < 2:
        return 0.0
    try:
        response = task.fit(outcome).response(outcome)
    except OutcomeError:
        # One class only, or no event: the split of the folds says so by name.
        return 0.0
    strata = outcome.strata()
    part = np.zeros(len(outcome), dtype=int)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        # In turn: neighbours in a sorted table are not of the same part.
        part[inside] = np.arange(len(inside)) % parts
    predicted = np.zeros_like(response)
    for left_out in range(parts):
        train = part != left_out
        centre, scale = design[train].mean(axis=0), design[train].std(axis=0)
        features = (design - centre) / np.where(scale > 0, scale, np.inf)
        mean = response[train].mean(axis=0)
        gram = features[train].T @ features[train] + PENALTY * np.eye(features.shape[1])
        slope = np.linalg.solve(gram, features[train].T @ (response[train] - mean))
        predicted[~train] = mean + features[~train] @ slope
    total = ((response - response.mean(axis=0)) ** 2).sum(axis=0)
    missed = ((response - predicted) ** 2).sum(axis=0)
    return float((1 - missed / np.where(total > 0, total, np.inf))[total > 0].max(initial=0.0))


def _pure_levels(values: pd.Series, name: str, groups: np.ndarray, label: str) -> list[str]:
    """Return warnings of levels all of whose people are of one group of the outcome."""
    shares = pd.Series(groups).value_counts(normalize=True)
    texts = values.fillna(MISSING).astype(str).to_numpy()
    pure: dict[str, list[str]] = {}
    levels = np.unique(texts)
    for level in levels if len(shares) > 1 else ():
        inside = groups[texts == level]
        share = float(shares[inside[0]])
        if (inside == inside[0]).all() and share ** len(inside) < UNLIKELY / len(levels):
            pure.setdefault(str(inside[0]), []).append(f"{level} ({len(inside)} people)")
    return [
        f"{name}: everybody of {first_few(levels)} is {group}: nobody there can be compared, and"
        f" what is of {name} looks like {label}."
        for group, levels in pure.items()
    ]

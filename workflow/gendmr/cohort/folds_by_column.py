"""Folds by a column: each of its values, a site or a hospital, is held out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gendmr.cohort.assignment import assign
from gendmr.config.cohort import CohortSection
from gendmr.errors import FoldError, first_few
from gendmr.files.tables import MISSING
from gendmr.seeds import generator
from gendmr.tasks.base import Outcome, Task

TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held-out"
SET_ASIDE = "set-aside"  # kin of people of another part, in no part themselves
FEWEST = 3  # values besides the held-out one from which whole values are validated on
ORDERS = 200  # random orders of values in which validation values are looked for


def split_by_column(
    table: pd.DataFrame,
    outcomes: Mapping[str, tuple[Task, Outcome]],
    features: np.ndarray,
    values: Sequence[str],
    options: CohortSection,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Hold out each value of `cohort.fold_by` once.

    A family that has members at two values would straddle: the member of the other value is set
    aside in that fold, neither trained on nor judged. So a held-out site is all of a site, and
    nobody's kin is trained on.

    Parameters
    ----------
    table : DataFrame
        `participant_id`, `family` and the column of `fold_by`, sorted.
    outcomes : mapping of str to (Task, Outcome)
        By name.
    features : float64 (person, feature)
        What parts are balanced in.
    values : sequence of str
        Value k is held out in fold k.
    options : CohortSection
    seed : int
        Of the study.

    Returns
    -------
    splits, notes
        See `gendmr.cohort.splits.make_splits`.

    Raises
    ------
    FoldError
        A value has nobody in the cohort, or a part cannot be trained on or judged.
    """
    name = str(options.fold_by)
    column = table[name].replace("", MISSING).to_numpy(dtype=object)
    family = table["family"].to_numpy(dtype=object)
    _check_values(column, values, name)
    place = {value: k for k, value in enumerate(values)}
    fold = pd.array([place.get(value) for value in column], dtype="Int64")
    splits = pd.DataFrame(
        {"participant_id": table["participant_id"], "repeat": 0, "fold": fold, "fold_name": column}
    )
    notes, stratified, times_set_aside = [], [], 0
    for k, value in enumerate(values):
        part = np.full(len(table), TRAIN, dtype=object)
        part[column == value] = HELD_OUT
        _set_aside(part, family, HELD_OUT)
        where = f"fold {k} ({name} {value})"
        validated = _whole_values(part, column, family, features, outcomes, options, seed, k)
        if validated is None:
            stratified.append(value)
            validated = _stratified(part, column, family, features, options, seed, k)
        for task, outcome in outcomes.values():
            _check(task, outcome, validated, where, name)
        times_set_aside += int((validated == SET_ASIDE).sum())
        splits[f"inner_{k}"] = validated
    unplaced = int((column == MISSING).sum())
    if unplaced:
        notes.append(
            f"{unplaced} of {len(table)} people have no {name} (cohort.fold_by): they train in"
            " every fold and are never held out."
        )
    if stratified:
        notes.append(
            f"cohort.fold_by: the inner validation is drawn from people, not from whole values of"
            f" {name}, where {first_few(stratified)} is held out: too few other values remain, or"
            " none of them can be judged alone."
        )
    if times_set_aside:
        notes.append(
            f"cohort.fold_by: families with members at several values of {name}: in all folds"
            f" together {times_set_aside} times a person was set aside, whose kin was held out or"
            " validated on elsewhere."
        )
    return splits, notes


def _check_values(column: np.ndarray, values: Sequence[str], name: str) -> None:
    absent = sorted(set(values) - set(column))
    if absent:
        raise FoldError(
            f"cohort.fold_by: nobody of {name} {first_few(absent)} is in the cohort, so that the"
            " fold would be empty",
            cause="all of them left: see cohort/attrition.tsv",
            next_step=f"write {MISSING} for them in the column {name}",
        )
    unknown = sorted(set(column) - {*values, MISSING})
    if unknown:
        raise FoldError(
            f"cohort.fold_by: {name} has values that are no folds: {first_few(unknown)}",
            cause="participants.tsv changed after the run was planned",
            next_step="run the workflow again",
        )


def _check(task: Task, outcome: Outcome, part: np.ndarray, where: str, name: str) -> None:
    try:
        task.check_parts(outcome, part, where)
    except FoldError as error:
        raise FoldError(
            error.what,
            cause=f"few people there, or all of one kind: each value of {name} is a fold"
            f" (cohort.fold_by)",
            next_step=f"pool small values in the column {name}, or write {MISSING} for their"
            " people, who then train and are never held out",
        ) from error


def _set_aside(part: np.ndarray, family: np.ndarray, name: str) -> None:
    """Take people who train out where kin of theirs is in the part `name`."""
    kin = np.isin(family.astype(str), family[part == name].astype(str))
    part[kin & (part == TRAIN)] = SET_ASIDE


def _whole_values(
    outer: np.ndarray,
    column: np.ndarray,
    family: np.ndarray,
    features: np.ndarray,
    outcomes: Mapping[str, tuple[Task, Outcome]],
    options: CohortSection,
    seed: int,
    fold: int,
) -> np.ndarray | None:
    """Return parts in which whole values are validated on; None where that is not possible.

    Of random orders of the values, the beginning that comes nearest to the configured share in all
    features wins, among those whose parts every task accepts.
    """
    inner = outer == TRAIN
    remaining = np.array(sorted(set(column[inner]) - {MISSING}), dtype=object)
    if len(remaining) < FEWEST:
        return None
    random = generator(seed, "inner split by column", fold)
    total = features[inner].sum(axis=0)
    sums = {value: features[inner & (column == value)].sum(axis=0) for value in remaining}
    candidates: dict[frozenset[str], float] = {}
    for _ in range(ORDERS):
        order = remaining[random.permutation(len(remaining))]
        # At least two values are left to train on.
        for count in range(1, len(order) - 1):
            validated = frozenset(order[:count])
            if validated not in candidates:
                missed = sum(sums[value] for value in validated) - options.inner_validation * total
                candidates[validated] = float((missed**2 / np.maximum(total, 1)).sum())
    for validated in sorted(candidates, key=lambda values: (candidates[values], sorted(values))):
        part = outer.copy()
        part[inner & np.isin(column.astype(str), list(validated))] = VALIDATION
        _set_aside(part, family, VALIDATION)
        try:
            for task, outcome in outcomes.values():
                task.check_parts(outcome, part, "")
        except FoldError:
            continue
        return part
    return None


def _stratified(
    outer: np.ndarray,
    column: np.ndarray,
    family: np.ndarray,
    features: np.ndarray,
    options: CohortSection,
    seed: int,
    fold: int,
) -> np.ndarray:
    """Return parts in which some families of all values are validated on."""
    part = outer.copy()
    # People without a value train, unless kin of theirs that has one is validated on.
    placed = set(family[(outer == TRAIN) & (column != MISSING)])
    inner = (outer == TRAIN) & np.array([name in placed for name in family])
    if not inner.any():
        return part
    share = options.inner_validation
    assigned = assign(
        family[inner],
        features[inner],
        np.array([1 - share, share]),
        generator(seed, "inner split", 0, fold),
    )
    part[inner] = np.array([TRAIN, VALIDATION], dtype=object)[assigned]
    return part

"""Participant-level folds in which families never straddle: stratified, or by a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.assignment import assign, independent_groups
from gendmr.cohort.fold_values import fold_values
from gendmr.cohort.folds_by_column import HELD_OUT, TRAIN, VALIDATION, split_by_column
from gendmr.cohort.outcomes import read_outcome, tasks_of
from gendmr.cohort.participants import HAS
from gendmr.config.cohort import CohortSection
from gendmr.errors import TableError
from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table, write_table
from gendmr.seeds import generator
from gendmr.tasks.base import Outcome, Task

OutcomeOf = Mapping[str, tuple[Task, Outcome]]


def split_folds(
    participants: Path | str,
    options: CohortSection,
    seed: int,
    output: Path,
    values: Sequence[str] | None = None,
) -> None:
    """Write splits.tsv, and splits.json with what is to be said of it, for a cohort.

    Parameters
    ----------
    participants : Path or str
        `cohort/participants.tsv`.
    options : CohortSection
        Folds, repeats, share of the inner validation, `group_by`, `fold_by`.
    seed : int
        The study's seed.
    output : Path
        `cohort/splits.tsv`.
    values : sequence of str, optional
        With `fold_by`: its values, one fold each; without, those of the user's participants.tsv.

    Raises
    ------
    FoldError
        There are too few independent families for so many folds, or a part of a fold cannot be
        trained on or judged.
    """
    table = read_table(participants, {"participant_id": "text"}, extra=True, key="participant_id")
    if options.fold_by is not None and values is None:
        values = fold_values(options)
    splits, notes = make_splits(table, options, seed, values)
    write_table(output, splits)
    summary = {"by": options.fold_by, "values": list(values or ()), "notes": notes}
    write_json(output.with_suffix(".json"), summary)


def make_splits(
    table: pd.DataFrame,
    options: CohortSection,
    seed: int,
    values: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Split people into outer folds, and each outer training set once more.

    Families (`family`, joined with the groups of `group_by` where one is configured) are assigned
    whole. Strata are those of all outcomes x modalities present; folds are balanced in them, then
    in their margins, since images are few and a fold without an imaged case could not be judged.

    Parameters
    ----------
    table : DataFrame of text
        `participant_id`, the columns of the outcomes, `has_<modality>`, `family` and the column of
        `group_by` or `fold_by`.
    options : CohortSection
        See there.
    seed : int
        The study's seed; repeat and fold are part of what each draw is seeded with.
    values : sequence of str, optional
        Of `fold_by`, one fold each.

    Returns
    -------
    splits : DataFrame
        `participant_id`, `repeat`, `fold` in which the person is held out, and `inner_<k>` for
        each fold k: `train`, `validation` or `held-out`. With `fold_by` also `fold_name`, its value
        (both `n/a` for people without one), and `set-aside` among the parts.
    notes : list of str
        What was done differently.

    Raises
    ------
    FoldError
        Fewer independent groups than folds, or a part of a fold that no task can use.
    """
    table = table.sort_values("participant_id", kind="stable").reset_index(drop=True)
    outcomes = {
        name: (task, read_outcome(table, task, "participants.tsv"))
        for name, task in tasks_of(options).items()
    }
    features = make_features(table, outcomes)
    if options.fold_by is not None:
        return split_by_column(table, outcomes, features, values or (), options, seed)
    groups = independent_groups(table, options.group_by)
    for task, outcome in outcomes.values():
        task.check_groups(outcome, groups, options.folds)
    tables = []
    for repeat in range(options.repeats):
        shares = np.full(options.folds, 1 / options.folds)
        fold = assign(groups, features, shares, generator(seed, "split", repeat))
        split = pd.DataFrame(
            {"participant_id": table["participant_id"], "repeat": repeat, "fold": fold}
        )
        for k in range(options.folds):
            outer = fold != k
            inner = assign(
                groups[outer],
                features[outer],
                np.array([1 - options.inner_validation, options.inner_validation]),
                generator(seed, "inner split", repeat, k),
            )
            part = np.full(len(table), HELD_OUT, dtype=object)
            part[outer] = np.array([TRAIN, VALIDATION], dtype=object)[inner]
            for task, outcome in outcomes.values():
                task.check_parts(outcome, part, f"repeat {repeat}, fold {k}")
            split[f"inner_{k}"] = part
        tables.append(split)
    return pd.concat(tables, ignore_index=True), []


def make_features(table: pd.DataFrame, outcomes: OutcomeOf) -> np.ndarray:
    """Return indicators of what folds are balanced in, float64 (person, feature).

    The strata of all outcomes together x modalities present; of each outcome where there are
    several; each outcome alone; and with each modality but the one that most people have, whose
    margin is that of the outcome itself.
    """
    presence = {name: flags(table[name]) for name in table.columns if str(name).startswith(HAS)}
    pattern = np.zeros(len(table), dtype=int)
    for place, present in enumerate(presence.values()):
        pattern += present.astype(int) << place
    commonest = max(presence, key=lambda name: int(presence[name].sum()), default="")
    strata = [pd.Series(outcome.strata(), dtype=object) for _, outcome in outcomes.values()]
    patterns = pd.Series(pattern).astype(str)
    joint_strata = strata[0]
    for outcome_strata in strata[1:]:
        joint_strata = joint_strata + "|" + outcome_strata
    columns = [pd.get_dummies(joint_strata + patterns)]
    for stratum in strata:
        if len(strata) > 1:
            columns.append(pd.get_dummies(stratum + patterns))
        # Margins: remainders of the strata must not all fall into the same fold.
        columns.append(pd.get_dummies(stratum))
        for name, present in presence.items():
            if name != commonest:
                columns.append(pd.get_dummies(stratum + pd.Series(present).astype(str)))
    columns.append(pd.DataFrame({"all": np.ones(len(table))}))
    return np.hstack([column.to_numpy(dtype=float) for column in columns])


def flags(values: pd.Series) -> np.ndarray:
    """Return a column of True and False, bool (person,).

    Raises
    ------
    TableError
        Another value.
    """
    texts = values.astype(str)
    if not texts.isin(["True", "False"]).all():
        raise TableError(
            f"participants.tsv: {values.name} is not True or False everywhere",
            cause="a table that was edited by hand",
            next_step="run the rule join_people again",
        )
    return (texts == "True").to_numpy()

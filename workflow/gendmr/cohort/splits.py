"""Repeated, stratified, participant-level folds in which families never straddle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.families import connected_groups
from gendmr.config.cohort import CohortSection
from gendmr.errors import FoldError, first_few
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.seeds import generator

TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held-out"
COLUMNS: dict[str, Kind] = {
    "participant_id": "text",
    "diagnosis": "text",
    "has_snp": "flag",
    "has_region": "flag",
    "family": "text",
}


def split_folds(participants: Path | str, options: CohortSection, seed: int, output: Path) -> None:
    """Write splits.tsv for the people of a cohort.

    Parameters
    ----------
    participants : Path or str
        `cohort/participants.tsv`.
    options : CohortSection
        Folds, repeats, share of the inner validation, `group_by`.
    seed : int
        The study's seed.
    output : Path
        `cohort/splits.tsv`.

    Raises
    ------
    FoldError
        There are too few independent families of a class for so many folds.
    """
    table = read_table(participants, COLUMNS, extra=True, key="participant_id")
    write_table(output, make_splits(table, options, seed))


def make_splits(table: pd.DataFrame, options: CohortSection, seed: int) -> pd.DataFrame:
    """Split people into repeated outer folds, and each outer training set once more.

    Families (`family`, joined with the groups of `group_by` where one is configured) are assigned
    whole. Strata are diagnosis x modalities present; folds are balanced in them, then in their
    margins, since images are few and a fold without an imaged case could not be judged.

    Parameters
    ----------
    table : DataFrame
        `participant_id`, `diagnosis` (case, control), `has_snp`, `has_region`, `family` and the
        column of `group_by`.
    options : CohortSection
        See there.
    seed : int
        The study's seed; repeat and fold are part of what each draw is seeded with.

    Returns
    -------
    DataFrame
        `participant_id`, `repeat`, `fold` in which the person is held out, and `inner_<k>` for
        each fold k: `train`, `validation` or `held-out`.

    Raises
    ------
    FoldError
        A class has fewer independent groups than folds, or a part of a fold lacks a class.
    """
    table = table.sort_values("participant_id", kind="stable").reset_index(drop=True)
    groups = independent_groups(table, options.group_by)
    _enough_groups(table, groups, options)
    features = _features(table)
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
            _both_classes(table["diagnosis"], part, repeat, k)
            split[f"inner_{k}"] = part
        tables.append(split)
    return pd.concat(tables, ignore_index=True)


def independent_groups(table: pd.DataFrame, group_by: str | None) -> np.ndarray:
    """Return the group of each person (n,) as text: family, joined with the values of `group_by`.

    A person without a value of `group_by` is tied to the family only.
    """
    if group_by is None:
        return table["family"].to_numpy(dtype=object)
    if group_by not in table:
        raise FoldError(
            f"cohort.group_by: {group_by}: participants.tsv has no such column",
            next_step=f"columns are {first_few(table.columns, 20)}",
        )
    people = [f"p{name}" for name in table["participant_id"]]
    pairs = [(person, f"f{name}") for person, name in zip(people, table["family"], strict=True)]
    pairs += [
        (person, f"g{value}")
        for person, value in zip(people, table[group_by], strict=True)
        if value not in {MISSING, ""}
    ]
    named = connected_groups(people, pairs)
    return np.array([named[person] for person in people], dtype=object)


def assign(
    groups: np.ndarray, features: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Assign whole groups to parts of given shares, balancing the sums of several features.

    Greedy: groups in order of size (ties at random), each to the part whose squared shortfall in
    the features, relative to its share, falls most. For groups of one this deals each stratum
    round and round. Unlike scikit-learn's StratifiedGroupKFold it takes unequal shares, and folds
    stay the same when the library changes.

    Parameters
    ----------
    groups : ndarray (n,)
        Group of each person.
    features : ndarray (n, m) of float
        Indicators of the strata and of their margins.
    shares : ndarray (parts,)
        Shares that sum to 1.
    rng : numpy.random.Generator
        Decides ties only.

    Returns
    -------
    ndarray (n,) of int
        The part of each person.
    """
    _, member = np.unique(groups.astype(str), return_inverse=True)
    n_groups = int(member.max()) + 1
    sums = np.zeros((n_groups, features.shape[1]))
    np.add.at(sums, member, features)
    size = np.bincount(member)
    total = features.sum(axis=0)
    # A stratum of few people weighs as much as one of many.
    weight = 1 / np.maximum(total, 1)
    rarest = (sums * weight).max(axis=1) / size
    order = np.lexsort((rng.random(n_groups), -rarest, -size))
    missing = shares[:, None] * total  # what each part still lacks
    part = np.zeros(n_groups, dtype=int)
    for group in order:
        x = sums[group]
        change = ((x * (x - 2 * missing)) * weight).sum(axis=1) / shares
        best = np.flatnonzero(change <= change.min() + 1e-12)
        part[group] = rng.choice(best)
        missing[part[group]] -= x
    return part[member]


def _features(table: pd.DataFrame) -> np.ndarray:
    pattern = table["has_snp"].astype(int) + 2 * table["has_region"].astype(int)
    strata = table["diagnosis"] + pattern.astype(str)
    columns = [
        pd.get_dummies(strata),
        # Margins: remainders of the strata must not all fall into the same fold.
        pd.get_dummies(table["diagnosis"]),
        pd.get_dummies(table["diagnosis"] + table["has_region"].astype(str)),
        pd.DataFrame({"all": np.ones(len(table))}),
    ]
    return np.hstack([column.to_numpy(dtype=float) for column in columns])


def _enough_groups(table: pd.DataFrame, groups: np.ndarray, options: CohortSection) -> None:
    for diagnosis in ("case", "control"):
        of_class = (table["diagnosis"] == diagnosis).to_numpy()
        count = len(set(groups[of_class]))
        # One more than folds: the inner validation of each fold needs the class as well.
        if count < max(options.folds, 3):
            raise FoldError(
                f"{int(of_class.sum())} people with diagnosis {diagnosis} belong to {count}"
                f" independent groups, too few for {options.folds} folds with an inner validation",
                cause=f"cohort.group_by: {options.group_by} has few values"
                if options.group_by
                else "few people, or most of one class are kin",
                next_step=f"set cohort.folds to at most {max(count, 2)}"
                + (", or leave out cohort.group_by" if options.group_by else "")
                if count >= 3
                else "bring more people",
            )


def _both_classes(diagnosis: pd.Series, part: np.ndarray, repeat: int, fold: int) -> None:
    for name in (TRAIN, VALIDATION, HELD_OUT):
        found = set(diagnosis[part == name])
        if found != {"case", "control"}:
            lacking = {"case", "control"} - found
            raise FoldError(
                f"repeat {repeat}, fold {fold}: no {' and no '.join(sorted(lacking))} among its"
                f" {int((part == name).sum())} {name} people",
                cause="too few independent families or groups of that diagnosis",
                next_step="fewer cohort.folds, a larger cohort.inner_validation, or no group_by",
            )

"""Whole groups of people into parts of given shares, balanced in several features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.cohort.families import connected_groups
from gendmr.errors import FoldError, first_few
from gendmr.files.tables import MISSING


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
    group_of = connected_groups(people, pairs)
    return np.array([group_of[person] for person in people], dtype=object)


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
    # Shares, so that a stratum of few people weighs as much as one of many.
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

"""Cutting the training people into parts, for cross-fitting inside a fold."""

from __future__ import annotations

import numpy as np

from gendmr.training.preparation import People


def stratified_parts(people: People, parts: int, random: np.random.Generator) -> np.ndarray:
    """Return the part (0 to parts - 1) of each person.

    Parts have the same share of cases and of people with each modality, as far as numbers allow,
    and kin are never in two parts.
    """
    stratum = people.diagnosis * 4 + people.has_region * 2 + people.has_snp
    families, first, back = np.unique(people.family, return_index=True, return_inverse=True)
    part = np.empty(len(families), dtype=np.int64)
    offset = 0
    for value in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum[first] == value))
        part[members] = (np.arange(members.size) + offset) % parts
        offset += members.size
    return np.asarray(part[back.reshape(-1)])

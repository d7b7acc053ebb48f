"""Cutting the training people into parts, for cross-fitting inside a fold."""

from __future__ import annotations

import numpy as np

from gendmr.preprocessing.prepared import PreparedSubset


def stratified_parts(people: PreparedSubset, parts: int, random: np.random.Generator) -> np.ndarray:
    """Return the part (0 to parts - 1) of each person.

    Parts have the same share of each stratum of the outcome and of people with each modality, as
    far as numbers allow, and kin are never in two parts.
    """
    names, code = np.unique(people.outcome.strata().astype(str), return_inverse=True)
    patterns = 2 ** len(people.present)
    stratum = (len(names) - 1 - code) * patterns + people.pattern_codes
    families, first, family_of_person = np.unique(
        people.family, return_index=True, return_inverse=True
    )
    part = np.empty(len(families), dtype=np.int64)
    offset = 0
    for value in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum[first] == value))
        part[members] = (np.arange(members.size) + offset) % parts
        offset += members.size
    return np.asarray(part[family_of_person.reshape(-1)])

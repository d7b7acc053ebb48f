"""Slices with the genes of their owners, and genes that change hands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from gendmr.engine.batches import Tensors
from gendmr.methods.slices import SliceRows
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator

EXPRESSION, HAS, OWNER = "expression", "has_expression", "owner"
SEED = 0  # of the exchange, the same when a part is fitted and when it is predicted


@dataclass
class PersonRows(SliceRows):
    """See `SliceRows`; genes are in the order in which they are read.

    Parameters
    ----------
    people, preparation, others
        See `SliceRows`.
    order : int64 (gene,)
    """

    order: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @cached_property
    def designs(self) -> dict[str, torch.Tensor]:
        """Levels (person, gene) in their order, and who has them."""
        if EXPRESSION not in self.others:
            return {}
        design = self.preparation.design(self.people, EXPRESSION)[:, self.order, 0]
        has = self.people.present[EXPRESSION].astype(np.float32)
        levels = np.nan_to_num(design.astype(np.float32)) * has[:, None]
        return {EXPRESSION: torch.from_numpy(levels), HAS: torch.from_numpy(has)}

    def read(self, index: np.ndarray) -> Tensors:
        """Return what is read of some slices, and `owner` (row,), whose they are."""
        owner = torch.from_numpy(self.person[np.asarray(index)])
        return {**super().read(index), OWNER: owner}


def exchanged(people: PreparedSubset, label: np.ndarray | None) -> PreparedSubset:
    """Return people with the genes of others who have some; nobody keeps the own ones.

    Who is alone with a label keeps them. The same people always get the same genes.

    Parameters
    ----------
    people : PreparedSubset
    label : object (n,), optional
        Genes change hands among people of one label.
    """
    has = people.present[EXPRESSION]
    groups = np.zeros(len(people), dtype=object) if label is None else label.astype(str)
    source = np.arange(len(people))
    for name in sorted(set(groups[has].tolist())):
        members = np.flatnonzero(has & (groups == name))
        order = generator(SEED, "exchange", people.role, name).permutation(members)
        source[order] = np.roll(order, 1)
    values = {**people.values, EXPRESSION: people.values[EXPRESSION][source]}
    return replace(people, values=values)

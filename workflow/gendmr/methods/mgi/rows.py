"""Slices with the genes of their owners."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from gendmr.engine.batches import Tensors
from gendmr.methods.slices import SliceRows

EXPRESSION, HAS, OWNER = "expression", "has_expression", "owner"


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

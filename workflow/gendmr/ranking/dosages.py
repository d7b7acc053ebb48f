"""Genotypes of all people, some SNPs at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gendmr.modalities.reader import as_slice
from gendmr.statistics.association import mean_dosage

if TYPE_CHECKING:
    from gendmr.ranking.levels.base import CohortFile

DosageOf = Callable[[np.ndarray], np.ndarray]
"""Returns int8 (person, column), -1 missing, of columns int (column,)."""

BLOCK = 4096  # SNPs that are read together
REMEMBERED = 4  # blocks: neighbours are asked for one after another


class Dosages:
    """Dosages in the cohort's file; memory holds a few blocks of SNPs.

    Parameters
    ----------
    file : CohortFile
        Of the modality `snp`.
    """

    def __init__(self, file: CohortFile) -> None:
        self.file = file
        self._blocks: OrderedDict[int, np.ndarray] = OrderedDict()

    def of(self, columns: np.ndarray) -> np.ndarray:
        """Return dosages of some SNPs, int8 (person, column), -1 missing."""
        columns = np.asarray(columns, dtype=np.int64)
        dosage = np.empty((len(self.file.people), len(columns)), dtype=np.int8)
        block = columns // BLOCK
        for number in np.unique(block).tolist():
            in_block = np.flatnonzero(block == number)
            within = as_slice(columns[in_block] - number * BLOCK)
            dosage[:, as_slice(in_block)] = self._block(number)[:, within]
        return dosage

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Minor allele frequency of each SNP, float64 (snp,)."""
        blocks = range(-(-len(self.file.names) // BLOCK))
        means = [mean_dosage(self._block(number)) for number in blocks]
        frequency = np.concatenate([np.zeros(0), *means]) / 2
        return np.minimum(frequency, 1 - frequency)

    def _block(self, number: int) -> np.ndarray:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        stop = min((number + 1) * BLOCK, len(self.file.names))
        block = self.file.array("dosage", np.arange(number * BLOCK, stop))
        self._blocks[number] = block
        if len(self._blocks) > REMEMBERED:
            self._blocks.popitem(last=False)
        return block

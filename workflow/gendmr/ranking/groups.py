"""Scores of groups of SNPs (genes, LD blocks) from scores of SNPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gendmr.config.ranking import RankingSection
from gendmr.ranking import scores


class Groups:
    """Groups of SNPs, with what their aggregation needs of the genotypes.

    Parameters
    ----------
    members : mapping of name to columns
        SNPs of each group: columns of `dosage`.
    dosage : int8 (people, snp)
        All SNPs of the cohort; diagnoses are not used.
    options : RankingSection
        `aggregation` and `ld_weighting`.
    """

    def __init__(
        self, members: Mapping[str, Sequence[int]], dosage: np.ndarray, options: RankingSection
    ) -> None:
        self.names = list(members)
        self.columns = [np.array(members[name], dtype=np.int64) for name in self.names]
        self.aggregation = options.aggregation
        self._r2 = [
            scores.squared_correlations(dosage[:, columns])
            if options.ld_weighting and len(columns) > 1
            else None
            for columns in self.columns
        ]

    def __len__(self) -> int:
        return len(self.names)

    def sizes(self) -> list[int]:
        """Return the number of SNPs of each group."""
        return [len(columns) for columns in self.columns]

    def score(self, by_snp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return aggregated scores and largest scores of the groups.

        Parameters
        ----------
        by_snp : float (row, snp)
            Scores of all SNPs of the cohort, 0 where a row did not read a SNP. A row is a fold, or
            a permutation in a fold.

        Returns
        -------
        ndarray (row, group) of float64, twice
        """
        found = np.zeros((len(by_snp), len(self)))
        largest = np.zeros((len(by_snp), len(self)))
        for place, (columns, r2) in enumerate(zip(self.columns, self._r2, strict=True)):
            values = by_snp[:, columns].astype(np.float64)
            scored = values > 0
            if not scored.any():
                continue
            weights = scored.astype(np.float64) if r2 is None else scores.ld_weights(r2, scored)
            found[:, place] = scores.aggregate(values, weights, self.aggregation)
            largest[:, place] = values.max(axis=1)
        return found, largest

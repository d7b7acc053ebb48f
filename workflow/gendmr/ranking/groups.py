"""Scores of groups of SNPs (genes, LD blocks) from scores of SNPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gendmr.config.ranking import RankingSection
from gendmr.ranking import scores
from gendmr.ranking.dosages import DosageOf

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Groups:
    """Groups of SNPs, with what their aggregation needs of the genotypes.

    Correlations are of the SNPs that were read only: those that score nothing weigh on no other.

    Parameters
    ----------
    members : mapping of name to columns
        SNPs of each group: columns of the cohort's file.
    dosage_of : callable
        Dosages of all people of the cohort; outcomes are not used.
    read : int (read,)
        SNPs that have scores: columns of the cohort's file, sorted.
    options : RankingSection
        `aggregation` and `ld_weighting`.
    neighbours : sparse array (group, group), optional
        Weights by which aggregated scores are averaged over groups; rows sum to 1.
    """

    def __init__(
        self,
        members: Mapping[str, Sequence[int]],
        dosage_of: DosageOf,
        read: np.ndarray,
        options: RankingSection,
        neighbours: csr_array | None = None,
    ) -> None:
        self.neighbours = neighbours
        self.names = list(members)
        self.columns = [np.array(members[name], dtype=np.int64) for name in self.names]
        self.aggregation = options.aggregation
        self._places = [_places(columns, read) for columns in self.columns]
        read_columns = [read[places] for places in self._places]
        self._r2: list[np.ndarray | None] = [None] * len(read_columns)
        if options.ld_weighting:
            # Along the genome, so that neighbours are read once.
            for group in sorted(
                range(len(read_columns)),
                key=lambda n: read_columns[n][0] if read_columns[n].size else -1,
            ):
                if len(read_columns[group]) > 1:
                    self._r2[group] = scores.squared_correlations(dosage_of(read_columns[group]))

    def __len__(self) -> int:
        return len(self.names)

    def sizes(self) -> list[int]:
        """Return the number of SNPs of each group."""
        return [len(columns) for columns in self.columns]

    def share_selected(self, selected: np.ndarray) -> list[float]:
        """Return the share of rows in which each group has a SNP that was read.

        Parameters
        ----------
        selected : bool (row, read)
        """
        return [float(selected[:, places].any(axis=1).mean()) for places in self._places]

    def score(self, by_snp: np.ndarray) -> np.ndarray:
        """Return aggregated scores of the groups.

        Parameters
        ----------
        by_snp : float (row, read)
            0 where a row did not read a SNP. A row is a fold, a permutation in a fold, or the mean
            of folds.

        Returns
        -------
        float64 (row, group)
        """
        aggregated = np.zeros((len(by_snp), len(self)))
        for group, (places, r2) in enumerate(zip(self._places, self._r2, strict=True)):
            values = by_snp[:, places].astype(np.float64)
            scored = values > 0
            if not scored.any():
                continue
            weights = scored.astype(np.float64) if r2 is None else scores.ld_weights(r2, scored)
            aggregated[:, group] = scores.aggregate(values, weights, self.aggregation)
        if self.neighbours is None:
            return aggregated
        return np.asarray((self.neighbours @ aggregated.T).T)

    def largest(self, by_snp: np.ndarray) -> np.ndarray:
        """Return the largest score of each group, float64 (row, group), from (row, read)."""
        return (
            np.stack(
                [by_snp[:, places].max(axis=1, initial=0.0) for places in self._places], axis=1
            )
            if len(self)
            else np.zeros((len(by_snp), 0))
        )


def _places(columns: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return where those of some columns are that were read, int (among read,)."""
    places = np.searchsorted(read, columns)
    inside = places < len(read)
    inside[inside] = read[places[inside]] == columns[inside]
    return np.asarray(places[inside])

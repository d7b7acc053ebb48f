"""How far the rankings of networks agree that differ in their random seed alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SeedAgreement:
    """Of one modality, over folds.

    Parameters
    ----------
    count : int
        Networks of a fold.
    folds : int
    differing : int
        Folds in which their scores differ at all: where nothing counts that depends on a seed, they
        do not.
    rank_correlation : float
        Spearman's, of the scores of instances, averaged over pairs of networks and over the folds
        that differ; 1 where none does.
    """

    count: int
    folds: int
    differing: int
    rank_correlation: float

    def sentence(self, method: str, instance: str) -> str:
        """Return what the report says of it.

        Examples
        --------
        >>> SeedAgreement(2, 5, 5, 0.8).sentence("m", "edge")
        'In each fold m is 2 networks that differ in their random seed alone: their rankings of \
edges have a rank correlation of 0.80.'
        >>> SeedAgreement(2, 5, 1, 0.8).sentence("m", "edge")
        'In each fold m is 2 networks that differ in their random seed alone: their rankings of \
edges have a rank correlation of 0.80 in the one of 5 folds where they differ; in the others \
nothing counts that depends on a seed.'
        >>> SeedAgreement(2, 5, 0, 1.0).sentence("m", "edge")
        'In each fold m is 2 networks that differ in their random seed alone: their rankings of \
edges are the same in all 5 folds, for nothing counts in them that depends on a seed.'
        """
        start = (
            f"In each fold {method} is {self.count} networks that differ in their random seed"
            f" alone: their rankings of {instance}s"
        )
        if not self.differing:
            return (
                f"{start} are the same in all {self.folds} folds, for nothing counts in them that"
                " depends on a seed."
            )
        agreement = f"{start} have a rank correlation of {self.rank_correlation:.2f}"
        if self.differing == self.folds:
            return f"{agreement}."
        number = "one" if self.differing == 1 else self.differing
        return (
            f"{agreement} in the {number} of {self.folds} folds where they differ; in the others"
            " nothing counts that depends on a seed."
        )

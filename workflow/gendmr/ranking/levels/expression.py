"""Genes by their expression, with what sets of them are matched on: mean and SD in the cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.ranking.levels.generic import InstanceLevel


class ExpressionLevel(InstanceLevel):
    """Genes as they are; see `gendmr.ranking.levels.base.Level`.

    `mean` and `sd` are of the values that the stage left, over all people of the cohort: no outcome
    is in them.
    """

    def coordinates(self) -> pd.DataFrame:
        """Return places and families of genes, and mean and SD of their values."""
        levels = self.file.array(self.file.modality.main).astype(np.float64)
        levels = np.where(np.isfinite(levels), levels, np.nan)
        count = np.isfinite(levels).sum(axis=0)
        total = np.nansum(levels, axis=0)
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        squares = np.nansum((levels - mean) ** 2, axis=0)
        sd = np.sqrt(np.divide(squares, count - 1, out=np.zeros(len(count)), where=count > 1))
        return super().coordinates().assign(mean=mean.round(6), sd=sd.round(6))


LEVEL = ExpressionLevel

"""Whether a ranking goes with what has nothing to do with the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gendmr.ranking.groups import Groups
from gendmr.ranking.scores import ranks

STRONG = 0.3
WORDS = {
    "n_snp": "the number of SNPs of a gene",
    "length": "the length of a gene",
    "maf": "the mean minor allele frequency of a gene's SNPs",
}


@dataclass(frozen=True)
class Bias:
    """Rank correlation of scores with one property of genes.

    Attributes
    ----------
    property : str
        `n_snp`, `length` or `maf`.
    observed : float
        Of the scores.
    z : float or None
        Of z: what is left of it when each gene is measured by its own null.
    null : ndarray (permutation,)
        Of the scores under permuted outcomes.
    """

    property: str
    observed: float
    z: float | None
    null: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Return what summary.json tells."""
        low, middle, high = (
            np.quantile(self.null, [0.025, 0.5, 0.975]) if self.null.size else (None, None, None)
        )
        values = {"observed": self.observed, "z": self.z}
        values |= {"null": middle, "null_low": low, "null_high": high}
        return {
            "property": self.property,
            **{k: None if v is None else round(float(v), 4) for k, v in values.items()},
        }

    def note(self) -> str | None:
        """Return a sentence where scores go with the property."""
        if abs(self.observed) <= STRONG:
            return None
        verb = "rise" if self.observed > 0 else "fall"
        text = f"Scores {verb} with {WORDS[self.property]} (rank correlation {self.observed:.2f}"
        if self.null.size:
            text += f"; {np.median(self.null):.2f} with permuted outcomes"
        return f"{text}): compare genes by p, not by score."


def measure_bias(
    genes: pd.DataFrame, groups: Groups, frequency: np.ndarray, null: np.ndarray
) -> list[Bias]:
    """Correlate scores with numbers of SNPs, lengths and allele frequencies.

    Parameters
    ----------
    genes : DataFrame
        The ranked table.
    groups : Groups
        Genes in the order of the columns of `null`.
    frequency : float64 (snp,)
        Minor allele frequencies of the SNPs of the cohort.
    null : float (permutation, gene)
        Scores under permuted outcomes.
    """
    if len(genes) < 3:
        return []
    table = genes.set_index("gene").reindex(groups.names)
    properties = {
        "n_snp": np.array(groups.sizes(), dtype=np.float64),
        "length": (table["end"] - table["start"]).to_numpy(dtype=np.float64),
        "maf": np.array([frequency[columns].mean() for columns in groups.columns]),
    }
    biases = []
    for name, values in properties.items():
        finite = np.isfinite(values)
        if finite.sum() < 3 or np.unique(values[finite]).size < 2:
            continue
        score = table["score"].to_numpy(dtype=np.float64)[finite]
        observed = _spearman(score[None], values[finite])
        if not observed.size:
            continue
        z = table["z"].to_numpy(dtype=np.float64)[finite]
        of_z = _spearman(z[None], values[finite]) if np.isfinite(z).all() else np.zeros(0)
        biases.append(
            Bias(
                property=name,
                observed=float(observed[0]),
                z=float(of_z[0]) if of_z.size else None,
                null=_spearman(null[:, finite], values[finite]),
            )
        )
    return biases


def _spearman(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the rank correlation of each row with values; rows without variation are left out."""
    if not len(rows):
        return np.zeros(0)
    row_ranks, value_ranks = ranks(rows), ranks(values[None])[0]
    row_ranks = row_ranks - row_ranks.mean(axis=1, keepdims=True)
    value_ranks = value_ranks - value_ranks.mean()
    norm = np.sqrt((row_ranks**2).sum(axis=1) * (value_ranks**2).sum())
    varies = norm > 0
    return np.asarray((row_ranks[varies] @ value_ranks) / norm[varies])

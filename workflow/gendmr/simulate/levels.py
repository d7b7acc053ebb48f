"""Levels of genes of which some carry planted factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

COMMON = 6  # factors behind expression that are not planted


class SimulatedExpression(NamedTuple):
    """A matrix of genes and what is planted in it.

    Parameters
    ----------
    levels : DataFrame
        `gene`, then a column for each person: levels as log2(TPM + 1).
    members : dict of str to list of str
        Genes by factor, planted or not.
    planted : list of dict
        `gene`, `factor`, `loading` of those that carry their factor.
    """

    levels: pd.DataFrame
    members: dict[str, list[str]]
    planted: list[dict[str, Any]]


def draw_levels(
    people: list[str],
    factor_values: Mapping[str, np.ndarray],
    hospital: np.ndarray,
    *,
    genes: int,
    shares: Mapping[str, float],
    planted: float,
    loading: float,
    hospital_batch: float,
    random: np.random.Generator,
) -> SimulatedExpression:
    """Draw levels with genes of common factors, and genes of the planted ones among them.

    Parameters
    ----------
    people : list of str
    factor_values : mapping of str to float (person,)
        What expression sees of each factor, in SDs.
    hospital : int (person,)
    genes : int
    shares : mapping of str to float
        Of all genes, by factor.
    planted : float
        Share of the genes of a factor that carry it.
    loading : float
        Mean correlation of such a gene with its factor.
    hospital_batch : float
        SD of what each hospital adds to a gene, in SDs of the gene.
    random : Generator
    """
    names = np.array([f"GENE{number:04d}" for number in range(genes)], dtype=object)
    common = random.normal(size=(len(people), COMMON))
    weights = random.normal(size=(COMMON, genes)) * 0.5 / np.sqrt(COMMON)
    unit = common @ weights
    batch = hospital_batch * random.normal(size=(hospital.max() + 1, genes))
    noise = np.sqrt(1 - 0.25) * random.normal(size=unit.shape)
    unit = unit + noise
    order = random.permutation(genes)
    first = 0
    members: dict[str, list[str]] = {}
    carriers: list[dict[str, Any]] = []
    for factor, values in factor_values.items():
        count = round(shares[factor] * genes)
        factor_genes = order[first : first + count]
        first += count
        members[factor] = [str(name) for name in names[factor_genes]]
        for gene in factor_genes[: round(planted * count)]:
            size = np.clip(random.normal(loading, 0.1), 0.05, 0.95)
            gene_loading = size * random.choice([-1.0, 1.0])
            unit[:, gene] = gene_loading * values + np.sqrt(1 - gene_loading**2) * unit[:, gene]
            carriers.append(
                {"gene": str(names[gene]), "factor": factor, "loading": float(gene_loading)}
            )
    unit = unit + batch[hospital]
    # Means and SDs of log2 levels: genes that are expressed little vary more.
    mean = random.gamma(4.0, 1.2, genes)
    spread = 0.4 + 1.2 / np.sqrt(1 + mean)
    level = np.maximum(mean + spread * unit, 0.0).round(4)
    table = pd.DataFrame(level.T, columns=people)
    table.insert(0, "gene", names)
    return SimulatedExpression(table, members, carriers)

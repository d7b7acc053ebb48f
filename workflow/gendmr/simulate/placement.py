"""Where planted genes and their causal SNPs lie: anywhere, or side by side on one chromosome."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError

TARGET_FREQUENCY = 0.3  # of the planted risk alleles
LEAST_FREQUENCY = 0.1  # a rarer one gives way to a commoner one of the gene


def genes_to_plant(section: SimulateSection, genes: pd.DataFrame) -> list[str]:
    """Return the genes in the order in which they are planted.

    Parameters
    ----------
    section : SimulateSection
    genes : pandas.DataFrame
        As `reference.read_genes` returns.

    Raises
    ------
    ConfigurationError
        Genes are to be neighbours, and the chromosome of the first has too few.
    """
    candidates = genes[genes["candidate"]]
    if section.planted_where == "anywhere" or section.null_mode:
        return list(candidates["symbol"].head(section.planted))
    first = candidates.iloc[0]
    same = genes[genes["chromosome"] == first["chromosome"]]
    if len(same) < section.planted:
        raise ConfigurationError(
            f"simulate.planted_where: {section.planted} neighbouring genes are to be planted, and"
            f" chromosome {first['chromosome']}, where {first['symbol']} lies, has {len(same)}",
            cause="few of the genes of the table are simulated",
            next_step="raise simulate.genes, lower simulate.planted, or set"
            " simulate.planted_where to anywhere",
        )
    distance = (same["start"] - first["start"]).abs()
    nearest = distance.sort_values(kind="stable").index[: section.planted]
    return list(same.loc[nearest, "symbol"])


def causal_row(
    section: SimulateSection,
    gene: str,
    variants: pd.DataFrame,
    frequency: np.ndarray,
    starts: dict[str, int],
) -> int:
    """Return the row of the causal SNP of a gene in the panel.

    Anywhere, it is the SNP inside the gene whose minor allele is nearest to `TARGET_FREQUENCY` in
    frequency; of clustered genes the one nearest to where transcription starts. Rare alleles give
    way in both.

    Parameters
    ----------
    section : SimulateSection
    gene : str
    variants : pandas.DataFrame
        The panel's variants.
    frequency : ndarray, shape (variants,)
        Of their minor alleles.
    starts : dict of str to int
        Where transcription of each gene starts, bp; read of clustered genes alone.
    """
    rows = np.flatnonzero((variants["gene"] == gene).to_numpy())
    if section.planted_where == "clustered":
        common = rows[frequency[rows] >= LEAST_FREQUENCY]
        rows = common if len(common) else rows
        positions = variants["position"].to_numpy()[rows]
        return int(rows[np.argmin(np.abs(positions - starts[gene]))])
    inside = rows[variants["inside"].to_numpy()[rows]]
    if (frequency[inside] >= LEAST_FREQUENCY).any():
        rows = inside
    return int(rows[np.argmin(np.abs(frequency[rows] - TARGET_FREQUENCY))])


def transcription_starts(genes: pd.DataFrame) -> dict[str, int]:
    """Return where transcription of each gene starts (bp): at its end on the minus strand."""
    starts = np.where(genes["strand"] == "+", genes["start"], genes["end"])
    return dict(zip(genes["symbol"], map(int, starts), strict=True))

"""The section of the method `gene_network`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, SnpReader
from gendmr.config.optimisation import OptimisationSection


class GeneNetworkMethod(SnpReader, NetworkSection):
    """Networks in which SNPs meet in their gene, two peers by `mode`.

    After GenNet (van Hilten et al. 2021) and DeepRVAT (Clarke et al. 2024); neither is run here.
    """

    kind: Literal["gene_network"] = "gene_network"
    """Chooses the method."""
    mode: Literal["sparse", "set"] = "sparse"
    """`sparse`: each SNP has a weight of its own and is connected with its gene only, genes with
    the output, as in GenNet; `set`: one function, shared by all SNPs, reads minor alleles and what
    is known of the SNP, and its mean over the gene is the gene's score, as in DeepRVAT."""
    width: int = Field(default=8, ge=2, le=256)
    """Length of what the shared function gives (`set`)."""
    sparsity: float = Field(default=0.001, ge=0)
    """Weight of the sum of the absolute values of the weights of SNPs and genes in the loss."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp",)
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        epochs=60, patience=15, learning_rate=1e-3
    )

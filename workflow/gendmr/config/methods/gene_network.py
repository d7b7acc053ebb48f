"""The section of the method `gene_network`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, SnpReader
from gendmr.config.optimisation import OptimisationSection

# Optimisation of `mode: attention`, where nothing else is said.
ATTENTION_OPTIMISATION = OptimisationSection(epochs=60, patience=15, learning_rate=3e-3)


def _sparsity_of(options: dict[str, Any]) -> float:
    """Return the default of `sparsity` from the mode before it."""
    return 0.03 if options.get("mode") == "attention" else 0.001


class GeneNetworkMethod(SnpReader, NetworkSection):
    """Networks in which SNPs meet in their gene, three peers by `mode`.

    After GenNet (van Hilten et al. 2021), DeepRVAT (Clarke et al. 2024) and G2PT (Lee et al. 2024);
    none of them is run here.
    """

    kind: Literal["gene_network"] = "gene_network"
    """Chooses the method."""
    mode: Literal["sparse", "set", "attention"] = "sparse"
    """`sparse`: each SNP has a weight of its own and is connected with its gene only, genes with
    the output, as in GenNet; `set`: one function, shared by all SNPs, reads minor alleles and what
    is known of the SNP, and its mean over the gene is the gene's score, as in DeepRVAT;
    `attention`: SNPs, genes and the phenotype have states, a gene attends to its own SNPs and the
    phenotype to genes, as in G2PT without its systems of genes."""
    width: int = Field(default=8, ge=2, le=256)
    """Length of what the shared function gives (`set`), and of a state (`attention`)."""
    heads: int = Field(default=2, ge=1)
    """Attention heads (`attention`); they divide the width."""
    sparsity: float = Field(default_factory=_sparsity_of, ge=0)
    """Weight of the sum of the absolute values of the weights of SNPs and genes in the loss; of the
    embeddings of SNPs with `attention`. Without it 0.001, and 0.03 with `attention`."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp",)
    defaults: ClassVar[OptimisationSection] = OptimisationSection(
        epochs=60, patience=15, learning_rate=1e-3
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.mode == "attention" and self.width % self.heads:
            yield f"width: {self.width} is no multiple of heads: {self.heads}"

    @property
    def own_defaults(self) -> OptimisationSection:
        """Defaults of the mode."""
        return ATTENTION_OPTIMISATION if self.mode == "attention" else self.defaults

    def bytes_of_fit(self, instances: Mapping[str, int], people: int) -> float:
        """Return the memory of one fit: with attention, tables of a batch live besides."""
        dosages = super().bytes_of_fit(instances, people)
        if self.mode != "attention":
            return dosages
        snps = max(instances.get("snp", 0), 1)
        # Until the gradient is known a batch keeps attention by SNP and head, and what SNPs pass on
        # and the layers of genes, of which there are at most as many, by the width of a state.
        return dosages + 4.0 * 64 * snps * (6 * self.heads + 12 * self.width)

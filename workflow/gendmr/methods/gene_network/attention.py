"""SNPs, genes and the phenotype as states, each updated by attention over those below it.

In the manner of G2PT (Lee et al. 2024, "A genotype-phenotype transformer to assess and explain
polygenic risk", bioRxiv 2024.10.23.619940; code by idekerlab on GitHub).

Theirs: every SNP, gene and phenotype has a state; a gene's query attends, with several heads, to
the states of its own SNPs, the phenotype's query to the states of genes; states are updated with
a residual connection, layer norm and a feed-forward layer; the prediction is read from the state
of the phenotype.

Ours, or left out:

- no systems: G2PT leads genes through terms of the Gene Ontology, up and down again, and its
  phenotype attends to terms as well. Readers of SNPs are given no families of genes here;
- no covariates, which condition the states in G2PT, no dropout, no pre-training;
- a SNP has one embedding that is multiplied by its standardised dosage, and one of what is known
  of it, where G2PT has an embedding or a module for each dosage class;
- what is known decides where attention goes, the dosage alone is passed on; and a gene passes on
  what its SNPs changed of its state;
- what attention collects is multiplied by the number of those attended to, so that even attention
  gives a sum, not a mean, in which one SNP of thousands is lost;
- embeddings of SNPs and of genes start at 0, where genotypes change nothing, and decay to it;
- the feed-forward layer has a GELU, theirs a gate; SNPs have one gene, theirs several.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from gendmr.engine.batches import Tensors
from gendmr.engine.network import OUTPUT

MAGNITUDE = "magnitude"
KNOWN = 3  # of a SNP: minor allele frequency, log distance to the gene, whether inside
LOWEST = -1e4  # below all attention logits


class FeedForward(nn.Module):
    """A residual feed-forward layer behind a layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """Return states (..., width) after the layer."""
        change: torch.Tensor = self.down(functional.gelu(self.up(self.norm(state))))
        return state + change


class HierarchicalAttention(nn.Module):
    """SNPs to genes to the phenotype.

    Parameters
    ----------
    snps, genes, outputs, width : int
    heads : int
        Of both attentions; they divide the width.
    """

    def __init__(self, snps: int, genes: int, outputs: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.genes = heads, genes
        self.snp_embedding = nn.Parameter(torch.zeros(snps, width))
        self.gene_embedding = nn.Parameter(torch.zeros(genes, width))
        self.gene = nn.Parameter(torch.randn(width))
        self.phenotype = nn.Parameter(torch.randn(width))
        self.allele = nn.Linear(KNOWN, width)  # what a minor allele does, by what is known
        self.known = nn.Linear(KNOWN, width)
        nn.init.zeros_(self.allele.weight)
        nn.init.zeros_(self.allele.bias)
        self.gene_norm = nn.LayerNorm(width)
        self.gene_query = nn.Linear(width, width, bias=False)
        self.snp_key = nn.Linear(width, width, bias=False)
        self.snp_value = nn.Linear(width, width, bias=False)
        self.gene_out = nn.Linear(width, width, bias=False)
        self.gene_forward = FeedForward(width)
        # A bias would be the same for all genes, and neither attention nor changes would see it.
        self.state_norm = nn.LayerNorm(width, bias=False)
        self.phenotype_norm = nn.LayerNorm(width)
        self.phenotype_query = nn.Linear(width, width, bias=False)
        self.gene_key = nn.Linear(width, width, bias=False)
        self.gene_value = nn.Linear(width, width, bias=False)
        self.phenotype_out = nn.Linear(width, width, bias=False)
        self.phenotype_forward = FeedForward(width)
        self.head_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and the sum of absolute embeddings of SNPs.

        Parameters
        ----------
        batch : dict of Tensor
            As `GeneNet.forward` reads it.
        """
        dosage = batch["snp"]  # (person, snp, 1)
        is_real = (batch["snp_share"] > 0).to(dosage.dtype)  # (snp,); 0: padding
        members = is_real.new_zeros(self.genes).index_add(0, batch["snp_gene"], is_real)  # (gene,)
        minor = batch["snp_minor"][:, None] * self.allele(batch["snp_known"])
        carried = self.snp_embedding + minor  # (snp, width): what a SD of the dosage is worth
        start = self.gene + self.gene_embedding  # (gene, width)
        collected = self._snps_to_genes(dosage, carried, start, is_real, members, batch)
        unchanged = self.state_norm(self.gene_forward(start))  # (gene, width)
        states = self.state_norm(self.gene_forward(start + self.gene_out(collected)))
        phenotype = self._genes_to_phenotype(states, states - unchanged, members > 0)
        output = self.head(self.head_norm(phenotype))  # (person, n_outputs)
        return {OUTPUT: output, MAGNITUDE: self.snp_embedding.abs().sum()}

    def _snps_to_genes(
        self,
        dosage: torch.Tensor,
        carried: torch.Tensor,
        start: torch.Tensor,
        is_real: torch.Tensor,
        members: torch.Tensor,
        batch: Tensors,
    ) -> torch.Tensor:
        """Return what genes collect from their SNPs (person, gene, width).

        A SNP's state is dosage times `carried` plus what is known, and keys are linear in states;
        so logits are linear in the dosage, and no state of a person and SNP has to be kept.
        """
        owner = batch["snp_gene"]
        query = self._split(self.gene_query(self.gene_norm(start)))  # (gene, head, part)
        query = torch.index_select(query, 0, owner) / math.sqrt(query.shape[-1])
        by_dosage = (query * self._split(self.snp_key(carried))).sum(-1)  # (snp, head)
        by_known = (query * self._split(self.snp_key(self.known(batch["snp_known"])))).sum(-1)
        logits = dosage * by_dosage + by_known  # (person, snp, head)
        weight = segment_softmax(logits, owner, is_real, self.genes)
        weight = weight * dosage * torch.index_select(members, 0, owner)[:, None]
        value = self._split(self.snp_value(carried))  # (snp, head, part)
        passed = (weight[..., None] * value).flatten(2)  # (person, snp, width)
        empty = passed.new_zeros(passed.shape[0], self.genes, passed.shape[2])
        return empty.index_add(1, owner, passed)

    def _genes_to_phenotype(
        self, states: torch.Tensor, changes: torch.Tensor, is_real: torch.Tensor
    ) -> torch.Tensor:
        """Return the phenotype's state (person, width) from those of genes (person, gene, width).

        Parameters
        ----------
        states, changes : Tensor (person, gene, width)
            What genes are asked by, and what they pass on.
        is_real : bool Tensor (gene,)
            Whether a gene has SNPs; others are padding.
        """
        query = self._split(self.phenotype_query(self.phenotype_norm(self.phenotype)))
        key = self._split(self.gene_key(states))  # (person, gene, head, part)
        logits = (key * query).sum(-1) / math.sqrt(query.shape[-1])  # (person, gene, head)
        weight = torch.softmax(logits.masked_fill(~is_real[:, None], LOWEST), dim=1)
        value = self._split(self.gene_value(changes))  # (person, gene, head, part)
        passed = (weight[..., None] * value).sum(1).flatten(1)  # (person, width)
        total = passed * is_real.sum()
        state: torch.Tensor = self.phenotype_forward(self.phenotype + self.phenotype_out(total))
        return state

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (..., width) by head (..., head, part)."""
        return values.reshape(*values.shape[:-1], self.heads, -1)


def segment_softmax(
    logits: torch.Tensor, owner: torch.Tensor, is_real: torch.Tensor, segments: int
) -> torch.Tensor:
    """Return the softmax over the members of each segment, 0 for padding.

    Parameters
    ----------
    logits : Tensor (person, member, head)
    owner : int Tensor (member,)
        Segment of each.
    is_real : Tensor (member,)
        0 for padding, else 1.
    segments : int

    Returns
    -------
    Tensor (person, member, head)
        Sums to 1 over the members of a segment that has any.
    """
    logits = logits.masked_fill(is_real[:, None] == 0, LOWEST)
    lowest = logits.new_full((logits.shape[0], segments, logits.shape[2]), LOWEST)
    index = owner[None, :, None].expand_as(logits)
    largest = lowest.scatter_reduce(1, index, logits.detach(), "amax")  # (person, segment, head)
    power = torch.exp(logits - torch.index_select(largest, 1, owner)) * is_real[:, None]
    total = torch.zeros_like(largest).index_add(1, owner, power)
    # Padding may belong to a segment without members.
    return power / torch.index_select(total, 1, owner).clamp(min=1e-30)

"""Networks in which SNPs meet in their gene, after three published ones.

- `sparse`, in the manner of GenNet (van Hilten et al. 2021, Communications Biology 4:1094): a layer
  that connects each SNP with its gene only, tanh, and a linear layer from genes to the output, with
  an L1 penalty on both. Ours: no batch normalisation, which permuted fits taken together forbid, no
  layer of pathways, AdamW.
- `set`, in the manner of DeepRVAT (Clarke et al. 2024, Nature Genetics 56:2271): one function reads
  the minor alleles that a person has of a SNP and what is known of the SNP; its average over the
  gene, read by a second function, is the gene's score; a linear layer leads from genes to the
  output. Ours: common SNPs with their frequency and place in the gene, where DeepRVAT has rare
  variants with some thirty annotations; trained within the fold on its outcome, not on genes that
  are known.
- `attention`, in the manner of G2PT (Lee et al. 2024, bioRxiv 2024.10.23.619940): genes attend to
  their SNPs, the phenotype to genes; see `gendmr.methods.gene_network.attention`.

A SNP between several genes counts for the first. Risks are integrated gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.gene_network import GeneNetworkMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, FitProblem, Step
from gendmr.engine.phase import Phase, Term
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.gene_network.attention import KNOWN, MAGNITUDE, HierarchicalAttention
from gendmr.methods.integrated_gradients import integrated_gradients
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.modalities.snp.transform import SnpTransform
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

SNP = "snp"
EMBEDDINGS = ("snp_embedding", "gene_embedding")
EMBEDDING_DECAY = 10.0  # of embeddings: they rest on some 1 / (10 learning rates) steps


class GeneNet(nn.Module):
    """SNPs to genes to outputs.

    Parameters
    ----------
    mode : str
        See `GeneNetworkMethod`.
    snps, genes, outputs, width : int
    """

    def __init__(self, mode: str, snps: int, genes: int, outputs: int, width: int) -> None:
        super().__init__()
        self.genes = genes
        self.sparse = mode == "sparse"
        if self.sparse:
            self.slope = nn.Parameter(0.1 * torch.randn(snps))
            self.offset = nn.Parameter(torch.zeros(genes))
        else:
            self.read = nn.Linear(1 + KNOWN, width)
            self.mix = nn.Linear(width, width)
            self.score = nn.Linear(width, 1)
        self.head = nn.Parameter(torch.zeros(genes, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and the sum of absolute weights.

        Parameters
        ----------
        batch : dict of Tensor
            `snp` (person, snp, 1) in SDs of the dosage; of the fold `snp_gene`, `snp_share` (snp,):
            place of the gene, and one over its number of SNPs, 0 for padding; `snp_minor` (snp,):
            1, or -1 where the allele that is counted is the commoner; `snp_known` (snp, feature).
        """
        dosage = batch[SNP][..., 0]  # (person, snp)
        if self.sparse:
            summed = self._by_gene((dosage * self.slope)[..., None], batch)[..., 0]
            genes = torch.tanh(summed + self.offset)  # (person, gene)
            magnitude = self.slope.abs().sum() + self.head.abs().sum()
        else:
            features = batch["snp_known"].expand(len(dosage), -1, -1)  # (person, snp, feature)
            minor = (dosage * batch["snp_minor"])[..., None]  # (person, snp, 1)
            hidden = functional.gelu(self.read(torch.cat([minor, features], dim=-1)))
            weighted = hidden * batch["snp_share"][:, None]  # (person, snp, width)
            averages = self._by_gene(weighted, batch)  # (person, gene, width)
            genes = self.score(functional.gelu(self.mix(averages)))[..., 0]  # (person, gene)
            magnitude = self.head.abs().sum()
        return {OUTPUT: genes @ self.head + self.bias, MAGNITUDE: magnitude}

    def _by_gene(self, values: torch.Tensor, batch: Tensors) -> torch.Tensor:
        """Return sums over the SNPs of each gene, (person, gene, feature)."""
        empty = values.new_zeros(values.shape[0], self.genes, values.shape[2])
        return empty.index_add(1, batch["snp_gene"], values)


def build(options: MethodOptions) -> GeneNetwork:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, GeneNetworkMethod):
        raise TypeError(f"options of {method.kind}, not of gene_network")
    return GeneNetwork(method, options)


class GeneNetwork(NetworkMethod):
    """See `GeneNetworkMethod`."""

    def __init__(self, section: GeneNetworkMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    def network(self, architecture: Architecture) -> GeneNet | HierarchicalAttention:
        """Return the network."""
        snps, genes = architecture.sizes[SNP], architecture.sizes["gene"]
        outputs, width = architecture.task.n_outputs, self.options.width
        if self.options.mode == "attention":
            return HierarchicalAttention(snps, genes, outputs, width, self.options.heads)
        return GeneNet(self.options.mode, snps, genes, outputs, width)

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter, stronger for embeddings of single SNPs and genes."""
        if name in EMBEDDINGS:
            return EMBEDDING_DECAY
        return super().weight_decay(name, shape, optimisation)

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with what is known of its SNPs."""
        return replace(super().problem(inputs, modalities), fixed=known_of(inputs.preparation))

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return the numbers of SNPs and genes."""
        gene = problem.fixed["snp_gene"]
        return {SNP: len(gene), "gene": int(gene.max()) + 1}

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and the sum of absolute weights."""
        outputs: Tensors = module(batch)
        return outputs

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase: the loss of the task and the penalty."""
        (phase,) = super().phases(module, problems)
        penalty = self.options.sparsity

        def sparsity(step: Step) -> torch.Tensor:
            return penalty * step.outputs[MAGNITUDE]

        return [Phase(phase.name, {**phase.terms, "sparsity": Term(sparsity)})]

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return integrated gradients of SNPs; they and the baseline add up to the scalar."""
        forward = Forward(self.forward, fitted.module, Layout(fitted.module))
        collected = []
        for outputs, batch in fitted.outputs(people):
            output = outputs[OUTPUT].detach().cpu().numpy().astype(np.float64)
            weight = np.asarray(fitted.task.contrast(output), dtype=np.float32)
            contrast = torch.from_numpy(weight).to(fitted.row.device)

            def scalar(
                inputs: Mapping[str, torch.Tensor],
                index: np.ndarray,
                contrast: torch.Tensor = contrast,
            ) -> torch.Tensor:
                point_outputs = forward(
                    fitted.row, fitted.buffers, {**fitted.fixed, **inputs}, False
                )
                return (contrast[index] * point_outputs[OUTPUT]).sum(1)

            collected.append(integrated_gradients(scalar, {SNP: batch[SNP]}))
        value = np.concatenate([values[SNP][..., 0] for values, _, _ in collected])
        end = np.concatenate([end for _, _, end in collected])
        baseline = end - value.sum(axis=1)
        return {SNP: attribution_of(value, people.present[SNP], baseline)}


def known_of(preparation: Preparation) -> Tensors:
    """Return what is known of the SNPs of a fold, by name; see `GeneNet.forward`."""
    instances = preparation.instances(SNP)
    transform = cast(SnpTransform, preparation.transforms[SNP])
    names = np.array([text.split(";")[0] for text in instances["gene"]], dtype=str)
    _, gene = np.unique(names, return_inverse=True)
    frequency = np.asarray(transform.mean_dosage, dtype=np.float64) / 2
    distance = instances["distance"].to_numpy(dtype=np.float64)
    near = np.abs(np.nan_to_num(distance))
    features = np.stack(
        [2 * np.minimum(frequency, 1 - frequency), np.log1p(near) / 10, distance == 0], axis=1
    )
    share = 1 / np.bincount(gene)[gene]
    return {
        "snp_gene": torch.from_numpy(gene.astype(np.int64)),
        "snp_share": torch.from_numpy(share.astype(np.float32)),
        "snp_minor": torch.from_numpy(np.where(frequency > 0.5, -1, 1).astype(np.float32)),
        "snp_known": torch.from_numpy(features.astype(np.float32)),
    }

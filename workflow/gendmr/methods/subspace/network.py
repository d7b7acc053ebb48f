"""The network: a branch for each subspace, one linear head over all; several such, averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gendmr.engine.batches import Tensors
from gendmr.engine.network import OUTPUT
from gendmr.methods.bags import TOKENS
from gendmr.methods.gated_attention import GatedAttention
from gendmr.methods.gene_encoder import GeneEncoder
from gendmr.methods.subspace.attention import DeformableAttention

CODE, GENES, POINTS, ALONE = "code_", "genes_", "points_", "alone_"
SEED = "@"  # between the name of an output and the number of the network that gives it


class Branch(nn.Module):
    """One subspace: its genes, its view of the patches, and what joins them.

    Parameters
    ----------
    genes, features : int
        0: without that modality.
    width, heads, head_width : int
    dropout : float
    deformable : bool
    gated : bool
        Patches are averaged with shares that are learned of each, not with equal ones.
    **attention : int, float or bool
        `stride`, `reach` and `plain` of `DeformableAttention`.
    """

    def __init__(
        self,
        genes: int,
        features: int,
        width: int,
        heads: int,
        head_width: int,
        dropout: float,
        deformable: bool,
        gated: bool = False,
        **attention: Any,
    ) -> None:
        super().__init__()
        self.encode = GeneEncoder(genes, width, dropout) if genes else None
        self.project = nn.Linear(features, width) if features else None
        self.fuse = nn.Linear(2 * width, width) if genes and features else None
        with_attention = bool(features) and deformable
        self.norm = nn.LayerNorm(width) if with_attention else None
        self.attend = (
            DeformableAttention(width, heads, head_width, dropout, **attention)
            if with_attention
            else None
        )
        self.share = GatedAttention(width, width) if gated and features else None
        self.last_norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, width)
        self.to_code = nn.Linear(width, width)

    def forward(
        self,
        expression: torch.Tensor | None,
        patches: torch.Tensor | None,
        used: torch.Tensor | None,
    ) -> Tensors:
        """Return `code` (person, width), and by what it was made.

        Parameters
        ----------
        expression : Tensor (person, gene), optional
        patches : Tensor (person, patch, feature), optional
        used : Tensor (person, patch), optional
            1 for patches, 0 for padding.
        """
        outputs: Tensors = {}
        genes = self.encode(expression) if self.encode is not None else None
        if genes is not None:
            outputs["genes"] = genes  # (person, width)
        if self.project is None:
            if genes is None:
                raise ValueError("a branch without genes and without patches")
            mean = self.last_norm(genes)
        else:
            if patches is None or used is None:
                raise ValueError("a branch of patches without patches")
            patch = functional.relu(self.project(patches)) * used[..., None]
            tokens = patch  # (person, patch, width)
            if self.fuse is not None and genes is not None:
                # The layer over [patch, genes] in two parts: genes are the same for all patches.
                of_patch, of_genes = self.fuse.weight.chunk(2, dim=1)
                tokens = patch @ of_patch.T + (genes @ of_genes.T + self.fuse.bias)[:, None]
            if self.attend is not None and self.norm is not None:
                mixed, points = self.attend(self.norm(tokens), self.norm(patch) * used[..., None])
                tokens, outputs["points"] = tokens + mixed, points
            tokens = self.last_norm(tokens)
            if self.share is not None:
                # Of the patch alone: genes are the same for all patches of a person.
                share = self.share(patch, used)  # (person, patch)
            else:
                share = used / used.sum(1, keepdim=True).clamp(min=1)
            outputs["tokens"] = tokens * share[..., None]
            mean = outputs["tokens"].sum(1)  # (person, width)
        outputs["code"] = self.to_code(torch.tanh(self.pool(mean)))
        return outputs


class SubspaceNet(nn.Module):
    """Branches and a head.

    Parameters
    ----------
    genes : mapping of str to int
        Number of genes by subspace; 0 everywhere without expression.
    features : int
        Length of a patch; 0 without patches.
    outputs : int
    width, heads, head_width : int
    dropout : float
    deformable : bool
    gene_dropout : float
        Share of people in a training step whose expression counts as missing.
    **attention : int, float or bool
        `gated` and what is of the attention: see `Branch`.
    """

    def __init__(
        self,
        genes: Mapping[str, int],
        features: int,
        outputs: int,
        *,
        width: int = 128,
        heads: int = 8,
        head_width: int = 64,
        dropout: float = 0.1,
        deformable: bool = True,
        gene_dropout: float = 0.0,
        **attention: Any,
    ) -> None:
        super().__init__()
        self.names = tuple(genes)
        self.gene_dropout = gene_dropout
        self.branch = nn.ModuleDict(
            {
                name: Branch(
                    count, features, width, heads, head_width, dropout, deformable, **attention
                )
                for name, count in genes.items()
            }
        )
        self.head = nn.Linear(width * len(self.names), outputs)
        self.samples_by_genes = deformable and features > 0 and all(genes.values())

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), codes, and what each subspace says alone.

        Parameters
        ----------
        batch : dict of Tensor
            `expression_<subspace>` (person, gene), `patch` (person, patch, feature) and
            `patch_used` (person, patch), as far as the network reads them.
        """
        outputs: Tensors = {}
        codes = []
        with_genes = None
        if self.training and self.gene_dropout and "patch" in batch:
            drawn = torch.rand(len(batch["patch"]), 1, device=batch["patch"].device)
            with_genes = (drawn >= self.gene_dropout).to(drawn.dtype)  # (person, 1)
        for name in self.names:
            expression = batch.get(f"expression_{name}")  # (person, gene)
            if expression is not None and with_genes is not None:
                expression = expression * with_genes
            branch_outputs = self.branch[name](
                expression, batch.get("patch"), batch.get("patch_used")
            )
            codes.append(branch_outputs["code"])
            outputs[f"{CODE}{name}"] = branch_outputs["code"]
            for prefix, key in ((GENES, "genes"), (POINTS, "points"), (TOKENS, "tokens")):
                if key in branch_outputs:
                    outputs[f"{prefix}{name}"] = branch_outputs[key]
        parts = self.head.weight.chunk(len(self.names), dim=1)
        alone = [code @ part.T for code, part in zip(codes, parts, strict=True)]
        for name, output in zip(self.names, alone, strict=True):
            # Of the common bias, each subspace has its share.
            outputs[f"{ALONE}{name}"] = output + self.head.bias / len(self.names)
        outputs[OUTPUT] = torch.stack(alone).sum(0) + self.head.bias
        return outputs


class SubspaceEnsemble(nn.Module):
    """Networks that differ in their initial weights and dropout; the output is the mean of theirs.

    Parameters
    ----------
    networks : sequence of SubspaceNet
    """

    def __init__(self, networks: Sequence[SubspaceNet]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.names = networks[0].names
        self.samples_by_genes = networks[0].samples_by_genes

    def forward(self, batch: Tensors) -> Tensors:
        """Return the mean `output` (person, n_outputs), and all that each gives as `<name>@<n>`.

        Parameters
        ----------
        batch : dict of Tensor
            See `SubspaceNet.forward`.
        """
        outputs: Tensors = {}
        for number, network in enumerate(self.networks):
            network_outputs = network(batch)
            outputs |= {f"{name}{SEED}{number}": value for name, value in network_outputs.items()}
        predictions = [outputs[f"{OUTPUT}{SEED}{number}"] for number in range(len(self.networks))]
        outputs[OUTPUT] = torch.stack(predictions).mean(0)  # (person, n_outputs)
        return outputs

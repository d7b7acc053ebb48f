"""Gated attention over tokens, and co-attention of families of genes to patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from gendmr.engine.batches import Tensors
from gendmr.engine.network import OUTPUT
from gendmr.methods.bags import PATCH, TOKENS, USED
from gendmr.methods.gated_attention import GatedAttention, masked_share
from gendmr.methods.gene_encoder import GeneEncoder

FAMILY = "family_"


class MilNet(nn.Module):
    """Encoders of what is read, attention, one linear head.

    Parameters
    ----------
    genes : sequence of int
        Genes of each family; empty without expression.
    features : int
        Length of a patch; 0 without patches.
    outputs, width, attention : int
    dropout : float
    """

    def __init__(
        self,
        genes: Sequence[int],
        features: int,
        outputs: int,
        *,
        width: int,
        attention: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encode = nn.ModuleList(GeneEncoder(count, width, dropout) for count in genes)
        self.project = nn.Linear(features, width) if features else None
        self.dropout = nn.Dropout(dropout)
        self.over_genes = GatedAttention(width, attention) if genes else None
        self.over_patches = GatedAttention(width, attention) if features else None
        parts = bool(genes) + bool(features)
        self.query = nn.Linear(width, width) if parts == 2 else None
        self.key = nn.Linear(width, width) if parts == 2 else None
        self.head = nn.Linear(parts * width, outputs)

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and what each patch adds to the code of the bag.

        Parameters
        ----------
        batch : dict of Tensor
            `family_<n>` (person, gene), `patch` (person, place, feature), `patch_used`.
        """
        outputs: Tensors = {}
        codes = []
        families = None
        if self.over_genes is not None:
            tokens = [
                encode(batch[f"{FAMILY}{number}"]) for number, encode in enumerate(self.encode)
            ]
            families = torch.stack(tokens, dim=1)  # (person, family, width)
            all_families = torch.ones_like(families[..., 0])
            share = self.over_genes(families, all_families)  # (person, family)
            codes.append((share[..., None] * families).sum(1))
        if self.project is not None and self.over_patches is not None:
            used = batch[USED]
            patch = self.dropout(functional.relu(self.project(batch[PATCH])))
            if families is None or self.query is None or self.key is None:
                share = self.over_patches(patch, used)  # (person, place)
            else:
                query, key = self.query(families), self.key(patch)
                scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
                family_share = masked_share(scores, used[:, None])  # (person, family, place)
                attended = family_share @ patch  # (person, family, width)
                weight = self.over_patches(attended, torch.ones_like(attended[..., 0]))
                share = (weight[..., None] * family_share).sum(1)  # (person, place)
            outputs[f"{TOKENS}{PATCH}"] = share[..., None] * patch
            codes.append(outputs[f"{TOKENS}{PATCH}"].sum(1))  # (person, width)
        outputs[OUTPUT] = self.head(torch.cat(codes, dim=1))
        return outputs

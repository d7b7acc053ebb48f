"""The network of GenDMR: a bag of SNPs, a bag of regions and a fused head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.engine.batches import Tensors
from gendmr.engine.network import OUTPUT
from gendmr.methods.evidence import CHANNELS, MEASURES
from gendmr.methods.gendmr.attention import Block, GatedBag
from gendmr.methods.gendmr.tokens import CHROMOSOMES, CLASSES
from gendmr.methods.network_method import Architecture

if TYPE_CHECKING:
    from gendmr.methods.gendmr.exchange import Exchange

MODALITIES = ("snp", "region")
FEATURES = 2 * len(CHANNELS)  # log(1 + z^2) of each channel, of a SNP and as the mean of its gene
EMBEDDINGS = ("gene", "region_embedding")
# The prior of the evidence: may move, is pulled back. Departures from it start at zero.
PRIOR = ("trust", "caution", "mixture", "gate", "presence")
LEVELS = ("log_scale", "bias")
# Trust in each channel of the evidence before training.
TRUST = {"snp": (0.3, 0.05, 0.3, 0.45), "region": (0.3, 0.15, 0.05)}
SLOPES = ("snp.slope", "region.slope")
DEPARTURES = ("attend.weight", "free.weight", "gain.weight", "fuse_out.weight")


class GendmrNet(nn.Module):
    """The network; pure: everything it needs besides weights comes in the batch.

    A bag gives a risk for each phenotype of the evidence. With one phenotype for several outputs
    (intervals of time) all outputs share it, and each has a level of its own.

    Parameters
    ----------
    options : GendmrMethod
    architecture : Architecture
        `sizes`: `gene`, `region`, `phenotype`.
    exchange : Exchange, optional
        Who teaches whom, where modalities teach one another.
    """

    def __init__(
        self, options: GendmrMethod, architecture: Architecture, exchange: Exchange | None
    ) -> None:
        super().__init__()
        width, evidence = options.width, options.evidence != "none"
        self.sloped = options.design == "network"
        sizes = architecture.sizes
        self.options, self.modalities, self.exchange = options, architecture.modalities, exchange
        outputs, risks = architecture.task.n_outputs, sizes["phenotype"]
        if "snp" in self.modalities:
            self.dosage_class = nn.Parameter(torch.zeros(CLASSES, width))
            self.chromosome = nn.Parameter(torch.zeros(len(CHROMOSOMES), width))
            self.gene = nn.Parameter(torch.zeros(sizes["gene"], width))
            self.place = nn.Linear(2 * options.fourier, width, bias=False)
            self.surroundings = nn.Linear(4, width, bias=False)
            self.says = nn.Linear(FEATURES, width, bias=False)
            self.modulate = nn.Linear(width, width, bias=False)
            self.token_norm = nn.LayerNorm(width)
            self.blocks = nn.ModuleList(Block(width, options.heads) for _ in range(options.blocks))
            slopes = (sizes["snp"],) if self.sloped else None
            self.snp = GatedBag(
                width, options.attention, len(CHANNELS), risks, outputs, evidence, slopes
            )
        if "region" in self.modalities:
            self.measure_in = nn.Linear(MEASURES, width)
            self.measure_out = nn.Linear(width, width)
            self.region_embedding = nn.Parameter(torch.zeros(sizes["region"], width))
            self.region_says = nn.Linear(MEASURES, width, bias=False)
            self.region_norm = nn.LayerNorm(width)
            measured = (sizes["region"], MEASURES) if self.sloped else None
            self.region = GatedBag(
                width, options.attention, MEASURES, risks, outputs, evidence, measured
            )
        self.contrasted = options.contrast > 0 and len(self.modalities) == 2
        if self.contrasted:
            self.view = nn.ModuleDict(
                {name: nn.Linear(width, options.projection, bias=False) for name in self.modalities}
            )
        # By pattern of presence: none, region, snp, both.
        self.gate = nn.Parameter(torch.zeros(4, 2))
        self.presence = nn.Parameter(torch.zeros(4, outputs))
        self.fuse_in = nn.Linear(2 * width + 2, width)
        self.fuse_out = nn.Linear(width, risks, bias=False)

    def reset(self, random: torch.Generator) -> None:
        """Draw initial weights."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                leaf = name.rsplit(".", 1)[-1]
                zero = name in ("gate", "presence", *EMBEDDINGS, *SLOPES)
                # A block starts as the identity, the fused head as the sum of both bags.
                zero |= name.endswith(("out.weight", "down.weight")) and "measure" not in name
                if value.ndim == 2 and not zero:
                    fan = value.shape[1] if leaf == "weight" else value.shape[1] * 4
                    value.normal_(0, fan**-0.5, generator=random)
                elif "norm" in name and leaf == "weight":
                    value.fill_(1.0)
                else:
                    value.zero_()
            if "snp" in self.modalities:
                caution = 6.5 if self.sloped else 6.0
                self.snp.start(TRUST["snp"], caution, (0.4, 0.1, 0.4, 0.15))
            if "region" in self.modalities:
                self.region.start(TRUST["region"], 3.0, (0.6, 0.3, 0.1))

    def forward(self, batch: Tensors) -> Tensors:
        """Return outputs of the people of a batch; risks and attention too, for a read-out."""
        has_snp, has_region = batch["has_snp"], batch["has_region"]  # (person,)
        outputs: Tensors = {}
        nothing = has_snp.new_zeros(len(has_snp), self.options.width)
        vectors = dict.fromkeys(MODALITIES, nothing)  # (person, width)
        if "snp" in self.modalities:
            vectors["snp"] = self._snps(batch, outputs)
        if "region" in self.modalities:
            vectors["region"] = self._regions(batch, outputs)
        if self.contrasted:
            for name in self.modalities:
                outputs[f"view_{name}"] = functional.normalize(
                    self.view[name](vectors[name]), dim=-1
                )  # (person, projection)
        pattern = torch.stack(
            [
                (1 - has_snp) * (1 - has_region),
                (1 - has_snp) * has_region,
                has_snp * (1 - has_region),
                has_snp * has_region,
            ],
            dim=1,
        )  # (person, 4)
        gates = torch.exp(pattern @ self.gate)  # (person, 2)
        joined = torch.cat(
            [
                vectors["snp"] * has_snp[:, None],
                vectors["region"] * has_region[:, None],
                has_snp[:, None],
                has_region[:, None],
            ],
            dim=1,
        )  # (person, 2 width + 2)
        hidden = functional.gelu(self.fuse_in(joined))  # (person, width)
        if "noise.fuse" in batch:
            hidden = hidden * batch["noise.fuse"]
        output = self.fuse_out(hidden) + pattern @ self.presence  # (person, output)
        for number, name in enumerate(MODALITIES):
            if name in self.modalities:
                share = gates[:, number] * batch[f"has_{name}"]
                output = output + share[:, None] * outputs[f"output_{name}"]
        outputs[OUTPUT] = output
        return outputs

    def _snps(self, batch: Tensors, outputs: Tensors) -> torch.Tensor:
        """Return the bag vector of people (person, width); adds to `outputs`."""
        scores, values, tokens = self._table(batch)
        if "noise.snp" in batch:
            scores = scores + batch["noise.snp"]
        # A person carries one class of each SNP, so that all exponentials of the softmax are in the
        # table: sums over a person's SNPs are one product with it.
        shares = torch.exp(scores - scores.detach().amax())[..., None]  # (class, snp, 1)
        carried = batch["dosage"][:, None] == batch["classes"][:, None]
        carried = carried.to(shares.dtype)  # (person, class, snp)
        summands = torch.cat([shares, shares * values, shares * tokens], dim=-1)
        summed = carried.flatten(1) @ summands.flatten(0, 1)  # (person, 1 + risk + width)
        total, scale = summed[:, :1].clamp(min=1e-30), torch.exp(self.snp.log_scale)
        risks = values.shape[-1]
        outputs["output_snp"] = scale * summed[:, 1 : 1 + risks] / total + self.snp.bias
        if "read_out" in batch:
            outputs["attention_snp"] = (carried * shares[..., 0]).sum(1) / total  # (person, snp)
            snp_risks = [(carried * (shares[..., 0] * values[..., n])).sum(1) for n in range(risks)]
            outputs["risk_snp"] = scale * torch.stack(snp_risks, -1) / total[..., None]
        return summed[:, 1 + risks :] / total

    def _table(self, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return attention logits (class, snp), values (class, snp, risk) and tokens."""
        slot = batch["slot"]
        statistics = batch["snp_z"][slot]  # (snp, channel, phenotype)
        context = self.chromosome[batch["snp_chromosome"]] + self.gene[batch["snp_gene"]]
        context = context + self.surroundings(batch["snp_surroundings"])
        if self.options.position != "none":
            context = context + self.place(batch["snp_fourier"])
        bag = self.snp
        if bag.evidence:
            context = context + self.says(batch["snp_features"][slot])  # (snp, width)
        if self.blocks:
            chromosomes = [
                (batch[f"members_{name}"], batch[f"far_{name}"])
                for name in CHROMOSOMES
                if f"members_{name}" in batch
            ]
            for block in self.blocks:
                context = block(context, chromosomes, batch["place"])
        tokens = self.token_norm(
            context + self.dosage_class[:, None] * (1 + self.modulate(context))
        )  # (class, snp, width), classes counted in alleles that the evidence calls risky
        scores = bag.score(tokens) + batch["snp_absent"]
        values, gain = bag.free(tokens), bag.gain(tokens)
        effect = torch.zeros_like(values[:1])  # (1, snp, risk), per SD of the dosage
        if self.sloped:
            # Attention is a share: many instances of a slope each count as a sum of slopes does.
            count = (batch["snp_absent"] > -1).sum()
            effect = effect + count * bag.slopes(batch["steps"])
        if bag.evidence:
            effect = effect + bag.effect(statistics)
            scores = scores + bag.prior(statistics)
        effect = batch["snp_coded"][..., None] * effect  # (class, snp, risk)
        if not bag.evidence:
            return scores, values + effect * (1 + torch.tanh(gain)), tokens
        risky = batch["snp_flip"][slot]

        def in_effect_alleles(table: torch.Tensor) -> torch.Tensor:
            turned = risky.reshape(risky.shape + (1,) * (table.ndim - 2))
            return torch.where(turned, table[[2, 1, 0, 3]], table)

        scores, values, gain, tokens = map(in_effect_alleles, (scores, values, gain, tokens))
        return scores, values + effect * (1 + torch.tanh(gain)), tokens

    def _regions(self, batch: Tensors, outputs: Tensors) -> torch.Tensor:
        """Return the bag vector of people (person, width); adds to `outputs`."""
        measures = batch["regions"]  # (person, region, measure)
        statistics = batch["region_z"][batch["slot"]]  # (region, measure, phenotype)
        tokens = self.measure_out(functional.gelu(self.measure_in(measures)))
        # What a region is changes what its measures mean: added alone, all regions share a slope.
        tokens = tokens * (1 + self.region_embedding) + self.region_embedding
        bag = self.region
        if bag.evidence:
            largest = statistics.abs().amax(-1)  # (region, measure)
            tokens = tokens + self.region_says(torch.log1p(largest**2))
        tokens = self.region_norm(tokens)  # (person, region, width)
        score, value = bag.score(tokens), bag.free(tokens)
        weights = torch.zeros_like(statistics)  # (region, measure, phenotype)
        if self.sloped:
            weights = weights + len(weights) * bag.slopes(batch["steps"])
        if bag.evidence:
            score = score + bag.prior(statistics)
            weights = weights + bag.weighted(statistics)
        if bag.shrunken:
            effect = (measures[..., None] * weights).sum(-2)  # (person, region, phenotype)
            value = value + effect * (1 + torch.tanh(bag.gain(tokens)))
        attention = torch.softmax(score, dim=-1)  # (person, region)
        risk = torch.exp(bag.log_scale) * attention[..., None] * value  # (person, region, risk)
        if "read_out" in batch:
            outputs["attention_region"], outputs["risk_region"] = attention, risk
        outputs["output_region"] = risk.sum(1) + bag.bias  # (person, output)
        return torch.einsum("br,brd->bd", attention, tokens)

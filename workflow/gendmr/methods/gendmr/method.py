"""GenDMR: a bag of SNPs and a bag of brain regions, gated multi-instance attention over both.

Known of the published method (abstract of arXiv 2506.01456): SNPs are encoded with their genomic
context, and multi-instance attention quantifies the risk of SNPs and of brain regions. Everything
below is our reconstruction.

A SNP's token joins its dosage class, its place and what the training people say about it::

    context_j  = E_chr[chr_j] + E_gene[gene_j] + W F(u_j) + W2 c_j + W3 phi(e_j)
    token_gj   = LayerNorm(context_j + G[g] * (1 + W4 context_j))        g in 0, 1, 2, missing
    attention  = softmax_j( w'(tanh(V h) * sigmoid(U h)) / sqrt(L) + log sigmoid(s'e_j^2/2 - c) )
    value_gj   = x_gj (m'e_j) (1 + tanh(v'h)) + d'h
    risk_ij    = kappa attention_ij value_ij          bag logit = sum_j risk_ij + bias

with `u_j` the position as a share of the chromosome's length, `F` sines and cosines, `c_j` the
distances to the neighbours and to the gene, `e_j` the cross-fitted evidence
(`gendmr.methods.evidence`), `x` the standardised dosage. The last term of the attention is the log
probability that a SNP is worth attention under a two-group model of its statistics; with `w`, `v`
and `d` starting at zero, training starts from a shrunken two-channel score and departs from it
where that helps people whose own evidence was left out. Attention blocks let the context of a SNP
take up that of its neighbours on the chromosome. Tokens are computed once per SNP and dosage class,
not per person.

Regions likewise, with an MLP of the three measures in place of the dosage class. Who leads and who
teaches: `gendmr.methods.gendmr.exchange`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.errors import TrainingError
from gendmr.methods.gendmr.attention import Block, GatedBag
from gendmr.methods.base import Attribution, FitInputs, Progress
from gendmr.methods.classification import MODALITIES, cross_entropy, usable_bags
from gendmr.methods.evidence import CHANNELS, TWO_CHANNELS, Evidence, collect
from gendmr.methods.gendmr.exchange import Exchange
from gendmr.modalities.snp.transform import SnpTransform
from gendmr.seeds import generator
from gendmr.tasks.base import Task as FoldTask
from gendmr.engine.batches import (
    Plan,
    Randomness,
    Tensors,
    gather_epoch,
    plan_parts,
    stack,
    torch_generator,
)
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.fit import Fit, Layout, Runner, Task, call, choose_device, fit, set_up_device
from gendmr.engine.network import Network
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

NO_SNPS = pd.DataFrame({name: [] for name in ("chromosome", "position", "gene", "distance")})
CLASSES, MISSING = 4, 3  # dosage 0, 1, 2, missing
FEWEST_TO_EXCHANGE = 10  # people with both modalities
FEATURES = 2 * len(CHANNELS)  # log(1 + z^2) of each channel, of a SNP and as the mean of its gene
EMBEDDINGS = ("gene", "region_embedding")
# The prior of the evidence: may move, is pulled back. Departures from it start at zero.
PRIOR = ("trust", "caution", "mixture", "gate", "presence")
LEVELS = ("log_scale", "bias")
DEPARTURES = ("attend.weight", "free.weight", "gain.weight", "fuse_out.weight")

# Lengths of the chromosomes in GRCh37 (bp), for positions as a share; GRCh38 differs by < 1 %.
LENGTHS = {
    "1": 249250621, "2": 243199373, "3": 198022430, "4": 191154276, "5": 180915260,
    "6": 171115067, "7": 159138663, "8": 146364022, "9": 141213431, "10": 135534747,
    "11": 135006516, "12": 133851895, "13": 115169878, "14": 107349540, "15": 102531392,
    "16": 90354753, "17": 81195210, "18": 78077248, "19": 59128983, "20": 63025520,
    "21": 48129895, "22": 51304566, "X": 155270560,
}  # fmt: skip
CHROMOSOMES = tuple(LENGTHS)


def build(options: MethodOptions) -> Gendmr:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, GendmrMethod):
        raise TypeError(f"options of {method.kind}, not of gendmr")
    return Gendmr(method, options.optimisation or OptimisationSection(), options.reads)


class Net(nn.Module):
    """The network; pure: everything it needs besides weights comes in `fixed` and `batch`."""

    def __init__(
        self, options: GendmrMethod, genes: int, regions: int, bags: tuple[str, ...]
    ) -> None:
        super().__init__()
        width, evidence = options.width, options.evidence != "none"
        self.options, self.bags = options, bags
        if "snp" in bags:
            self.dosage_class = nn.Parameter(torch.zeros(CLASSES, width))
            self.chromosome = nn.Parameter(torch.zeros(len(CHROMOSOMES), width))
            self.gene = nn.Parameter(torch.zeros(genes, width))
            self.place = nn.Linear(2 * options.fourier, width, bias=False)
            self.surroundings = nn.Linear(4, width, bias=False)
            self.says = nn.Linear(FEATURES, width, bias=False)
            self.modulate = nn.Linear(width, width, bias=False)
            self.token_norm = nn.LayerNorm(width)
            self.blocks = nn.ModuleList(Block(width, options.heads) for _ in range(options.blocks))
            self.snp = GatedBag(width, options.attention, len(CHANNELS), evidence)
        if "region" in bags:
            self.measure_in = nn.Linear(3, width)
            self.measure_out = nn.Linear(width, width)
            self.region_embedding = nn.Parameter(torch.zeros(regions, width))
            self.region_says = nn.Linear(3, width, bias=False)
            self.region_norm = nn.LayerNorm(width)
            self.region = GatedBag(width, options.attention, 3, evidence)
        if contrasted(options, bags):
            self.view = nn.ModuleDict(
                {name: nn.Linear(width, options.projection, bias=False) for name in bags}
            )
        # By pattern of presence: none, region, snp, both.
        self.gate = nn.Parameter(torch.zeros(4, 2))
        self.presence = nn.Parameter(torch.zeros(4))
        self.fuse_in = nn.Linear(2 * width + 2, width)
        self.fuse_out = nn.Linear(width, 1, bias=False)

    def reset(self, random: torch.Generator) -> None:
        """Draw initial weights."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                leaf = name.rsplit(".", 1)[-1]
                zero = name == "gate" or name in EMBEDDINGS
                # A block starts as the identity, the fused head as the sum of both bags.
                zero |= name.endswith(("out.weight", "down.weight")) and "measure" not in name
                if value.ndim == 2 and not zero:
                    fan = value.shape[1] if leaf == "weight" else value.shape[1] * 4
                    value.normal_(0, fan**-0.5, generator=random)
                elif "norm" in name and leaf == "weight":
                    value.fill_(1.0)
                else:
                    value.zero_()
            if "snp" in self.bags:
                self.snp.start((0.3, 0.05, 0.3, 0.45), 6.0, (0.4, 0.1, 0.4, 0.15))
            if "region" in self.bags:
                self.region.start((0.3, 0.15, 0.05), 3.0, (0.6, 0.3, 0.1))

    def forward(
        self, fixed: Tensors, batch: Tensors, noise: Tensors | None, read_out: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return logits of the people of a batch; risks and attention too, for a read-out.

        There is no replicate axis here.
        """
        people = batch["has_snp"].shape[0]
        outputs: dict[str, torch.Tensor] = {}
        zero = batch["has_snp"].new_zeros(people)
        vectors = {name: zero[:, None].expand(-1, self.options.width) for name in ("snp", "region")}
        if "snp" in self.bags:
            vectors["snp"] = self._snps(fixed, batch, noise, outputs, read_out)
        if "region" in self.bags:
            vectors["region"] = self._regions(fixed, batch, noise, outputs)
        if contrasted(self.options, self.bags):
            for name in self.bags:
                outputs[f"view_{name}"] = functional.normalize(
                    self.view[name](vectors[name]), dim=-1
                )
        has_snp, has_region = batch["has_snp"], batch["has_region"]
        pattern = torch.stack(
            [
                (1 - has_snp) * (1 - has_region),
                (1 - has_snp) * has_region,
                has_snp * (1 - has_region),
                has_snp * has_region,
            ],
            dim=1,
        )
        gates = torch.exp(pattern @ self.gate)
        both = torch.cat(
            [
                vectors["snp"] * has_snp[:, None],
                vectors["region"] * has_region[:, None],
                has_snp[:, None],
                has_region[:, None],
            ],
            dim=1,
        )
        hidden = functional.gelu(self.fuse_in(both))
        if noise is not None:
            hidden = hidden * noise["fuse"]
        outputs["logit"] = (
            gates[:, 0] * outputs.get("logit_snp", zero) * has_snp
            + gates[:, 1] * outputs.get("logit_region", zero) * has_region
            + self.fuse_out(hidden).squeeze(-1)
            + pattern @ self.presence
        )
        return outputs

    def _snps(
        self,
        fixed: Tensors,
        batch: Tensors,
        noise: Tensors | None,
        outputs: Tensors,
        read_out: bool,
    ) -> torch.Tensor:
        scores, values, tokens = self._table(fixed, batch["slot"])
        if noise is not None:
            scores = scores + noise["snp"]
        # A person carries one class of each SNP, so that all exponentials of the softmax are in the
        # table: sums over a person's SNPs are one product with it.
        shares = torch.exp(scores - scores.detach().amax())
        carried = (batch["dosage"][:, None] == fixed["classes"][:, None]).to(shares.dtype)
        summed = torch.cat(
            [shares[..., None], (shares * values)[..., None], shares[..., None] * tokens], dim=-1
        )
        found = carried.flatten(1) @ summed.flatten(0, 1)
        total, scale = found[:, :1].clamp(min=1e-30), torch.exp(self.snp.log_scale)
        outputs["bias_snp"] = self.snp.bias.expand(len(total))
        outputs["logit_snp"] = scale * found[:, 1] / total[:, 0] + self.snp.bias
        if read_out:
            outputs["attention_snp"] = (carried * shares).sum(1) / total
            outputs["risk_snp"] = scale * (carried * (shares * values)).sum(1) / total
        return found[:, 2:] / total

    def _table(
        self, fixed: Tensors, slot: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return attention logits (class, snp), values (class, snp) and tokens of every class."""
        statistics = fixed["snp_z"][slot]
        context = self.chromosome[fixed["snp_chromosome"]] + self.gene[fixed["snp_gene"]]
        context = context + self.surroundings(fixed["snp_surroundings"])
        if self.options.position != "none":
            context = context + self.place(fixed["snp_fourier"])
        bag = self.snp
        if bag.evidence:
            context = context + self.says(fixed["snp_features"][slot])
        if self.blocks:
            chromosomes = [
                (fixed[f"members_{name}"], fixed[f"far_{name}"])
                for name in CHROMOSOMES
                if f"members_{name}" in fixed
            ]
            for block in self.blocks:
                context = block(context, chromosomes, fixed["place"])
        tokens = self.token_norm(
            context + self.dosage_class[:, None] * (1 + self.modulate(context))
        )  # (class, snp, width), classes counted in alleles that the evidence calls risky
        scores = bag.score(tokens) + fixed["snp_absent"]
        values = bag.free(tokens).squeeze(-1)
        if not bag.evidence:
            return scores, values, tokens
        gain = bag.gain(tokens).squeeze(-1)
        risky = fixed["snp_flip"][slot]

        def in_effect_alleles(table: torch.Tensor) -> torch.Tensor:
            turned = risky.reshape(risky.shape + (1,) * (table.ndim - 2))
            return torch.where(turned, table[[2, 1, 0, 3]], table)

        scores, values, gain, tokens = map(in_effect_alleles, (scores, values, gain, tokens))
        effect = fixed["snp_coded"] * bag.effect(statistics).sum(-1)
        return scores + bag.prior(statistics), values + effect * (1 + torch.tanh(gain)), tokens

    def _regions(
        self, fixed: Tensors, batch: Tensors, noise: Tensors | None, outputs: Tensors
    ) -> torch.Tensor:
        measures = batch["regions"]
        statistics = fixed["region_z"][batch["slot"]]
        tokens = self.measure_out(functional.gelu(self.measure_in(measures)))
        tokens = tokens + self.region_embedding
        bag = self.region
        if bag.evidence:
            tokens = tokens + self.region_says(torch.log1p(statistics**2))
        tokens = self.region_norm(tokens)
        score, value = bag.score(tokens), bag.free(tokens).squeeze(-1)
        if bag.evidence:
            score = score + bag.prior(statistics)
            effect = (measures * bag.effect(statistics)).sum(-1)
            value = value + effect * (1 + torch.tanh(bag.gain(tokens).squeeze(-1)))
        attention = torch.softmax(score, dim=-1)
        risk = torch.exp(bag.log_scale) * attention * value
        outputs["attention_region"], outputs["risk_region"] = attention, risk
        outputs["bias_region"] = bag.bias.expand(risk.shape[0])
        outputs["logit_region"] = risk.sum(-1) + bag.bias
        return torch.einsum("br,brd->bd", attention, tokens)


def contrasted(options: GendmrMethod, bags: tuple[str, ...]) -> bool:
    """Return whether views of both bags are needed."""
    return options.contrast > 0 and set(bags) == set(MODALITIES)


class GendmrNetwork(Network):
    """Loss, forward pass and exchange of roles for the shared fit."""


    def __init__(self, bags: tuple[str, ...], exchange: Exchange | None) -> None:
        self.bags = bags
        self.exchange = exchange
        if exchange is not None:
            self.auxiliary_losses = exchange.losses
            self.teachers = exchange.teachers

    def forward(
        self,
        module: nn.Module,
        parameters: Mapping[str, torch.Tensor],
        fixed: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
        noise: Mapping[str, torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return the outputs for one replicate."""
        return call(module, parameters, fixed, batch, noise)

    def loss(
        self, outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return CE of the fused head and half of that of each bag, over people who have it."""
        total = cross_entropy(outputs["logit"], batch["y"], batch["weight"])
        for name in self.bags:
            weight = batch["weight"] * batch[f"has_{name}"]
            total = total + 0.5 * cross_entropy(outputs[f"logit_{name}"], batch["y"], weight)
        return total

    def remember(
        self,
        memory: Tensors,
        student: Mapping[str, torch.Tensor],
        teachers: Mapping[str, Mapping[str, torch.Tensor]],
        batch: Mapping[str, torch.Tensor],
    ) -> Tensors:
        """Return what is known of people and views after a step."""
        return self.exchange.remember(memory, student, teachers, batch) if self.exchange else memory

    def turn(self, memory: Tensors) -> Tensors:
        """Return the memory with which the next epoch starts."""
        return self.exchange.turn(memory) if self.exchange else memory

    def summarise(self, memory: Mapping[str, torch.Tensor]) -> Tensors:
        """Return who led whom in the epoch."""
        return self.exchange.summarise(memory) if self.exchange else {}


@dataclass(frozen=True)
class Replicate:
    """Everything one replicate brings: tensors without the replicate axis."""

    fixed: Tensors
    people: Tensors
    validation: Tensors
    part: np.ndarray
    seed: int


class Gendmr:
    """GenDMR with its options; `fit` is one replicate, `fit_replicates` any number."""


    def __init__(
        self, options: GendmrMethod, optimisation: OptimisationSection, reads: tuple[str, ...]
    ) -> None:
        if options.width % options.heads:
            raise TrainingError(
                f"the width {options.width} is not a multiple of {options.heads} heads",
                next_step="change width or heads of the method",
            )
        self.options = options
        self.optimisation = optimisation
        self.reads = reads

    def fit(
        self,
        inputs: FitInputs,
        *,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> FittedGendmr:
        """Fit on `train`; see `Method.fit`.

        Raises
        ------
        TrainingError
            No modality can be trained, or the loss is not finite.
        """
        (fitted,) = self._fit([inputs], device, progress, checkpoint)
        return fitted

    def fit_many(
        self, inputs: Sequence[FitInputs], *, device: str, progress: Progress
    ) -> list[FittedGendmr]:
        """Fit each lot as `fit` does, all of them together; see `Method.fit_many`."""
        return self._fit(inputs, device, progress, None)

    def _fit(
        self, inputs: Sequence[FitInputs], device: str, progress: Progress, checkpoint: Checkpoint | None
    ) -> list[FittedGendmr]:
        where = set_up_device(device)
        # Networks of other bags or without an exchange are other networks.
        alike: dict[tuple[tuple[str, ...], bool], list[int]] = {}
        made: list[tuple[Replicate, list[str]]] = []
        for number, given in enumerate(inputs):
            bags, notes = usable_bags(given, self.reads)
            replicate, evidence = self.replicate(given, bags)
            made.append((replicate, notes + self._notes(given.train, bags, evidence)))
            kind = bags, _exchanges(self.options, bags, [replicate])
            alike.setdefault(kind, []).append(number)
        fitted: dict[int, FittedGendmr] = {}
        for (bags, _), numbers in alike.items():
            task, network = self.task_of([made[number][0] for number in numbers], bags, where)
            found = fit(network, task, self.optimisation, progress, checkpoint)
            for row, number in enumerate(numbers):
                replicate, notes = made[number]
                # Its own tensors: those of the task may be padded to the size of a neighbour.
                fixed = stack([replicate.fixed], where)
                _mark_padding(fixed, [replicate])
                fitted[number] = FittedGendmr(
                    module=task.module,
                    bag_names=bags,
                    preparation=inputs[number].preparation,
                    fixed={name: value[0] for name, value in fixed.items()},
                    row=found.weights[row],
                    history=found.history[row],
                    best_epoch=found.best_epoch[row],
                    device=where.type,
                    notes=notes,
                )
        return [fitted[number] for number in range(len(inputs))]

    def _notes(self, train: PreparedSubset, bags: tuple[str, ...], evidence: Evidence) -> list[str]:
        """Return what is not done in a fit for lack of people."""
        notes = []
        nobody = np.zeros(len(train), dtype=bool)
        typed, imaged = (train.present.get(name, nobody) for name in ("snp", "region"))
        if "imaging" in self._channels and not evidence.imaging_people:
            notes.append(
                f"{int(imaged.sum())} training people have region measurements,"
                f" {int((typed & imaged).sum())} of them genotypes: too few for"
                " imaging to say anything of SNPs; the evidence is the outcome alone."
            )
        if "outcome" in self._channels and "snp" in bags and not evidence.snp_all.any():
            notes.append(
                f"No SNP can be tested: beyond {train.covariates.shape[1]} covariates and"
                f" components, nothing varies among {int(typed.sum())} training people with"
                " genotypes; SNPs have no evidence."
            )
        both = int((typed & imaged).sum()) if len(bags) == 2 else 0
        if both < FEWEST_TO_EXCHANGE and Exchange(self.options).active:
            notes.append(
                f"{both} training people have both modalities, fewer than {FEWEST_TO_EXCHANGE}: no"
                " modality teaches the other in this fold."
            )
        return notes

    def fit_replicates(
        self,
        replicates: list[Replicate],
        bags: tuple[str, ...],
        *,
        device: str = "cpu",
        progress: Progress = lambda line: None,
    ) -> Fit:
        """Fit replicates together; people and SNPs may differ in number, regions are the same."""
        task, network = self.task_of(replicates, bags, choose_device(device))
        return fit(network, task, self.optimisation, progress)

    @property
    def _channels(self) -> tuple[str, ...]:
        return {
            "none": (),
            "outcome": ("outcome",),
            "both": TWO_CHANNELS,
            "all": CHANNELS,
        }[self.options.evidence]

    def replicate(self, given: FitInputs, bags: tuple[str, ...]) -> tuple[Replicate, Evidence]:
        """Make the tensors of one replicate."""
        seed = given.seed
        evidence = collect(
            given.train,
            given.task,
            parts=self.options.parts,
            partitions=self.options.partitions,
            channels=self._channels,
            random=generator(seed, "evidence"),
        )
        fixed = self._fixed(given.preparation, evidence, bags, seed)
        last = evidence.snp.shape[0] * evidence.snp.shape[1]
        people, outside = (
            tensors_of(people, given.task, bags) for people in (given.train, given.validation)
        )
        outside["slot"] = torch.tensor(last)
        return Replicate(fixed, people, outside, evidence.part, seed), evidence

    def task_of(
        self, replicates: list[Replicate], bags: tuple[str, ...], device: torch.device
    ) -> tuple[Task, GendmrNetwork]:
        """Stack replicates into what the shared fit takes."""
        fixed = stack([item.fixed for item in replicates], device)
        people = stack([item.people for item in replicates], device)
        validation = stack([item.validation for item in replicates], device)
        _mark_padding(fixed, replicates)
        genes = 1 + max(int(item.fixed["snp_gene"].max()) for item in replicates)
        regions = fixed["region_z"].shape[2]
        module = Net(self.options, genes, regions, bags)
        layout = Layout(module)
        exchange = Exchange(self.options) if _exchanges(self.options, bags, replicates) else None
        network = GendmrNetwork(bags, exchange)
        rows = []
        for item in replicates:
            module.reset(torch_generator(item.seed, "weights"))
            rows.append(layout.flatten(module))
        start = torch.stack(rows).to(device)
        module = module.to(device)
        shuffles = [generator(item.seed, "batches") for item in replicates]
        dropouts = [torch_generator(item.seed, "dropout") for item in replicates]
        options = self.optimisation
        parts = self.options.parts
        sizes = [len(item.fixed["snp_gene"]) for item in replicates]

        def batches(epoch: int) -> list[Tensors]:
            partition = (epoch - 1) % self.options.partitions
            plans = [
                plan_parts(item.part[partition], parts, partition * parts, options.batch_size, random)
                for item, random in zip(replicates, shuffles, strict=True)
            ]
            return gather_epoch(plans, people)

        def noise(batch: Tensors) -> Tensors:
            """Draw for a replicate's own people and SNPs, whatever its neighbours bring."""
            shape = batch["y"].shape[1]
            here = (batch["person"] < people["y"].shape[1]).sum(1).tolist()
            masks = []
            for random, size, count in zip(dropouts, sizes, here, strict=True):
                mask = {"fuse": torch.ones(shape, self.options.width)}
                gone = torch.zeros(size, dtype=torch.bool)
                if count:
                    kept = torch.rand(count, self.options.width, generator=random)
                    mask["fuse"][:count] = (kept >= self.options.dropout) / (1 - self.options.dropout)
                    gone = torch.rand(size, generator=random) < self.options.token_dropout
                if "snp" in bags:
                    # A bag keeps an instance.
                    mask["snp"] = (gone & ~gone.all()).float() * -1e4
                masks.append(mask)
            return stack(masks, device)

        task = Task(
            module=module,
            start=start,
            fixed=fixed,
            batches=batches,
            noise=noise,
            validation=validation,
            decay=lambda name: _decay(name, self.options, options.weight_decay),
            speed=_speed,
            random=Randomness(shuffles, dropouts),
            memory=exchange.start(people) if exchange else {},
        )
        _scale_bags(Runner(network, task), people, [item.part[0] for item in replicates], parts)
        return task, network

    def _fixed(
        self, preparation: Preparation, evidence: Evidence, bags: tuple[str, ...], seed: int
    ) -> Tensors:
        snps = preparation.instances("snp") if "snp" in preparation.reads else NO_SNPS
        count = len(snps)
        chromosome = snps["chromosome"].to_numpy(dtype=str)
        position = snps["position"].to_numpy(dtype=np.float64)
        code = np.array([LENGTHS_INDEX.get(name, 0) for name in chromosome], dtype=np.int64)
        _, gene = np.unique(
            np.array([text.split(";")[0] for text in snps["gene"]], dtype=str), return_inverse=True
        )
        z = _slots(evidence.snp[..., 0], evidence.snp_all[..., 0])
        fixed = {
            "snp_z": z,
            "snp_flip": z.sum(axis=2) < 0,
            "snp_features": _features(z, gene),
            "snp_chromosome": code,
            "snp_gene": gene.reshape(-1).astype(np.int64) if count else np.zeros(1, np.int64),
            "snp_surroundings": _surroundings(snps),
            "snp_fourier": self._fourier(chromosome, position, seed),
            "snp_coded": _coded(preparation),
            "classes": np.arange(CLASSES, dtype=np.uint8),
            "region_z": _slots(evidence.region[..., 0], evidence.region_all[..., 0]),
            "snp_absent": np.zeros(max(count, 1), dtype=np.float32),
        }
        if self.options.blocks and "snp" in bags:
            fixed |= _chromosomes(code, position)
        return {
            name: torch.from_numpy(value.astype(np.float32) if value.dtype == np.float64 else value)
            for name, value in fixed.items()
        }

    def _fourier(self, chromosome: np.ndarray, position: np.ndarray, seed: int) -> np.ndarray:
        """Return sines and cosines of 2^k pi u, computed in float64, as (snp, 2 octaves)."""
        length = np.array([max(LENGTHS.get(name, 0), 1) for name in chromosome], dtype=np.float64)
        for name in np.unique(chromosome):
            here = chromosome == name
            length[here] = np.maximum(length[here], position[here].max())
        share = position / length
        if self.options.position == "index":
            share = (np.arange(len(share)) + 0.5) / max(len(share), 1)
        elif self.options.position == "shuffled":
            share = generator(seed, "position").permutation(share)
        angle = np.pi * share[:, None] * 2.0 ** np.arange(self.options.fourier)
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


LENGTHS_INDEX = {name: number for number, name in enumerate(CHROMOSOMES)}


def tensors_of(people: PreparedSubset, task: FoldTask, bags: tuple[str, ...]) -> Tensors:
    """Return what the network reads of people, without the replicate axis."""
    found = {
        "y": torch.from_numpy(task.target(people.outcome)["case"]),
        "weight": torch.from_numpy(task.weights(people.outcome).astype(np.float32)),
    }
    for name in MODALITIES:
        has = people.present[name] if name in bags else np.zeros(len(people))
        found[f"has_{name}"] = torch.from_numpy(has.astype(np.float32))
    if "snp" in bags:
        dosage = people.values["snp"]
        found["dosage"] = torch.from_numpy(
            np.where(dosage < 0, MISSING, dosage).astype(np.uint8)
        )
    if "region" in bags:
        found["regions"] = torch.from_numpy(people.values["region"])
    return found


def _slots(parts: np.ndarray, everybody: np.ndarray) -> np.ndarray:
    """Return the evidence of every part of every partition, then that of all (slot, ...)."""
    return np.concatenate([part for row in parts for part in row[:, None]] + [everybody[None]])


def _features(z: np.ndarray, gene: np.ndarray) -> np.ndarray:
    """Return log(1 + z^2) by channel, of the SNP and as its gene's mean (slot, snp, feature)."""
    square = z.astype(np.float64) ** 2
    genes = int(gene.max(initial=0)) + 1
    size = np.maximum(np.bincount(gene.reshape(-1), minlength=genes), 1)
    pooled = np.zeros((genes, z.shape[0], z.shape[2]))
    np.add.at(pooled, gene.reshape(-1), square.swapaxes(0, 1))
    pooled = (pooled / size[:, None, None])[gene.reshape(-1)].swapaxes(0, 1)
    return np.concatenate([np.log1p(square), np.log1p(pooled)], axis=2).astype(np.float32)


def _surroundings(snps: Any) -> np.ndarray:
    """Return log distances to the neighbours and to the gene, and whether inside (snp, 4)."""
    chromosome = snps["chromosome"].to_numpy(dtype=str)
    position = snps["position"].to_numpy(dtype=np.float64)
    count = len(snps)
    order = np.lexsort((position, chromosome))
    gap = np.full(count + 1, 1e6)
    if count > 1:
        same = chromosome[order][1:] == chromosome[order][:-1]
        gap[1:-1] = np.where(same, np.diff(position[order]), 1e6)
    values = np.zeros((count, 4))
    values[order, 0] = np.log1p(np.clip(gap[:-1], 0, 1e6)) / 10
    values[order, 1] = np.log1p(np.clip(gap[1:], 0, 1e6)) / 10
    distance = snps["distance"].to_numpy(dtype=np.float64)
    near = np.nan_to_num(distance)
    values[:, 2] = np.sign(near) * np.log1p(np.abs(near)) / 10
    values[:, 3] = np.isfinite(distance) & (near == 0)
    return values


def _coded(preparation: Preparation) -> np.ndarray:
    """Return the standardised dosage of each class, 0 for missing (class, snp)."""
    dosage = np.arange(CLASSES, dtype=np.float64)[:, None]
    if "snp" not in preparation.reads:
        return np.zeros((CLASSES, 0))
    transform = cast(SnpTransform, preparation.transforms["snp"])
    coded = (dosage - transform.mean_dosage) / transform.scale_dosage
    coded[MISSING] = 0.0
    return np.asarray(coded)


def _chromosomes(code: np.ndarray, position: np.ndarray) -> dict[str, np.ndarray]:
    """Return the SNPs of each chromosome and the log distances between them.

    Every chromosome has a slot, so that replicates with other SNPs stack.
    """
    found: dict[str, np.ndarray] = {"place": np.zeros(code.size, dtype=np.int64)}
    for number, name in enumerate(CHROMOSOMES):
        inside = np.flatnonzero(code == number)
        apart = np.abs(position[inside][:, None] - position[inside][None])
        found[f"members_{name}"] = inside
        found[f"far_{name}"] = np.log1p(apart / 1e4)
    return found


def _mark_padding(fixed: Tensors, replicates: list[Replicate]) -> None:
    """Keep padded SNPs out of every attention; tell where each SNP stands among the slots."""
    for row, item in enumerate(replicates):
        fixed["snp_absent"][row, len(item.fixed["snp_absent"]) :] = -1e9
        start = 0
        for name in CHROMOSOMES:
            if f"members_{name}" not in fixed:
                continue
            count = len(item.fixed[f"members_{name}"])
            fixed[f"far_{name}"][row, :, count:] = 1e9
            slots = fixed[f"members_{name}"].shape[1]
            members = fixed[f"members_{name}"][row, :count]
            fixed["place"][row, members] = torch.arange(start, start + count, device=members.device)
            start += slots
    for name in CHROMOSOMES:
        if f"members_{name}" in fixed and not fixed[f"members_{name}"].shape[1]:
            del fixed[f"members_{name}"], fixed[f"far_{name}"]


def _exchanges(options: GendmrMethod, bags: tuple[str, ...], replicates: list[Replicate]) -> bool:
    """Return whether modalities teach one another: enough people have both in every replicate."""
    if len(bags) < 2 or not Exchange(options).active:
        return False
    both = [int((item.people["has_snp"] * item.people["has_region"]).sum()) for item in replicates]
    return min(both) >= FEWEST_TO_EXCHANGE


def _scale_bags(runner: Runner, people: Tensors, part: list[np.ndarray], parts: int) -> None:
    """Let bag logits start with an SD of one half in the training people, whatever the bag's size.

    Changes the initial weights of the task.
    """
    task, layout = runner.task, runner.layout
    bags = [name for name in ("snp", "region") if f"{name}.log_scale" in layout.names]
    plans: list[Plan] = [
        [(number, np.flatnonzero(row == number)) for number in range(parts)] for row in part
    ]
    logits: dict[str, list[torch.Tensor]] = {name: [] for name in bags}
    present: dict[str, list[torch.Tensor]] = {name: [] for name in bags}
    with torch.no_grad():
        for batch in gather_epoch(plans, people):
            outputs = runner.outputs(task.start, batch)
            for name in bags:
                logits[name].append(outputs[f"logit_{name}"])
                present[name].append(batch[f"has_{name}"] * (batch["weight"] > 0))
        start = 0
        for name, width in zip(layout.names, layout.sizes, strict=True):
            for bag in bags:
                if name == f"{bag}.log_scale":
                    values, weight = torch.cat(logits[bag], 1), torch.cat(present[bag], 1)
                    count = weight.sum(1).clamp(min=1)
                    mean = (values * weight).sum(1) / count
                    spread = (((values - mean[:, None]) ** 2 * weight).sum(1) / count).sqrt()
                    factor = torch.log(0.5 / spread.clamp(min=1e-4)).clamp(-4, 4)
                    # A bag that says nothing yet is not turned up.
                    task.start[:, start] = torch.where(spread > 1e-4, factor, 0.0)
            start += width


def _decay(name: str, options: GendmrMethod, weight_decay: float) -> float:
    leaf = name.rsplit(".", 1)[-1]
    if name in EMBEDDINGS:
        return options.embedding_decay
    if leaf in PRIOR or name.endswith(DEPARTURES):
        return options.prior_decay
    return weight_decay if leaf == "weight" and "norm" not in name else 0.0


def _speed(name: str) -> float:
    leaf = name.rsplit(".", 1)[-1]
    return 3.0 if leaf in PRIOR else 10.0 if leaf in LEVELS else 1.0


@dataclass
class FittedGendmr:
    """A fitted network of one replicate."""

    module: nn.Module
    bag_names: tuple[str, ...]
    preparation: Preparation
    fixed: Tensors
    row: torch.Tensor
    history: list[dict[str, Any]]
    best_epoch: int
    device: str
    notes: list[str]
    packages: tuple[str, ...] = ("numpy", "scipy", "torch")

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, with the evidence that tokens read."""
        layout = Layout(self.module)
        found = {name: value.cpu().numpy() for name, value in layout.unflatten(self.row).items()}
        found["evidence.snp"] = self.fixed["snp_z"][-1].cpu().numpy()
        found["evidence.region"] = self.fixed["region_z"][-1].cpu().numpy()
        return found

    def predict(self, people: PreparedSubset) -> np.ndarray:
        """Return the logit of being a case, float64 (person, 1)."""
        return np.asarray(self._run(people, ("logit",))["logit"], dtype=np.float64)[:, None]

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return signed risks and attention of both bags."""
        wanted = [
            f"{kind}_{name}" for name in self.bag_names for kind in ("risk", "attention", "bias")
        ]
        outputs = self._run(people, tuple(wanted))
        found = {}
        for name in self.bag_names:
            missing = ~people.present[name]
            values = [outputs[f"{kind}_{name}"].copy() for kind in ("risk", "attention", "bias")]
            for value in values:
                value[missing] = np.nan
            found[name] = Attribution(value=values[0], attention=values[1], baseline=values[2])
        return found

    def _run(self, people: PreparedSubset, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
        parameters = Layout(self.module).unflatten(self.row)
        slot = torch.tensor(self.fixed["snp_z"].shape[0] - 1, device=self.row.device)
        collected: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
        with torch.no_grad():
            for start in range(0, len(people), 64):
                batch = tensors_of(
                    people.take(slice(start, start + 64)), self.preparation.task, self.bag_names
                )
                batch = {name: value.to(self.row.device) for name, value in batch.items()}
                batch["slot"] = slot
                outputs = call(self.module, parameters, self.fixed, batch, None, True)
                for name in wanted:
                    collected[name].append(outputs[name].cpu().numpy())
        return {name: np.concatenate(values) for name, values in collected.items()}


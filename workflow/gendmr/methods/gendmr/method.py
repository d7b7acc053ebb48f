"""GenDMR: a bag of SNPs and a bag of brain regions, gated multi-instance attention over both.

Known of the published method (abstract of arXiv 2506.01456): SNPs are encoded with their genomic
context, and multi-instance attention quantifies the risk of SNPs and of brain regions. Everything
below is our reconstruction.

A SNP's token joins its dosage class, its place and what the training people say about it::

    context_j  = E_chr[chr_j] + E_gene[gene_j] + W F(u_j) + W2 c_j + W3 phi(e_j)
    token_gj   = LayerNorm(context_j + G[g] * (1 + W4 context_j))        g in 0, 1, 2, missing
    attention  = softmax_j( w'(tanh(V h) * sigmoid(U h)) / sqrt(L) + log sigmoid(s'e_j^2/2 - c) )
    value_gj   = x_gj (m'e_j) (1 + tanh(v'h)) + d'h
    risk_ij    = kappa attention_ij value_ij          bag output = sum_j risk_ij + bias

with `u_j` the position as a share of the chromosome's length, `F` sines and cosines, `c_j` the
distances to the neighbours and to the gene, `e_j` the cross-fitted evidence
(`gendmr.methods.evidence`), `x` the standardised dosage. The last term of the attention is the log
probability that a SNP is worth attention under a two-group model of its statistics; with `w`, `v`
and `d` starting at zero, training starts from a shrunken two-channel score and departs from it
where that helps people whose own evidence was left out. Attention blocks let the context of a SNP
take up that of its neighbours on the chromosome. Tokens are computed once per SNP and dosage class,
not per person.

With several phenotypes (classes), `m'e_j`, `v` and `d` have a column for each, attention is shared,
and an instance counts by the phenotype that it says most of; with several outputs of one phenotype
(intervals of time), outputs share the risk and have a bias each.

Regions likewise, with an MLP of the three measures in place of the dosage class. Who leads and who
teaches: `gendmr.methods.gendmr.exchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Piece, TensorRows, Tensors
from gendmr.engine.device import torch_generator
from gendmr.engine.layout import Layout
from gendmr.engine.network import FitProblem, Step, mean_loss
from gendmr.engine.phase import TASK, Phase, Term, task_term
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.evidence import (
    CHANNELS,
    TWO_CHANNELS,
    CrossFitting,
    collect,
    collect_of_all,
    log_bayes_factors,
)
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.gendmr.decay import decay_of
from gendmr.methods.gendmr.exchange import Exchange
from gendmr.methods.gendmr.network import LEVELS, MODALITIES, PRIOR, TRUST, GendmrNet
from gendmr.methods.gendmr.tokens import MISSING, mark_padding, tables
from gendmr.methods.gendmr.too_few import FEWEST_TO_EXCHANGE, not_done, with_both
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator
from gendmr.tasks.base import Task

HEAD = 0.5  # weight of the loss of each bag's own head
START = 0.5  # SD of what a bag says of training people before the first step


def build(options: MethodOptions) -> Gendmr:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, GendmrMethod):
        raise TypeError(f"options of {method.kind}, not of gendmr")
    return Gendmr(method, options)


class Gendmr(NetworkMethod):
    """GenDMR with its options."""

    def __init__(self, section: GendmrMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the evidence."""
        return {
            "none": (),
            "outcome": ("outcome",),
            "both": TWO_CHANNELS,
            "all": CHANNELS,
        }[self.options.evidence]

    @property
    def cross_fitting(self) -> CrossFitting:
        """How evidence is collected."""
        return CrossFitting(self.options.parts, self.options.partitions, self.channels)

    # -- a replicate -----------------------------------------------------------------------------

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with cross-fitted evidence."""
        train, task = inputs.train, inputs.task
        evidence = collect(
            train,
            task,
            self.cross_fitting,
            generator(inputs.seed, "evidence"),
        )
        people = self.people_tensors(train, inputs.preparation, modalities)
        for name, groups in (
            ("stratum", task_groups(train.outcome.strata())),
            ("group", task_groups(task.groups(train.outcome))),
        ):
            people[name] = torch.from_numpy(groups[1].astype(np.float32))
        sizes = np.bincount(evidence.part[0], minlength=self.options.parts)
        steps = np.ceil(sizes / self.optimisation.batch_size).sum()  # of an epoch
        return FitProblem(
            seed=inputs.seed,
            task=task,
            train=TensorRows(people),
            validation=TensorRows(
                self.people_tensors(inputs.validation, inputs.preparation, modalities)
            ),
            outcome=train.outcome,
            validation_outcome=inputs.validation.outcome,
            fixed=tables(self.options, inputs.preparation, evidence, modalities, inputs.seed)
            | {"steps": torch.tensor(float(steps))},
            slot=evidence.part.shape[0] * self.options.parts,
            part=evidence.part,
            notes=not_done(
                train,
                modalities,
                evidence,
                channels=self.channels,
                exchange_wanted=Exchange.wanted(self.options),
            ),
        )

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return dosage classes (person, snp), regions (person, region, measure), presence."""
        tensors: Tensors = {}
        for name in MODALITIES:
            present = people.present[name] if name in modalities else np.zeros(len(people))
            tensors[f"has_{name}"] = torch.from_numpy(present.astype(np.float32))
        if "snp" in modalities:
            dosage = people.values["snp"]
            classes = np.where(dosage < 0, MISSING, dosage).astype(np.uint8)
            tensors["dosage"] = torch.from_numpy(classes)
        if "region" in modalities:
            tensors["regions"] = torch.from_numpy(people.values["region"])
        return tensors

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return numbers of genes, regions and phenotypes of the evidence."""
        return {
            "gene": 1 + int(problem.fixed["snp_gene"].max()),
            "region": problem.fixed["region_z"].shape[1],
            "snp": problem.fixed["snp_z"].shape[1],
            "phenotype": problem.fixed["snp_z"].shape[-1],
        }

    def switches(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> tuple[Any, ...]:
        """Return whether modalities teach one another, and the groups that shares are told of."""
        names, _ = task_groups(inputs.task.groups(inputs.train.outcome))
        exchanges = (
            Exchange.wanted(self.options)
            and with_both(inputs.train, modalities) >= FEWEST_TO_EXCHANGE
        )
        return exchanges, tuple(names)

    # -- the network -----------------------------------------------------------------------------

    def network(self, architecture: Architecture) -> GendmrNet:
        """Return the network, with an exchange where modalities teach one another."""
        exchanges, groups = architecture.switches
        exchange = Exchange(self.options, architecture.task, groups) if exchanges else None
        return GendmrNet(self.options, architecture, exchange)

    def reset(self, module: nn.Module, seed: int) -> None:
        """Draw initial weights."""
        cast(GendmrNet, module).reset(torch_generator(seed, "weights"))

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` and `output_<modality>` (person, n_outputs), and views."""
        outputs: Tensors = module(batch)
        return outputs

    def pad_fixed(self, fixed: Tensors, problems: Sequence[FitProblem]) -> None:
        """Keep padded SNPs out of every attention."""
        mark_padding(fixed, [problem.fixed for problem in problems])

    def noise(
        self, module: nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        """Return dropout of the fused head (person, width), and SNPs that are hidden (snp,)."""
        options = self.options
        mask = torch.rand(people, options.width, generator=random) >= options.dropout
        noise = {"fuse": mask / (1 - options.dropout)}
        if "snp" in cast(GendmrNet, module).modalities:
            count = len(problem.fixed["snp_absent"])
            hidden = torch.rand(count, generator=random) < options.token_dropout
            # Never hide all SNPs: the softmax would be empty.
            noise["snp"] = (hidden & ~hidden.all()).float() * -1e4
        return noise

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase: the loss of the fused head, of each bag's, and of the exchange."""
        net, task = cast(GendmrNet, module), problems[0].task
        terms = {TASK: task_term(task), "heads": Term(_heads(task, net.modalities))}
        if net.exchange is None:
            return (Phase("fit", terms, self._batches),)
        return (
            Phase("fit", terms | net.exchange.terms, self._batches, teachers=net.exchange.teachers),
        )

    def _batches(self, problem: FitProblem, phase: str, epoch: int, size: int) -> Iterator[Piece]:
        """Give steps within one part of the training people, whose evidence is from the others.

        Epochs use the partitions in turn.
        """
        if problem.part is None:
            raise ValueError("people are not cut into parts")
        partition = (epoch - 1) % self.options.partitions
        random = generator(problem.seed, "batches", phase, epoch)
        part, parts = problem.part[partition], self.options.parts
        for number in random.permutation(parts):
            people = random.permutation(np.flatnonzero(part == number))
            if people.size:
                for index in np.array_split(people, -(-people.size // size)):
                    yield Piece(index, partition * parts + int(number))

    def on_fit_start(
        self,
        module: nn.Module,
        layout: Layout,
        weights: torch.Tensor,
        survey: Callable[[], list[list[tuple[Tensors, Tensors]]]],
    ) -> torch.Tensor:
        """Let outputs of bags start with the same SD, whatever the number of instances."""
        steps_by_row = survey()
        weights = weights.clone()
        start = 0
        for name, width in zip(layout.names, layout.sizes, strict=True):
            bag, _, leaf = name.rpartition(".")
            if leaf == "log_scale":
                for row, steps in enumerate(steps_by_row):
                    weights[row, start] = _log_scale(steps, bag)
            start += width
        return weights

    # -- hooks: what the exchange of roles remembers -----------------------------------------------

    def memory(self, module: nn.Module, problem: FitProblem) -> Tensors:
        """Return what the exchange remembers before the first step."""
        exchange = cast(GendmrNet, module).exchange
        if exchange is None or not isinstance(problem.train, TensorRows):
            return {}
        return exchange.start(problem.train.tensors)

    def on_train_batch_end(self, step: Step) -> Tensors:
        """Return what is known of people and views after a step."""
        exchange = cast(GendmrNet, step.module).exchange
        return step.memory if exchange is None else exchange.after_batch(step)

    def on_train_epoch_end(self, module: nn.Module, memory: Tensors) -> Tensors:
        """Return the memory with which the next epoch starts."""
        exchange = cast(GendmrNet, module).exchange
        return memory if exchange is None else exchange.after_epoch(memory)

    def epoch_metrics(self, module: nn.Module, memory: Tensors) -> Tensors:
        """Return which modality led whom in the epoch."""
        exchange = cast(GendmrNet, module).exchange
        return {} if exchange is None else exchange.metrics(memory)

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter: embeddings and the prior have their own."""
        return decay_of(name, self.options, optimisation)

    def lr_multiplier(self, name: str) -> float:
        """Return the multiple of the learning rate: few numbers that decide much learn faster."""
        leaf = name.rsplit(".", 1)[-1]
        return 3.0 if leaf in PRIOR else 10.0 if leaf in LEVELS else 1.0

    # -- what a fitted network says --------------------------------------------------------------

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return signed risks and attention of the bags, for the contrast of the task."""
        task = fitted.task
        collected: dict[str, list[tuple[np.ndarray, ...]]] = {}
        named = Layout(fitted.module).unflatten(fitted.row)
        for outputs, _ in fitted.outputs(people, read_out=True):
            output = outputs["output"].cpu().numpy()
            contrast = torch.from_numpy(
                np.asarray(task.contrast(output.astype(np.float64)), dtype=np.float32)
            ).to(fitted.row.device)  # (person, output)
            for name in fitted.modalities:
                risk = outputs[f"risk_{name}"]  # (person, instance, risk)
                # Outputs that share a risk share its weight.
                shares = contrast if risk.shape[2] > 1 else contrast.sum(1, keepdim=True)
                value = (risk * shares[:, None]).sum(2)
                baseline = (contrast * named[f"{name}.bias"]).sum(1)
                parts = (value, baseline, outputs[f"attention_{name}"])
                collected.setdefault(name, []).append(tuple(part.cpu().numpy() for part in parts))
        attributions = {}
        for name, batches in collected.items():
            joined = [np.concatenate(values) for values in zip(*batches, strict=True)]
            for values in joined:
                values[~people.present[name]] = np.nan
            signed, baselines, attention = joined
            attributions[name] = Attribution(signed, baselines, attention)
        return attributions

    def evidence(self, inputs: FitInputs) -> dict[str, np.ndarray]:
        """Return the evidence of each modality: see `gendmr.methods.base.GivesEvidence`.

        Channels are trusted as before training, which moves that trust by some 2 %: so a
        permutation of outcomes needs no fit to repeat it.
        """
        if not self.channels:
            return {}
        modalities, _ = self.usable(inputs)
        snp, region = collect_of_all(
            inputs.train.joined(inputs.validation),
            inputs.task,
            self.cross_fitting,
            generator(inputs.seed, "evidence"),
        )
        z = {"snp": snp, "region": region}
        return {name: log_bayes_factors(z[name], TRUST[name]) for name in modalities}

    def learned(self, fitted: FittedNetwork) -> dict[str, np.ndarray]:
        """Return the evidence that tokens of people outside training read."""
        return {
            f"evidence.{name}": fitted.fixed[f"{name}_z"][fitted.slot].cpu().numpy()
            for name in MODALITIES
        }


def task_groups(names: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return names of groups, sorted, and the place of each person's (person,)."""
    groups, code = np.unique(names.astype(str), return_inverse=True)
    return groups.tolist(), code.reshape(-1)


def _heads(task: Task, modalities: tuple[str, ...]) -> Callable[[Step], torch.Tensor]:
    """Return the loss of each bag's own head, over people who have the modality."""

    def loss(step: Step) -> torch.Tensor:
        losses = [
            mean_loss(task, step.outputs[f"output_{name}"], step.batch, step.batch[f"has_{name}"])
            for name in modalities
        ]
        return HEAD * torch.stack(losses).sum()

    return loss


def _log_scale(steps: list[tuple[Tensors, Tensors]], bag: str) -> torch.Tensor:
    """Return the log of the factor that gives a bag's outputs the SD `START`."""
    values = torch.cat([outputs[f"output_{bag}"] for outputs, _ in steps])  # (person, output)
    present = [batch[f"has_{bag}"] * (batch["weight"] > 0) for _, batch in steps]
    weight = torch.cat(present)[:, None]
    count = weight.sum().clamp(min=1)
    mean = (values * weight).sum(0) / count
    spread = (((values - mean) ** 2 * weight).sum(0) / count).sqrt().mean()
    factor = torch.log(START / spread.clamp(min=1e-4)).clamp(-4, 4)
    # Constant outputs would give an infinite scale: leave it at 1.
    return torch.where(spread > 1e-4, factor, torch.zeros_like(factor))

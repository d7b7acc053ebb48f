"""Subspaces of genes: which genes are in which, and how the network is trained.

Zhang et al. 2024, "Knowledge-driven subspace fusion and gradient coordination for multi-modal
learning" (MICCAI, arXiv 2406.13979), written from its description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.subspace import SubspaceMethod
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, FitProblem, Step, mean_loss, target_of
from gendmr.engine.phase import TASK, Phase, Term
from gendmr.engine.training import Replicates
from gendmr.errors import TrainingError, first_few, plural
from gendmr.methods.bags import (
    EXPRESSION,
    FEATURES,
    HAS_EXPRESSION,
    PATCH,
    PLACES,
    USED,
    attribute,
    bag_problem,
    features_of,
    tensors_of,
)
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.methods.subspace.network import (
    ALONE,
    GENES,
    POINTS,
    SEED,
    SubspaceEnsemble,
    SubspaceNet,
)
from gendmr.methods.subspace.sampling import leave_no_sampling, leave_sampling, places_of
from gendmr.methods.subspace.terms import Grouping, concordance, consistency, coordinate
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator

HEAD = "networks.{}.head.weight"
CONSISTENCY = "consistency"


def build(options: MethodOptions) -> Subspace:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, SubspaceMethod):
        raise TypeError(f"options of {method.kind}, not of subspace")
    return Subspace(method, options)


class Subspace(NetworkMethod):
    """See the module."""

    replicates: ClassVar[Replicates] = "apart"

    def __init__(self, section: SubspaceMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section
        self.seeds = section.networks(self.reads)
        released = section.compat == "released"
        self.projection = "released" if released else section.coordination
        self.grouping = "released" if released else section.consistency

    def network(self, architecture: Architecture) -> SubspaceEnsemble:
        """Return the networks of all seeds."""
        return SubspaceEnsemble([self.one(architecture) for _ in range(self.seeds)])

    def one(self, architecture: Architecture) -> SubspaceNet:
        """Return the network of one seed."""
        sizes = dict(architecture.sizes)
        features = sizes.pop(FEATURES, 0)
        return SubspaceNet(
            sizes or dict.fromkeys(self.options.subspaces, 0),
            features,
            architecture.task.n_outputs,
            width=self.options.width,
            heads=self.options.heads,
            head_width=self.options.head_width,
            dropout=self.options.dropout,
            deformable=self.options.deformable,
            gene_dropout=self.options.gene_dropout,
            gated=self.options.pooling == "gated",
            stride=self.options.stride,
            reach=self.options.reach,
        )

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with the places of the genes of each subspace."""
        problem = bag_problem(self, inputs, modalities)
        if self.seeds > 1:
            averaged = f"The prediction is the mean of {self.seeds} networks of different seeds."
            problem = replace(problem, notes=(*problem.notes, averaged))
        if EXPRESSION not in modalities:
            return problem
        groups = inputs.preparation.instances(EXPRESSION)["groups"].tolist()
        places, notes = genes_of(groups, self.options.subspaces)
        if self.options.random_partition:
            places = random_partition(places, len(groups), inputs.seed)
            notes = [*notes, "Subspaces are random genes, as many as their families have."]
        fixed = {
            f"{PLACES}{name}": torch.from_numpy(gene_places) for name, gene_places in places.items()
        }
        return replace(problem, fixed=fixed, notes=(*problem.notes, *notes))

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return the number of genes by subspace, and the length of a patch."""
        genes = {name.removeprefix(PLACES): len(places) for name, places in problem.fixed.items()}
        return genes | features_of(problem)

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase, with the consistency of genes and sampled places where both are."""
        net, task = cast(SubspaceEnsemble, module), problems[0].task

        def of_seeds(step: Step) -> torch.Tensor:
            # Networks share no weight: the sum has for each the gradient that it would have alone.
            outputs = [step.outputs[f"{OUTPUT}{SEED}{seed}"] for seed in range(len(net.networks))]
            return torch.stack([mean_loss(task, output, step.batch) for output in outputs]).sum()

        terms = {TASK: Term(of_seeds)}
        if self.grouping != "none" and net.samples_by_genes:
            weight = self.options.consistency_weight
            terms[CONSISTENCY] = Term(self._consistency, lambda epoch: weight)
        return (Phase("fit", terms),)

    def _consistency(self, step: Step) -> torch.Tensor:
        """Return half of the consistency of each subspace, of people with both modalities.

        Summed over networks, as the loss of the task is.
        """
        weight = step.batch["weight"] * step.batch[HAS_EXPRESSION] * step.batch[USED].amax(1)
        names = [name.removeprefix(POINTS) for name in step.outputs if name.startswith(POINTS)]
        parts = [
            consistency(
                step.outputs[f"{GENES}{name}"],
                step.outputs[f"{POINTS}{name}"],
                self.options.heads,
                weight,
                cast(Grouping, self.grouping),
            )
            for name in names
        ]
        return 0.5 * torch.stack(parts).sum()

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return expression and bags; see `gendmr.methods.bags.tensors_of`."""
        return tensors_of(people, preparation, modalities)

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what each subspace says alone."""
        net = cast(SubspaceEnsemble, module)
        parts = {name: batch[name] for name in (PATCH, USED) if name in batch}
        for name in net.names:
            if f"{PLACES}{name}" in batch:
                places = batch[f"{PLACES}{name}"]
                parts[f"{EXPRESSION}_{name}"] = batch[EXPRESSION][:, places]
        outputs: Tensors = module(parts)
        return outputs

    def on_before_optimizer_step(
        self,
        gradients: Mapping[str, torch.Tensor],
        outputs: Tensors,
        batch: Tensors,
        layout: Layout,
    ) -> torch.Tensor:
        """Return the gradient with that of the head coordinated between the subspaces."""
        total = super().on_before_optimizer_step(gradients, outputs, batch, layout).clone()
        if self.projection == "none":
            return total
        for number, row in np.ndindex(self.seeds, len(total)):
            names = [name for name in outputs if name.startswith(ALONE)]
            names = [name for name in names if name.endswith(f"{SEED}{number}")]
            if len(names) < 2:
                continue
            row_batch = {name: value[row] for name, value in batch.items()}
            alone = [outputs[name][row] for name in names]
            confidence = torch.stack([self._confidence(output, row_batch) for output in alone])
            head = layout.unflatten(total[row])[HEAD.format(number)]  # (output, subspace * width)
            parts = torch.stack(head.chunk(len(names), dim=1))
            joined = coordinate(parts, confidence, self.projection)
            head.copy_(torch.cat(list(joined), dim=1))
        return total

    def _confidence(self, output: torch.Tensor, batch: Tensors) -> torch.Tensor:
        """Return how right a subspace is alone: C of a batch, or the sum of exp(-loss).

        The exponential of the negative loss is the probability of what was observed.
        """
        target = target_of(batch)
        if {"time", "event"} <= set(target):
            return concordance(output[:, 0], target["time"], target["event"])
        losses = self.task.loss(output, target, batch["weight"])
        return torch.as_tensor((torch.exp(-losses) * (batch["weight"] > 0)).sum())

    def leave(self, fitted: FittedNetwork, folder: Path, people: PreparedSubset) -> list[str]:
        """Write where deformable attention samples the bags of held-out people, and say it."""
        if not self.options.left_files(self.reads):
            return []
        places: dict[str, list[np.ndarray]] = {}
        has = people.present.get(PATCH)
        if has is None or not has.any() or PATCH not in fitted.modalities:
            return leave_no_sampling(folder)
        with_patches = people.take(np.flatnonzero(has))
        side = 0
        for outputs, batch in fitted.outputs(with_patches):
            side = round(batch[USED].shape[1] ** 0.5)
            sampled: dict[str, list[np.ndarray]] = {}
            for name in (output_name for output_name in outputs if output_name.startswith(POINTS)):
                points = outputs[name].detach().cpu().numpy().astype(np.float64)
                head_points = points.reshape(
                    len(batch[USED]), self.options.heads, *points.shape[1:]
                )
                subspace = name.removeprefix(POINTS).split(SEED)[0]
                sampled.setdefault(subspace, []).append(places_of(head_points, side))
            for name, parts in sampled.items():
                # Heads of further networks are further heads.
                places.setdefault(name, []).append(np.concatenate(parts, axis=1))
        if not places:
            return leave_no_sampling(folder)
        joined = {name: np.concatenate(some) for name, some in places.items()}
        return leave_sampling(folder, joined, [str(who) for who in with_patches.participants], side)

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return gradient times input of genes and patches; the rest is the baseline."""
        networks = [f"{OUTPUT}{SEED}{number}" for number in range(self.seeds)]
        return attribute(fitted, people, networks if self.seeds > 1 else ())


def genes_of(
    groups: Sequence[str], subspaces: Mapping[str, Sequence[str]]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the places of the genes of each subspace, int64, and notes.

    Parameters
    ----------
    groups : sequence of str
        Families of each gene, separated by `;`.
    subspaces : mapping of str to sequence of str
        Families of each subspace.

    Raises
    ------
    TrainingError
        A subspace has no gene.
    """
    families = [set(str(text).split(";")) - {""} for text in groups]
    member = {
        name: np.array([bool(gene_families & set(wanted)) for gene_families in families])
        for name, wanted in subspaces.items()
    }
    shared = np.sum(list(member.values()), axis=0) > 1
    places = {
        name: np.flatnonzero(inside & ~shared).astype(np.int64) for name, inside in member.items()
    }
    empty = [name for name, gene_places in places.items() if not len(gene_places)]
    if empty:
        present = sorted({family for gene_families in families for family in gene_families})
        raise TrainingError(
            f"subspaces without a gene: {first_few(empty)}; families of the study:"
            f" {first_few(present, 12)}",
            cause="genes of the families that no matrix has, or all genes in two subspaces",
            next_step="name families with genes of their own in `subspaces` of the method",
        )
    counts = ", ".join(f"{name} {len(gene_places)}" for name, gene_places in places.items())
    notes = [f"Genes by subspace: {counts}."]
    if shared.any():
        count = int(shared.sum())
        notes.append(f"{plural(count, 'gene is', 'genes are')} in several subspaces, so in none.")
    return places, notes


def random_partition(
    places: Mapping[str, np.ndarray], genes: int, seed: int
) -> dict[str, np.ndarray]:
    """Return subspaces of the same sizes whose genes are drawn from all, none in two."""
    order = generator(seed, "random-partition").permutation(genes)
    drawn, first = {}, 0
    for name, gene_places in places.items():
        drawn[name] = np.sort(order[first : first + len(gene_places)]).astype(np.int64)
        first += len(gene_places)
    return drawn

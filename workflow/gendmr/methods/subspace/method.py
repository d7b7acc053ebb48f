"""Subspaces of genes: which genes are in which, and how the network is trained.

Zhang et al. 2024, "Knowledge-driven subspace fusion and gradient coordination for multi-modal
learning" (MICCAI, arXiv 2406.13979), written from its description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.subspace import SubspaceMethod
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, FitProblem, target_of
from gendmr.engine.training import Replicates
from gendmr.errors import TrainingError, first_few
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.methods.subspace.network import ALONE, SubspaceNet
from gendmr.methods.subspace.terms import concordance, coordinate
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator

EXPRESSION = "expression"
PLACES = "places_"
HEAD = "head.weight"


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
        released = section.compat == "released"
        self.projection = "released" if released else section.coordination

    def network(self, architecture: Architecture) -> SubspaceNet:
        """Return the network."""
        return SubspaceNet(
            dict(architecture.sizes),
            0,
            architecture.task.n_outputs,
            width=self.options.width,
            dropout=self.options.dropout,
        )

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with the places of the genes of each subspace."""
        problem = super().problem(inputs, modalities)
        groups = inputs.preparation.instances(EXPRESSION)["groups"].tolist()
        places, notes = genes_of(groups, self.options.subspaces)
        if self.options.random_partition:
            places = random_partition(places, len(groups), inputs.seed)
            notes = [*notes, "Subspaces are random genes, as many as their families have."]
        fixed = {f"{PLACES}{name}": torch.from_numpy(chosen) for name, chosen in places.items()}
        return replace(problem, fixed=fixed, notes=(*problem.notes, *notes))

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return the number of genes by subspace."""
        return {name.removeprefix(PLACES): len(places) for name, places in problem.fixed.items()}

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return `expression` (person, gene): in SDs, 0 where missing."""
        design = preparation.design(people, EXPRESSION)[:, :, 0].astype(np.float32)
        return {EXPRESSION: torch.from_numpy(np.ascontiguousarray(design))}

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what each subspace says alone."""
        net = cast(SubspaceNet, module)
        parts = {
            f"expression_{name}": batch[EXPRESSION][:, batch[f"{PLACES}{name}"]]
            for name in net.names
        }
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
        names = [name.removeprefix(ALONE) for name in outputs if name.startswith(ALONE)]
        if len(names) < 2 or self.projection == "none":
            return total
        for row in range(len(total)):
            own = {name: value[row] for name, value in batch.items()}
            alone = [outputs[f"{ALONE}{name}"][row] for name in names]
            confidence = torch.stack([self._confidence(one, own) for one in alone])
            head = layout.unflatten(total[row])[HEAD]  # (output, subspace * width)
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
        each = self.task.loss(output, target, batch["weight"])
        return torch.as_tensor((torch.exp(-each) * (batch["weight"] > 0)).sum())

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return gradient times input of genes; what the nonlinearity leaves is the baseline."""
        values, rests = [], []
        for outputs, batch in fitted.outputs(people, slopes=True):
            output = outputs[OUTPUT]
            numbers = output.detach().cpu().numpy().astype(np.float64)
            contrast = torch.from_numpy(np.asarray(fitted.task.contrast(numbers), np.float32))
            scalar = (contrast.to(output.device) * output).sum(1)
            (slope,) = torch.autograd.grad(scalar.sum(), batch[EXPRESSION])
            value = (slope * batch[EXPRESSION]).detach().cpu().numpy().astype(np.float64)
            values.append(value)
            rests.append(scalar.detach().cpu().numpy() - value.sum(axis=1))
        return {
            EXPRESSION: attribution_of(
                np.concatenate(values), people.present[EXPRESSION], np.concatenate(rests)
            )
        }


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
        name: np.array([bool(own & set(wanted)) for own in families])
        for name, wanted in subspaces.items()
    }
    shared = np.sum(list(member.values()), axis=0) > 1
    places = {
        name: np.flatnonzero(inside & ~shared).astype(np.int64) for name, inside in member.items()
    }
    empty = [name for name, chosen in places.items() if not len(chosen)]
    if empty:
        present = sorted({family for own in families for family in own})
        raise TrainingError(
            f"subspaces without a gene: {first_few(empty)}; families of the study:"
            f" {first_few(present, 12)}",
            cause="no expression.groups, families spelt otherwise, or all genes in two subspaces",
            next_step="set expression.groups, and name its families in the method's subspaces",
        )
    counts = ", ".join(f"{name} {len(chosen)}" for name, chosen in places.items())
    notes = [f"Genes by subspace: {counts}."]
    if shared.any():
        notes.append(f"{int(shared.sum())} genes are in several subspaces, and so in none.")
    return places, notes


def random_partition(
    places: Mapping[str, np.ndarray], genes: int, seed: int
) -> dict[str, np.ndarray]:
    """Return subspaces of the same sizes whose genes are drawn from all, none in two."""
    order = generator(seed, "random-partition").permutation(genes)
    drawn, first = {}, 0
    for name, chosen in places.items():
        drawn[name] = np.sort(order[first : first + len(chosen)]).astype(np.int64)
        first += len(chosen)
    return drawn

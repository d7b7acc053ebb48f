"""Multiple-instance learning: what it reads, and how its network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.mil import MilMethod
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.network import FitProblem
from gendmr.engine.training import Replicates
from gendmr.methods.bags import (
    EXPRESSION,
    FEATURES,
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
from gendmr.methods.mil.network import FAMILY, MilNet
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset


def build(options: MethodOptions) -> Mil:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, MilMethod):
        raise TypeError(f"options of {method.kind}, not of mil")
    return Mil(method, options)


class Mil(NetworkMethod):
    """See `MilMethod`."""

    replicates: ClassVar[Replicates] = "apart"

    def __init__(self, section: MilMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    def network(self, architecture: Architecture) -> MilNet:
        """Return the network."""
        genes = [size for name, size in architecture.sizes.items() if name.startswith(PLACES)]
        return MilNet(
            genes,
            architecture.sizes.get(FEATURES, 0),
            architecture.task.n_outputs,
            width=self.options.width,
            attention=self.options.attention,
            dropout=self.options.dropout,
        )

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with the places of the genes of each family."""
        problem = bag_problem(self, inputs, modalities)
        if EXPRESSION not in modalities:
            return problem
        instances = inputs.preparation.instances(EXPRESSION)
        all_genes = {"all genes": np.arange(len(instances))}
        families = families_of(instances["groups"].tolist()) if PATCH in modalities else all_genes
        fixed = {
            f"{PLACES}{number}": torch.from_numpy(places.astype(np.int64))
            for number, places in enumerate((families or all_genes).values())
        }
        sizes = ", ".join(f"{family} {len(places)}" for family, places in families.items())
        note = f"Genes by family: {sizes}."
        return replace(problem, fixed=fixed, notes=(*problem.notes, note) if families else ())

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return the number of genes by family, and the length of a patch."""
        return {name: len(places) for name, places in problem.fixed.items()} | features_of(problem)

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return expression and bags; see `gendmr.methods.bags.tensors_of`."""
        return tensors_of(people, preparation, modalities)

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what each patch adds to the code of a bag."""
        parts = {name: batch[name] for name in (PATCH, USED) if name in batch}
        for name, places in batch.items():
            if name.startswith(PLACES):
                parts[f"{FAMILY}{name.removeprefix(PLACES)}"] = batch[EXPRESSION][:, places]
        outputs: Tensors = module(parts)
        return outputs

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return gradient times input of genes, gradient times token of patches."""
        return attribute(fitted, people)


def families_of(groups: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the places of the genes of each family, by name; a gene may be in several.

    Examples
    --------
    >>> {name: places.tolist() for name, places in families_of(["b", "a;b", ""]).items()}
    {'a': [1], 'b': [0, 1]}
    """
    members = [set(str(text).split(";")) - {""} for text in groups]
    return {
        name: np.flatnonzero([name in gene_families for gene_families in members])
        for name in sorted(set().union(*members))
    }

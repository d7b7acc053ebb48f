"""What networks share that read bags of patches, expression, or both.

Bags stay in their file: a batch of people is read when its step comes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from gendmr.engine.batches import TensorRows, Tensors
from gendmr.engine.network import OUTPUT, FitProblem
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

if TYPE_CHECKING:
    from gendmr.engine.batches import Rows
    from gendmr.methods.fitted_network import FittedNetwork
    from gendmr.methods.network_method import NetworkMethod

EXPRESSION, HAS_EXPRESSION = "expression", "has_expression"
PATCH, USED = "patch", "patch_used"
FEATURES = "features of a patch"  # among the sizes of an architecture
TOKENS = "tokens_"
PLACES = "places_"  # of the genes of a family or subspace, among the fixed tensors
SMALLEST_SIDE = 4  # of a grid in which deformable attention finds a key


@dataclass(frozen=True)
class BagRows:
    """People whose bags are read in `take`; see `gendmr.engine.batches.Rows`.

    Parameters
    ----------
    method : NetworkMethod
    people : PreparedSubset
    preparation : Preparation
    modalities : sequence of str
    """

    method: NetworkMethod
    people: PreparedSubset
    preparation: Preparation
    modalities: Sequence[str]

    def __len__(self) -> int:
        return len(self.people)

    def take(self, index: np.ndarray) -> Tensors:
        """Return tensors (person, ...) of some people."""
        return self.method.people_tensors(
            self.people.take(index), self.preparation, self.modalities
        )


def bag_problem(
    method: NetworkMethod, inputs: FitInputs, modalities: tuple[str, ...]
) -> FitProblem:
    """Return a replicate whose bags, where it has some, are read batch by batch."""

    def rows(people: PreparedSubset) -> Rows:
        if PATCH in modalities:
            return BagRows(method, people, inputs.preparation, modalities)
        return TensorRows(method.people_tensors(people, inputs.preparation, modalities))

    return FitProblem(
        seed=inputs.seed,
        task=inputs.task,
        train=rows(inputs.train),
        validation=rows(inputs.validation),
        outcome=inputs.train.outcome,
        validation_outcome=inputs.validation.outcome,
        fixed={},
    )


def features_of(problem: FitProblem) -> dict[str, int]:
    """Return the length of a patch, by `FEATURES`; nothing without bags."""
    first = problem.train.take(np.zeros(1, dtype=np.int64))
    return {FEATURES: first[PATCH].shape[-1]} if PATCH in first else {}


def tensors_of(
    people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
) -> Tensors:
    """Return what networks read of people.

    Returns
    -------
    dict of Tensor
        `expression` (person, gene) in SDs, 0 where missing, `has_expression` (person,); `patch`
        (person, place, feature) in SDs, 0 in empty places, `patch_used` (person, place), 0 or 1.
        Places are the least square number, of at least `SMALLEST_SIDE` squared, that holds the bag.
    """
    tensors: Tensors = {}
    if EXPRESSION in modalities:
        design = preparation.design(people, EXPRESSION)[:, :, 0].astype(np.float32)
        tensors[EXPRESSION] = torch.from_numpy(np.ascontiguousarray(design))
        has_expression = people.present[EXPRESSION].astype(np.float32)
        tensors[HAS_EXPRESSION] = torch.from_numpy(has_expression)
    if PATCH in modalities:
        bags = torch.from_numpy(preparation.design(people, PATCH))
        used = torch.isfinite(bags[:, :, 0]).to(torch.float32)
        bags = torch.nan_to_num_(bags, nan=0.0)
        side = max(SMALLEST_SIDE, math.isqrt(max(bags.shape[1] - 1, 0)) + 1)
        empty = side * side - bags.shape[1]
        tensors[PATCH] = functional.pad(bags, (0, 0, 0, empty))
        tensors[USED] = functional.pad(used, (0, empty))
    return tensors


def attribute(
    fitted: FittedNetwork, people: PreparedSubset, networks: Sequence[str] = ()
) -> dict[str, Attribution]:
    """Return gradient times input of genes, and gradient times token of patches.

    Tokens are outputs `tokens_…` (person, place, width) whose sum over places is all that the
    network knows of the bag. What nonlinearity leaves is the baseline.

    Parameters
    ----------
    fitted : FittedNetwork
    people : PreparedSubset
    networks : sequence of str
        Outputs of networks that differ in their seed, of which `output` is the mean: genes are
        attributed to each as well, which tells how far their rankings agree.
    """
    by_network: list[np.ndarray] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in fitted.modalities}
    baselines: dict[str, list[np.ndarray]] = {name: [] for name in fitted.modalities}
    for outputs, batch in fitted.outputs(people, slopes=True):
        output = outputs[OUTPUT]
        numbers = output.detach().cpu().numpy().astype(np.float64)
        contrast = torch.from_numpy(np.asarray(fitted.task.contrast(numbers), np.float32))
        scalar = (contrast.to(output.device) * output).sum(1)
        inputs = {EXPRESSION: [batch[EXPRESSION]]} if EXPRESSION in fitted.modalities else {}
        if PATCH in fitted.modalities:
            inputs[PATCH] = [tokens for name, tokens in outputs.items() if name.startswith(TOKENS)]
        input_tensors = [tensor for tensors in inputs.values() for tensor in tensors]
        apart = networks if EXPRESSION in inputs else ()
        slopes = iter(torch.autograd.grad(scalar.sum(), input_tensors, retain_graph=bool(apart)))
        if apart:
            genes, by_gene = batch[EXPRESSION], []
            for name in apart:
                total = (contrast.to(output.device) * outputs[name]).sum()
                (slope,) = torch.autograd.grad(total, genes, retain_graph=name != apart[-1])
                by_gene.append((slope * genes).detach().cpu().numpy())
            by_network.append(np.stack(by_gene))  # (network, person, gene)
        for name, tensors in inputs.items():
            products = [(next(slopes) * tensor).detach() for tensor in tensors]
            summed = [product.sum(-1) if product.ndim == 3 else product for product in products]
            value = torch.stack(summed).sum(0).cpu().numpy().astype(np.float64)
            baselines[name].append(scalar.detach().cpu().numpy() - value.sum(axis=1))
            values[name].append(value)
    attributions = {}
    for name, parts in values.items():
        instances = len(fitted.preparation.instances(name))
        value = np.concatenate(parts)[:, :instances] if parts else np.zeros((0, instances))
        baseline = np.concatenate(baselines[name]) if parts else np.zeros(0)
        seeds = np.concatenate(by_network, axis=1) if name == EXPRESSION and by_network else None
        attributions[name] = attribution_of(value, people.present[name], baseline, seeds)
    return attributions

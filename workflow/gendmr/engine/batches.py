"""Batches of replicates: tensors stacked with padding, steps planned and people gathered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gendmr.seeds import derive

Tensors = dict[str, torch.Tensor]
Plan = list[tuple[int, np.ndarray]]


def torch_generator(seed: int, purpose: str) -> torch.Generator:
    """Return a generator on the CPU for one purpose."""
    return torch.Generator().manual_seed(derive(seed, purpose))


def stack(items: Sequence[Tensors], device: torch.device) -> Tensors:
    """Stack tensors of replicates, the replicate axis first.

    Replicates may differ in their numbers of people and SNPs: smaller tensors are padded with
    zeros at the end of every axis. Weight 0 marks a padded person; what marks a padded instance is
    the method's business.
    """
    found = {}
    for name in items[0]:
        values = [item[name] for item in items]
        shape = [max(sizes) for sizes in zip(*(value.shape for value in values), strict=True)]
        if any(list(value.shape) != shape for value in values):
            values = [_pad(value, shape) for value in values]
        found[name] = torch.stack(values).to(device)
    return found


def _pad(value: torch.Tensor, shape: list[int]) -> torch.Tensor:
    padded = value.new_zeros(shape)
    padded[tuple(slice(size) for size in value.shape)] = value
    return padded


def plan_epoch(people: int, size: int, random: np.random.Generator) -> Plan:
    """Return one epoch's steps over all people, in random order; the slot of each is 0."""
    order = random.permutation(people)
    return [(0, piece) for piece in np.array_split(order, math.ceil(people / size))]


def plan_parts(
    part: np.ndarray, parts: int, first_slot: int, size: int, random: np.random.Generator
) -> Plan:
    """Return one epoch's steps, each within one part of the people, in random order.

    Parameters
    ----------
    part : int (people,)
        The part of each person; people of other numbers are left out.
    parts : int
    first_slot : int
        Slot of part 0: which of several tables a step reads.
    size : int
        Largest number of people in a step.
    random : numpy.random.Generator
    """
    plan = []
    for number in random.permutation(parts):
        people = random.permutation(np.flatnonzero(part == number))
        if people.size:
            pieces = np.array_split(people, math.ceil(people.size / size))
            plan += [(first_slot + int(number), piece) for piece in pieces]
    return plan


def gather(plans: Sequence[Plan], step: int, size: int, people: Tensors) -> Tensors:
    """Return one step of all replicates.

    Parameters
    ----------
    plans : sequence of list
        One for each replicate; a shorter one takes part with weight 0.
    step : int
    size : int
        People of the batch; fewer are padded with weight 0.
    people : dict of tensors (replicate, person, ...)
        `weight` among them.

    Returns
    -------
    dict of tensors (replicate, size, ...)
        With `slot` (replicate,) and `person` (replicate, size): the row in `people`, or the number
        of rows for padding.
    """
    device = people["y"].device
    count = people["y"].shape[1]
    index = np.zeros((len(plans), size), dtype=np.int64)
    person = np.full((len(plans), size), count, dtype=np.int64)
    slot = np.zeros(len(plans), dtype=np.int64)
    for row, plan in enumerate(plans):
        slot[row], chosen = plan[step] if step < len(plan) else (plan[0][0], np.zeros(0, np.int64))
        index[row, : len(chosen)] = person[row, : len(chosen)] = chosen
    rows = torch.arange(len(plans), device=device)[:, None]
    columns = torch.from_numpy(index).to(device)
    batch = {name: value[rows, columns] for name, value in people.items()}
    batch["person"] = torch.from_numpy(person).to(device)
    batch["weight"] = batch["weight"] * (batch["person"] < count)
    batch["slot"] = torch.from_numpy(slot).to(device)
    return batch


def gather_epoch(plans: Sequence[Plan], people: Tensors) -> list[Tensors]:
    """Return all steps of the plans of the replicates: see `gather`."""
    length = max(len(plan) for plan in plans)
    size = max(len(index) for plan in plans for _, index in plan)
    return [gather(plans, step, size, people) for step in range(length)]


@dataclass(frozen=True)
class Randomness:
    """The generators of all replicates: a checkpoint holds where they stand.

    Parameters
    ----------
    shuffles : list of numpy.random.Generator
        Order of people.
    dropouts : list of torch.Generator
        Noise in the network.
    """

    shuffles: list[np.random.Generator]
    dropouts: list[torch.Generator]

    def state(self) -> tuple[list[dict[str, object]], Tensors]:
        """Return the states of the NumPy and of the torch generators."""
        return (
            [dict(random.bit_generator.state) for random in self.shuffles],
            {f"dropout.{n}": random.get_state() for n, random in enumerate(self.dropouts)},
        )

    def restore(self, shuffles: list[dict[str, object]], dropouts: Tensors) -> None:
        """Go back to a state."""
        for random, state in zip(self.shuffles, shuffles, strict=True):
            random.bit_generator.state = state
        for number, generator in enumerate(self.dropouts):
            generator.set_state(dropouts[f"dropout.{number}"])

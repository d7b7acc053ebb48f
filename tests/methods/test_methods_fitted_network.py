"""Outputs of a fitted network come batch by batch: people of a cohort never stand side by side."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from gendmr.engine.layout import Layout
from gendmr.methods.fitted_network import FittedNetwork


class People(SimpleNamespace):
    """What is asked of people."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: np.ndarray) -> People:
        return People(rows=self.rows[index])


def test_outputs__one_batch_is_in_memory_at_a_time() -> None:
    alive: list[weakref.ref[Any]] = []

    def people_tensors(people: People, *_: object) -> dict[str, torch.Tensor]:
        bags = torch.from_numpy(people.rows.astype(np.float32))[:, None].repeat(1, 4)
        alive.append(weakref.ref(bags))
        return {"patch": bags}

    module = nn.Linear(4, 1)
    method = SimpleNamespace(
        forward=lambda module, batch: {"output": module(batch["patch"])},
        optimisation=SimpleNamespace(batch_size=2),
        people_tensors=people_tensors,
    )
    row = torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])
    assert len(Layout(module).names) == 2
    fitted = FittedNetwork(
        method, None, module, ("patch",), None, {}, 0, row, {}, [], 1, "cpu"  # type: ignore[arg-type]
    )  # fmt: skip
    most, order = 0, []
    for _, batch in fitted.outputs(People(rows=np.arange(9))):  # type: ignore[arg-type]
        order += batch["patch"][:, 0].tolist()
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))
    assert order == list(range(9)) and len(alive) == 5
    assert most <= 2  # the one that is read, and the one before it

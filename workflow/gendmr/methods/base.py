"""What a method is to the rest of the workflow, and where later methods hook in.

A method is built from its options by `build(options)` of its module and has two faces:

- `Method`, all that the job of a fold knows: fit on prepared training people, then give logits
  and signed risks of any people. A baseline without torch implements only this.
- `Network`, for methods trained by `gendmr.training.fit`: a pure module called with weights and
  tensors of one replicate, and its loss. The method's `fit` stacks the tensors of its replicates
  into a `gendmr.training.fit.Task`.

`task` and `modalities` are open sets: plain text that a method declares and its loss and tensors
understand; nothing else branches on them.

Two extension points of the training step are part of the contract and empty for GenDMR as it is:

- `Network.teachers`: exponential averages of the weights, kept by the fit and run beside the
  student (self-distillation, with roles that may change by person and epoch);
- `Network.auxiliary_losses`: further terms of the loss, each with its own schedule, given the
  outputs of the student and of all teachers (distillation, contrast, consistency).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

    from gendmr.training.preparation import People, Preparation

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bag:
    """Signed risks of the instances of one modality.

    Parameters
    ----------
    risk : float32 (people, instance)
        In logits; NaN for people without this modality.
    attention : float32 (people, instance)
        Shares that sum to 1.
    bias : float32 (people,)
        ``risk.sum(axis=1) + bias`` is the logit of the bag.
    """

    risk: np.ndarray
    attention: np.ndarray
    bias: np.ndarray


class Fitted(Protocol):
    """A fitted method."""

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return one entry per epoch."""

    @property
    def best_epoch(self) -> int:
        """Return the epoch whose weights are kept, counted from 1."""

    @property
    def device(self) -> str:
        """Return `cpu` or `cuda`."""

    @property
    def notes(self) -> list[str]:
        """Return sentences on what was done differently or not done."""

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Return everything learned, by name."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages whose versions belong to the result."""

    def logits(self, people: People) -> np.ndarray:
        """Return the logit of being a case, float64 (people,)."""

    def bags(self, people: People) -> dict[str, Bag]:
        """Return signed risks by modality (`snp`, `region`); empty for methods without."""


class Method(Protocol):
    """A method with its options."""

    kind: str
    task: str
    modalities: frozenset[str]

    def fit(
        self,
        train: People,
        validation: People,
        preparation: Preparation,
        *,
        seed: int,
        device: str,
        progress: Progress,
    ) -> Fitted:
        """Fit on `train`; `validation` only stops training."""


@dataclass(frozen=True)
class Teacher:
    """An exponential average of the student's weights.

    Parameters
    ----------
    name : str
        By which auxiliary losses find its outputs.
    decay : callable
        Decay by step, counted from 0: 0.99 rising to 0.999, say.
    """

    name: str
    decay: Callable[[int], float]


@dataclass(frozen=True)
class AuxiliaryLoss:
    """A further term of the loss.

    Parameters
    ----------
    name : str
        Column of the history.
    weight : callable
        Weight by epoch, counted from 1: a ramp, say. At 0 the term is computed but has no effect.
    term : callable
        ``term(student, teachers, batch)`` with the outputs of the module, those of every teacher
        by name, and the batch; gives a scalar. It runs under `torch.func.vmap`, for one replicate.
    """

    name: str
    weight: Callable[[int], float]
    term: Callable[
        [
            Mapping[str, torch.Tensor],
            Mapping[str, Mapping[str, torch.Tensor]],
            Mapping[str, torch.Tensor],
        ],
        torch.Tensor,
    ]


class Network(Protocol):
    """What a network adds to the shared training: see `gendmr.training.fit`."""

    task: str
    auxiliary_losses: tuple[AuxiliaryLoss, ...]
    teachers: tuple[Teacher, ...]

    def forward(
        self,
        module: torch.nn.Module,
        parameters: Mapping[str, torch.Tensor],
        fixed: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
        noise: Mapping[str, torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return the outputs for one replicate; `logit` among them."""

    def loss(
        self, outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the loss of one replicate on one batch."""

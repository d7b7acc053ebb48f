"""What a method is to the rest of the workflow, and where later methods hook in.

A method is built from its options by `build(options)` of its module and has two faces:

- `Method`, all that the job of a fold knows: fit on prepared training people, then give logits
  and signed risks of any people. A baseline without torch implements only this.
- `Network`, for methods trained by `gendmr.training.fit`: a pure module called with weights and
  tensors of one replicate, and its loss. The method's `fit` stacks the tensors of its replicates
  into a `gendmr.training.fit.Task`.

`task` and `modalities` are open sets: plain text that a method declares and its loss and tensors
understand; nothing else branches on them.

What a network may add to a training step, each empty unless it is overridden:

- `Network.teachers`: exponential averages of the weights, kept by the fit and run beside the
  student;
- `Network.auxiliary_losses`: further terms of the loss, each with its own schedule, given the
  outputs of the student and of all teachers (distillation, contrast, consistency) and the memory;
- `Network.remember`, `turn`, `summarise`: a memory from step to step, closed at the end of an
  epoch, with numbers for the history;
- `Network.modulate`: a last word on the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

    from gendmr.training.checkpoint import Checkpoint
    from gendmr.training.fit import Layout
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


@dataclass(frozen=True)
class Lot:
    """What one fit is given.

    Parameters
    ----------
    train, validation : People
        `validation` only stops training.
    preparation : Preparation
        Of `train`.
    seed : int
    """

    train: People
    validation: People
    preparation: Preparation
    seed: int


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
        checkpoint: Checkpoint | None = None,
    ) -> Fitted:
        """Fit on `train`; `validation` only stops training; a long fit uses `checkpoint`."""

    def fit_many(self, lots: Sequence[Lot], *, device: str, progress: Progress) -> Sequence[Fitted]:
        """Fit each lot as `fit` does; networks take their steps together."""


class OneByOne:
    """`fit_many` of methods that gain nothing from fitting together."""

    fit: Callable[..., Fitted]

    def fit_many(self, lots: Sequence[Lot], *, device: str, progress: Progress) -> list[Fitted]:
        """Fit one lot after the other."""
        return [
            self.fit(
                lot.train,
                lot.validation,
                lot.preparation,
                seed=lot.seed,
                device=device,
                progress=lambda line: None,
            )
            for lot in lots
        ]


class Modulate(Protocol):
    """Changes the gradients of all replicates before they are clipped."""

    def __call__(
        self,
        gradient: torch.Tensor,
        outputs: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
        noise: Mapping[str, torch.Tensor],
        layout: Layout,
    ) -> torch.Tensor:
        """Return gradients (replicate, weight); all arguments have the replicate axis first."""


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
        ``term(student, teachers, batch, memory)`` with the outputs of the module, those of every
        teacher by name (detached), the batch and the memory; gives a scalar. It runs under
        `torch.func.vmap`, for one replicate.
    """

    name: str
    weight: Callable[[int], float]
    term: Callable[
        [
            Mapping[str, torch.Tensor],
            Mapping[str, Mapping[str, torch.Tensor]],
            Mapping[str, torch.Tensor],
            Mapping[str, torch.Tensor],
        ],
        torch.Tensor,
    ]


class Network:
    """What a network adds to the shared training: see `gendmr.training.fit`.

    All but `modulate` run under `torch.func.vmap`, for one replicate.
    """

    task: str
    auxiliary_losses: tuple[AuxiliaryLoss, ...] = ()
    teachers: tuple[Teacher, ...] = ()
    modulate: Modulate | None = None

    def forward(
        self,
        module: torch.nn.Module,
        parameters: Mapping[str, torch.Tensor],
        fixed: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor],
        noise: Mapping[str, torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return the outputs; `logit` (person,) among them."""
        raise NotImplementedError

    def loss(
        self, outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the loss on one batch."""
        raise NotImplementedError

    def remember(
        self,
        memory: dict[str, torch.Tensor],
        student: Mapping[str, torch.Tensor],
        teachers: Mapping[str, Mapping[str, torch.Tensor]],
        batch: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Return the memory after a step, from outputs that are detached."""
        return memory

    def turn(self, memory: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the memory with which the next epoch starts."""
        return memory

    def summarise(self, memory: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return numbers for the history of an epoch, by column."""
        return {}

"""What a network adds to the shared training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from gendmr.engine.fit import Layout


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
        """Return the outputs; `logit` among them."""
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

"""What a method is to the rest of the workflow.

A method is built from its options by `build(options)` of `gendmr.methods.<kind>.method`. It is
fitted on prepared training people and gives an output for any people, which the task reads, and
attributions: what each instance of a modality adds to the scalar of the task. A method trained by
`gendmr.engine` derives from `gendmr.methods.network_method.NetworkMethod`; a baseline implements
`fit` and leaves `fit_many` to `SequentialFits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.base import Task

if TYPE_CHECKING:
    from gendmr.engine.checkpoint import Checkpoint

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Attribution:
    """What each instance of one modality adds to the scalar of the task, person by person.

    Parameters
    ----------
    value : float32 (person, instance)
        Signed; NaN for people without this modality.
    baseline : float32 (person,)
        ``value.sum(axis=1) + baseline`` is the scalar of the modality's part of the output.
    attention : float32 (person, instance), optional
        Shares that sum to 1.
    seeds : float32 (seed, person, instance), optional
        Values by networks that differ in their random seed, whose mean `value` is: how far their
        rankings agree is told.
    evidence : float32 (instance,), optional
        Log Bayes factor that an instance is worth attention, at least 0: what all people say of it
        who are not held out, whatever the prediction makes of that. See `GivesEvidence`.
    """

    value: np.ndarray
    baseline: np.ndarray
    attention: np.ndarray | None = None
    seeds: np.ndarray | None = None
    evidence: np.ndarray | None = None


@dataclass(frozen=True)
class FitInputs:
    """What one fit is given.

    Parameters
    ----------
    train, validation : PreparedSubset
        `validation` stops training, and counts in evidence for a ranking (`GivesEvidence`).
    preparation : Preparation
        Of `train`; its task is fitted on `train`.
    seed : int
    """

    train: PreparedSubset
    validation: PreparedSubset
    preparation: Preparation
    seed: int

    @property
    def task(self) -> Task:
        """Return the task, fitted on the training people."""
        return self.preparation.task


class Fitted(Protocol):
    """A fitted method: a dataclass, or an object with `portable`, of which models are made.

    See `gendmr.files.portable`.
    """

    @property
    def preparation(self) -> Preparation:
        """Return what was fitted before it."""

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

    @property
    def terms(self) -> Mapping[str, np.ndarray]:
        """Return what one unit of `Preparation.design` adds to the output, by modality.

        float64 (instance, measure, output). Such weights can leave the study as a table that other
        programs apply. Empty where the output is no sum of terms: networks.
        """

    def predict(self, people: PreparedSubset) -> Any:
        """Return the output that the task reads, float64 (person, n_outputs).

        Where `Task.n_outputs` is 0, a `gendmr.tasks.measured.LazyOutput`: what the task reads of a
        person is then computed when it asks for it.
        """

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return attributions by modality; empty for methods without, which are not ranked."""


@runtime_checkable
class LeavesReadouts(Protocol):
    """A fitted method that leaves files of held-out people: `left_files` of its section."""

    def leave(self, folder: Path, people: PreparedSubset) -> list[str]:
        """Write them into the folder of the fold; return sentences on what they say."""


@runtime_checkable
class GivesEvidence(Protocol):
    """A method that collects evidence, which needs no fit: `evidence` of its attributions."""

    def evidence(self, inputs: FitInputs) -> dict[str, np.ndarray]:
        """Return the evidence (instance,) by modality: what training and validation people say.

        Nothing is stopped or chosen by it, so that people who stop training count like others.
        Empty where the options ask for none.
        """


class Method(Protocol):
    """A method with its options."""

    def fit(
        self,
        inputs: FitInputs,
        *,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> Fitted:
        """Fit on the training people; a long fit leaves its state in `checkpoint`.

        Parameters
        ----------
        inputs : FitInputs
        device : str
            `auto`, `cpu` or `cuda`, for networks.
        progress : callable
            Gets a line now and then.
        checkpoint : Checkpoint, optional

        Raises
        ------
        TrainingError
            Nothing to train on, or a loss that is not finite.
        """

    def fit_many(
        self, inputs: Sequence[FitInputs], *, device: str, progress: Progress
    ) -> Sequence[Fitted]:
        """Fit each as `fit` does; networks may take their steps together."""


class SequentialFits:
    """`fit_many` of methods that gain nothing from fitting together."""

    fit: Callable[..., Fitted]

    def fit_many(
        self, inputs: Sequence[FitInputs], *, device: str, progress: Progress
    ) -> list[Fitted]:
        """Fit one after the other."""
        return [
            self.fit(fit_inputs, device=device, progress=lambda line: None) for fit_inputs in inputs
        ]

"""What networks share that read slices of volumes: rows of the engine are slices, not people.

Slices stay in their file until a batch asks for them; a part of them is kept in memory. Outputs of
a person are computed when somebody asks for them (`gendmr.tasks.measured.LazyOutput`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from gendmr.engine.batches import BatchSource, Piece, Tensors, in_order
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, TARGET, FitProblem, mean_loss
from gendmr.engine.phase import TASK, Phase, Term
from gendmr.engine.training import Replicates
from gendmr.methods.base import FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.network_method import NetworkMethod
from gendmr.modalities.slice.transform import LazySlices
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator
from gendmr.tasks.base import Task
from gendmr.tasks.measured import LazyOutput
from gendmr.tasks.segmentation.outcome import Masks, SliceMasks

SLICE, KNOWN = "slice", "channel_known"
LOGITS = "logits"  # outputs of training: those of all slices of an epoch are never kept
KEPT = 1 << 28  # bytes of slices, and of masks, that stay in memory


@dataclass
class SliceRows:
    """Slices of some people, a row each; see `gendmr.engine.batches.Rows`.

    Parameters
    ----------
    people : PreparedSubset
    preparation : Preparation
    others : sequence of str
        Modalities besides `slice` whose design is repeated for each slice of a person.
    """

    people: PreparedSubset
    preparation: Preparation
    others: Sequence[str] = ()
    _images: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _shares: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def slices(self) -> LazySlices:
        """The slices of the people, in their file."""
        return slices_of(self.people)

    @cached_property
    def person(self) -> np.ndarray:
        """Whose slice a row is, int64 (row,)."""
        return np.asarray(np.repeat(np.arange(len(self.people)), self.slices.counts))

    @cached_property
    def place(self) -> np.ndarray:
        """Which slice of the volume it is, int64 (row,), counted from 0."""
        counts = self.slices.counts
        return np.asarray(np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts))

    @cached_property
    def outcome(self) -> SliceMasks:
        """The masks of the slices."""
        masks = self.people.outcome
        if not isinstance(masks, Masks):
            raise TypeError(f"an outcome {type(masks).__name__}, not Masks")
        return SliceMasks(masks, self.person, self.place, self.slices.side)

    @cached_property
    def designs(self) -> dict[str, torch.Tensor]:
        """Designs of the other modalities (person, ...), and who has them."""
        designs = {}
        for name in self.others:
            design = self.preparation.design(self.people, name).astype(np.float32)
            designs[name] = torch.from_numpy(np.nan_to_num(design))
            designs[f"has_{name}"] = torch.from_numpy(self.people.present[name].astype(np.float32))
        return designs

    def __len__(self) -> int:
        return len(self.person)

    def take(self, index: np.ndarray) -> Tensors:
        """Return tensors of some slices: what is read, the target, and the weight.

        Returns
        -------
        dict of Tensor
            `slice` (row, channel, side, side) in SDs of the volume, 0 in channels that are not
            known; `channel_known` (row, channel); of other modalities what `designs` has, repeated.
        """
        index = np.asarray(index)
        tensors = self.read(index)
        share = self._cached_or_read(index, self._shares, self.outcome.read)
        weight = self.preparation.task.weights(self.outcome.take(index)).astype(np.float32)
        tensors[f"{TARGET}share"] = torch.from_numpy(share)
        tensors["weight"] = torch.from_numpy(weight)
        return tensors

    def read(self, index: np.ndarray) -> Tensors:
        """Return what is read of some slices; see `take`."""
        index = np.asarray(index)
        where = torch.from_numpy(self.person[index])
        tensors: Tensors = {
            SLICE: torch.from_numpy(self._cached_or_read(index, self._images, self._read_images)),
            KNOWN: torch.from_numpy(self.slices.known[self.person[index]]),
        }
        return {**tensors, **{name: value[where] for name, value in self.designs.items()}}

    def _read_images(self, index: np.ndarray) -> np.ndarray:
        """Read slices, float32 (row, channel, side, side), person by person."""
        slices, person = self.slices, self.person[index]
        shape = (len(index), len(slices.names), slices.side, slices.side)
        images = np.zeros(shape, dtype=np.float32)
        for number in np.unique(person):
            rows = np.flatnonzero(person == number)
            images[rows] = slices.read_slices(int(number), self.place[index[rows]])
        return images

    def _cached_or_read(
        self,
        index: np.ndarray,
        cached: dict[int, np.ndarray],
        read: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Return values of rows, from memory where they are there; what is read is, up to `KEPT`.

        Parameters
        ----------
        index : int (row,)
        cached : dict of int to ndarray
            By row.
        read : callable
            Of those that are not cached.
        """
        uncached = np.array(
            [row for row in np.unique(index).tolist() if row not in cached], dtype=int
        )
        values = dict(zip(uncached.tolist(), read(uncached), strict=True)) if len(uncached) else {}
        for row, value in values.items():
            if len(cached) * value.nbytes < KEPT:
                cached[row] = value
        return np.stack([values[row] if row in values else cached[row] for row in index.tolist()])


def slices_of(people: PreparedSubset) -> LazySlices:
    """Return the slices of people, in their file."""
    slices: Any = people.values[SLICE]
    if not isinstance(slices, LazySlices):
        raise TypeError(f"slices as {type(slices).__name__}, not LazySlices")
    return slices


def training_rows(problem: FitProblem) -> SliceRows:
    """Return the slices of the training people of a replicate."""
    if not isinstance(problem.train, SliceRows):
        raise TypeError(f"rows as {type(problem.train).__name__}, not SliceRows")
    return problem.train


def with_slices(people: PreparedSubset) -> PreparedSubset:
    """Return the people who have slices with a channel that says something."""
    return people.take(np.flatnonzero(people.present[SLICE]))


def balanced(empty: float) -> BatchSource:
    """Return batches of all slices with a lesion, and some without, other ones in each epoch.

    Parameters
    ----------
    empty : float
        Slices without a lesion for each slice with one.
    """

    def source(problem: FitProblem, phase: str, epoch: int, size: int) -> Iterator[Piece]:
        rows = training_rows(problem)
        random = generator(problem.seed, "batches", phase, epoch)
        lesion, without_lesion = (
            np.flatnonzero(rows.outcome.lesion),
            np.flatnonzero(~rows.outcome.lesion),
        )
        count = min(len(without_lesion), round(empty * len(lesion)))
        order = random.permutation(
            np.concatenate([lesion, random.choice(without_lesion, count, replace=False)])
        )
        for index in np.array_split(order, max(-(-len(order) // size), 1)):
            yield Piece(index)

    return source


def slice_term(task: Task) -> Term:
    """Return the weighted mean over slices of the loss of the task."""
    return Term(lambda step: mean_loss(task, step.outputs[LOGITS], step.batch))


class SliceNetwork(NetworkMethod):
    """A method trained by the engine on slices.

    An author writes `network` and `forward`, which returns `logits` (row, side, side) in training
    and `output` of the same shape otherwise: `outputs_of`.
    """

    replicates: ClassVar[Replicates] = "apart"
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "torch", "monai")

    def rows(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> SliceRows:
        """Return the slices of people as rows."""
        return SliceRows(people, preparation, [name for name in modalities if name != SLICE])

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return a replicate whose rows are slices."""
        train, validation = (
            self.rows(with_slices(people), inputs.preparation, modalities)
            for people in (inputs.train, inputs.validation)
        )
        return FitProblem(
            seed=inputs.seed,
            task=inputs.task,
            train=train,
            validation=validation,
            outcome=train.outcome,
            validation_outcome=validation.outcome,
            fixed={},
        )

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return numbers of channels and pixels, and of instances of other modalities."""
        rows = training_rows(problem)
        other_sizes = {name: len(inputs.preparation.instances(name)) for name in rows.others}
        return {"channels": len(rows.slices.names), "side": rows.slices.side, **other_sizes}

    def phases(self, module: torch.nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase, of slices with and without a lesion in equal parts."""
        return (Phase("fit", {TASK: slice_term(problems[0].task)}, balanced(1.0)),)

    def outputs_of(self, module: torch.nn.Module, logits: torch.Tensor) -> Tensors:
        """Return maps of log-odds under the name that training, or prediction, reads."""
        return {LOGITS if module.training else OUTPUT: logits}

    def predicted(self, fitted: FittedNetwork, people: PreparedSubset) -> LazyOutput:
        """Return maps of log-odds (slice, side, side) of each person, computed when asked for."""
        forward = Forward(self.forward, fitted.module, Layout(fitted.module))
        device = fitted.row.device

        def of(person: int) -> np.ndarray:
            subset = people.take(np.array([person]))
            rows = self.rows(subset, fitted.preparation, fitted.modalities)
            maps = []
            for piece in in_order(len(rows), self.optimisation.batch_size):
                batch = {name: value.to(device) for name, value in rows.read(piece.rows).items()}
                batch["slot"] = torch.tensor(fitted.slot, device=device)
                batch["person"] = torch.from_numpy(piece.rows).to(device)
                with torch.no_grad():
                    outputs = forward(fitted.row, fitted.buffers, {**fitted.fixed, **batch}, False)
                maps.append(outputs[OUTPUT].cpu().numpy())
            return np.concatenate(maps)

        return LazyOutput(len(people), of)

"""Everything that is fitted before a method: on training people, applied to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.errors import OutcomeError
from gendmr.modalities import transform_of
from gendmr.modalities.base import Remarking, Transform
from gendmr.modalities.covariates import Covariates
from gendmr.modalities.subset import Subset
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.statistics.outliers import FAR
from gendmr.tasks.base import Outcome, Task


class OutcomeFree:
    """What a fold's preparation does without outcomes: shared by all permutations of them.

    Parameters
    ----------
    view : FoldView
        Only its training people are looked at.
    options : MethodOptions

    Raises
    ------
    ConfigurationError
        A covariate is not in the cohort.
    """

    def __init__(self, view: FoldView, options: MethodOptions) -> None:
        self.options = options
        self.task = view.task
        self.where = f"repeat {view.repeat}, fold {view.fold}"
        self.train = view.train.require("train")
        self.notes: list[str] = []
        self.covariates = Covariates.fit(
            self.train.covariates, options.covariates, self.notes, "training.covariates"
        )
        numbers = self.covariates.apply(self.train.covariates)
        self.transforms: dict[str, Transform] = {
            name: transform_of(name).fit(self.train, section, numbers)
            for name, section in options.modalities.items()
        }

    def abs_z(self, outcomes: Sequence[Outcome]) -> Sequence[Mapping[str, np.ndarray]]:
        """Return what `condition` takes for each of many outcomes of the training people."""
        by_outcome: list[dict[str, np.ndarray]] = [{} for _ in outcomes]
        for name, transform in self.transforms.items():
            abs_z = transform.abs_z(outcomes, self.task)
            if abs_z is not None:
                for place, strength in enumerate(by_outcome):
                    strength[name] = abs_z[:, place]
        return by_outcome

    def keep(self, *subsets: Subset) -> None:
        """Keep what `Preparation.apply` reads of these people: many outcomes will ask for it."""
        for subset in subsets:
            for transform in self.transforms.values():
                transform.keep(subset)

    def condition(self, outcome: Outcome, strength: Mapping[str, np.ndarray]) -> Preparation:
        """Fit what depends on outcomes: the true ones, or a permutation.

        Parameters
        ----------
        outcome : Outcome
            Of the training people.
        strength : mapping
            See `abs_z`.

        Raises
        ------
        OutcomeError
            The training people cannot be trained on: one class only, no event.
        """
        try:
            task = self.task.fit(outcome)
        except OutcomeError as error:
            raise OutcomeError(
                f"training people of {self.where}: {error.what}",
                cause=error.cause,
                next_step=error.next_step,
            ) from error
        transforms = {
            name: transform.condition(outcome, task, strength.get(name))
            for name, transform in self.transforms.items()
        }
        notes = [
            *self.notes,
            *(note for transform in transforms.values() for note in transform.notes),
        ]
        return Preparation(self.options, self.covariates, task, transforms, notes)


@dataclass(frozen=True)
class Preparation:
    """What was fitted on the training people of a fold.

    Parameters
    ----------
    options : MethodOptions
    covariates : Covariates
        Fitted on the training people.
    task : Task
        Fitted on the training people.
    transforms : mapping of str to Transform
        By modality.
    notes : list of str
        What was done differently, for run.json.
    """

    options: MethodOptions
    covariates: Covariates
    task: Task
    transforms: Mapping[str, Transform]
    notes: list[str]

    @classmethod
    def fit(cls, view: FoldView, options: MethodOptions) -> Preparation:
        """Fit on `view.train`.

        Raises
        ------
        OutcomeError
            See `OutcomeFree.condition`.
        ConfigurationError
            A covariate is not in the cohort.
        """
        outcome_free = OutcomeFree(view, options)
        outcome = outcome_free.train.outcome
        (strength,) = outcome_free.abs_z([outcome])
        return outcome_free.condition(outcome, strength)

    def portable(self) -> Preparation:
        """Return the same without values of training people."""
        transforms = {name: transform.portable() for name, transform in self.transforms.items()}
        return replace(self, transforms=transforms)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the modalities that the method reads, in the order of the study."""
        return tuple(name for name in self.transforms if name in self.options.reads)

    @property
    def covariate_names(self) -> list[str]:
        """Return the names of the columns of `PreparedSubset.covariates`."""
        named = [
            name for transform in self.transforms.values() for name in transform.adjustment_names
        ]
        return [*self.covariates.names, *named]

    @property
    def counts(self) -> dict[str, Mapping[str, int]]:
        """Return how many instances each step of a selection left out, by modality."""
        return {
            name: transform.counts
            for name, transform in self.transforms.items()
            if transform.counts
        }

    def instances(self, modality: str) -> pd.DataFrame:
        """Return the instances of a modality that the fold reads."""
        return self.transforms[modality].instances

    def design(self, people: PreparedSubset, modality: str) -> np.ndarray:
        """Return a modality in SDs of the training people, float64 (n, instance, measure)."""
        return self.transforms[modality].design(people.values[modality])

    def apply(self, subset: Subset) -> PreparedSubset:
        """Prepare any people with what was fitted."""
        present = dict(subset.present)
        for name, transform in self.transforms.items():
            present[name] = transform.present(subset)
        adjustment = [transform.adjustment(subset) for transform in self.transforms.values()]
        numbers = self.covariates.apply(subset.covariates)
        return PreparedSubset(
            role=subset.role,
            participants=subset.participants,
            family=subset.family,
            outcome=subset.outcome,
            present=present,
            values={name: self.transforms[name].apply(subset) for name in self.reads},
            covariates=np.column_stack([numbers, *adjustment]),
            labels={
                str(name): column.to_numpy(dtype=object)
                for name, column in subset.covariates.items()
                if column.dtype.kind not in "fiub"
            },
        )

    def beyond(self, subset: Subset) -> list[str]:
        """Return notes where values of these people are beyond the limits of the training people.

        Such values count as missing: see `gendmr.statistics.outliers.limits`. What transforms say
        of these people besides is added.
        """
        remarks = [
            text
            for transform in self.transforms.values()
            if isinstance(transform, Remarking)
            for text in transform.remarks(subset)
        ]
        beyond: dict[str, np.ndarray] = {}
        for transform in self.transforms.values():
            beyond |= transform.beyond(subset)
        for name, people in self.covariates.beyond(subset.covariates).items():
            beyond[name] = beyond.get(name, False) | people
        named = [name for name, people in beyond.items() if people.any()]
        if not named:
            return remarks
        people = np.any([beyond[name] for name in named], axis=0)
        return [
            *remarks,
            f"{int(people.sum())} of {len(subset)} {subset.role} people have values more than"
            f" {FAR:g} interquartile ranges beyond the quartiles of the training people"
            f" ({', '.join(named)}): these count as missing.",
        ]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name, to be kept beside the weights of a method."""
        return {
            "covariate.mean": np.array(self.covariates.means, dtype=np.float64),
            "covariate.limit": np.array(self.covariates.limits).reshape(-1, 2),
            **{f"task.{name}": value for name, value in self.task.constants().items()},
            **{
                f"{name}.{tensor}": value
                for name, transform in self.transforms.items()
                for tensor, value in transform.tensors().items()
            },
        }

"""What a modality is to the rest of the workflow: a declaration, a source and a transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.datasets import Schema

if TYPE_CHECKING:
    from gendmr.modalities.subset import Subset
    from gendmr.tasks.base import Outcome, Task


@dataclass(frozen=True)
class Modality:
    """Declaration of a modality.

    Parameters
    ----------
    name : str
        Configuration key, stem of its file in `cohort/`, column `has_<name>`, dimension of its
        instances.
    label : str
        Plural, in texts: `genotypes`, `images`.
    instance : str
        One of what people share, in texts: `SNP`, `region`.
    schema : mapping
        Variables of `cohort/<name>.nc`: first dimension `participant`, second `name`.
    main : str
        The variable that decides who is measured: `dosage`, `volume`.
    named : tuple of str
        Coordinates of instances that attributions repeat; the first is `name`.
    measures : tuple of str
        What stands behind one instance in a prepared array (person, instance, measure); one
        empty name where there is one number for each.
    kinds : tuple of str
        `kind` in attrition of what leaves besides people: `variant`.
    steps : mapping of str to str
        Steps of its attrition as figures spell them, where that differs: `maf`.
    agreeing : mapping of str to str
        Attributes of its file that a model and the cohort to which it is applied must share, and
        what to do where they do not: `build`.
    against : str
        A plainer modality of the same data: what methods gain by this one is told beside what that
        one reaches alone. Empty: none.
    """

    name: str
    label: str
    instance: str
    schema: Schema
    main: str
    named: tuple[str, ...]
    measures: tuple[str, ...] = ("",)
    kinds: tuple[str, ...] = ()
    steps: Mapping[str, str] = field(default_factory=dict)
    agreeing: Mapping[str, str] = field(default_factory=dict)
    against: str = ""


@dataclass(frozen=True)
class Listing:
    """Who is in the files of a modality, before anybody joins.

    Parameters
    ----------
    names : dict of str to str
        Matching key of each person to the identifier in the file.
    ways : mapping of str to sequence of str
        Each way in which the file names people; for hints where few join.
    used : str
        The way that is configured.
    where : str
        The file, for errors.
    attrition : DataFrame
        People and instances that left in the stage that measured them.
    flagged : list of str
        Outliers, kept; identifiers.
    aliases : mapping of str to list of str
        Another name of people to their keys: attrition and kinship may use it.
    kin : DataFrame, optional
        `id1`, `id2`, `kinship`: pairs of related people, by alias.
    instances : mapping of str to int
        How many instances of a kind the cohort's file has: `{"variant": 5159}`.
    recorded : mapping of str to mapping of str to str
        What the file records of people beside the measurements, by column of participants.tsv and
        matching key, in the words of that table: `{"sex": {"S01": "F"}}`.
    outcomes : mapping of str to mapping of str to float
        What the stage measured that outcomes are made of (`gendmr.tasks.base.MeasuredTask`), by
        name and matching key: `{"lesion_voxels": {"S01": 5159.0}}`.
    """

    names: dict[str, str]
    ways: Mapping[str, Sequence[str]]
    used: str
    where: str
    attrition: pd.DataFrame
    flagged: list[str] = field(default_factory=list)
    aliases: Mapping[str, list[str]] = field(default_factory=dict)
    kin: pd.DataFrame | None = None
    instances: Mapping[str, int] = field(default_factory=dict)
    recorded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    outcomes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Source(Protocol):
    """Reads a modality from the files of a study."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who is measured; reads no measurement."""

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the cohort's file, block by block where it is large.

        Parameters
        ----------
        sources : mapping
            `ModalitySection.sources`.
        people : mapping of str to str
            Matching key to `participant_id`, in the order of the rows; those who are not in the
            files get no row.
        section : ModalitySection
        cohort : CohortSection
        output : Path
            `cohort/<name>.nc`.
        """


@runtime_checkable
class EarlySource(Source, Protocol):
    """A source that can say who is measured before the stage that measures them has run."""

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing | None:
        """Return who will be measured, as far as the given files tell; None where they do not.

        Parameters
        ----------
        stage : mapping
            The section of the study that `ModalitySection.stage` names.
        section : ModalitySection
        cohort : CohortSection
        """


@runtime_checkable
class CheckedSource(Source, Protocol):
    """A source that can say whether its files can be read before people have joined."""

    def check(self, sources: Mapping[str, str]) -> None:
        """Refuse what `collect` would refuse of the files, whoever joins.

        Parameters
        ----------
        sources : mapping
            `ModalitySection.sources`.
        """


class Transform(Protocol):
    """What is fitted on training people, and applied to anybody.

    `fit` sees no outcome and is done once for all permutations; `condition` adds what depends on
    the outcome.
    """

    @property
    def instances(self) -> pd.DataFrame:
        """Return the instances that a fold reads, one a row: `Modality.named` among the columns."""

    @property
    def columns(self) -> np.ndarray:
        """Return their places among those of the cohort, int (instance,)."""

    @property
    def notes(self) -> list[str]:
        """Return what was done differently, or not done."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many instances each step of a selection left out; empty without one."""

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Fit what no outcome decides.

        Parameters
        ----------
        train : Subset
        section : ModalitySection
        covariates : float64 (person, covariate)
            Numeric covariates of the training people, without components.
        """

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Fit the rest, to the outcome of the training people: the true one, or a permuted one.

        Parameters
        ----------
        outcome : Outcome
        task : Task
            Fitted on this outcome.
        strength : float (candidate,), optional
            A column of `abs_z`.
        """

    def abs_z(self, outcomes: Sequence[Outcome], task: Task) -> np.ndarray | None:
        """Return how strongly each candidate goes with many outcomes, where a selection needs it.

        Parameters
        ----------
        outcomes : sequence of Outcome
            Of the training people: the true one, or permutations of it.
        task : Task

        Returns
        -------
        float32 (candidate, outcome), or None
            |z| of score tests of the task's phenotypes.
        """

    def adjustment(self, subset: Subset) -> np.ndarray:
        """Return what it offers as covariates of any people (person, component): may be none."""

    @property
    def adjustment_names(self) -> list[str]:
        """Names of the columns of `adjustment`."""

    def keep(self, subset: Subset) -> None:
        """Keep what `apply` reads of a role's people: many outcomes will ask for it."""

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has anything that can be used, bool (person,)."""

    def apply(self, subset: Subset) -> np.ndarray:
        """Return what methods read, (person, instance) or (person, instance, measure)."""

    def design(self, values: np.ndarray) -> np.ndarray:
        """Return `apply`'s result in SDs of the training people.

        Returns
        -------
        float64 (person, instance, measure)
            0 where missing.
        """

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return who has a value that cannot be meant, bool (person,), by what it is of."""

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return what was fitted, to be kept beside the weights of a method."""

    @property
    def axis(self) -> pd.DataFrame:
        """Return the instances among which `columns` are places: those of the cohort."""

    def portable(self) -> Self:
        """Return what other people's measurements need of it.

        It holds no value of a training person, and `axis` may be shorter: instances that `apply`
        and `adjustment` do not read are left out.
        """


@runtime_checkable
class Remarking(Protocol):
    """A `Transform` that has something to say of people on whom it was not fitted."""

    def remarks(self, subset: Subset) -> list[str]:
        """Return notes on these people: whom it could not transform as the others, and why."""

"""What a task is to the rest of the workflow: an outcome, a loss, columns, metrics and figures.

A task is built from the section of an outcome (`cohort.outcomes.<name>`) and knows everything that
depends on the kind of it; the spine only calls what stands here. `Task.fit` makes the task of one
fold: class weights, cut points or a mean, from the outcomes of training people alone.

Networks give an output (person, n_outputs), baselines too; the task reads predictions out of it.
No module of `gendmr.tasks` imports torch at its top: tables of metrics are made without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import pandas as pd
from typing_extensions import TypeVar

from gendmr.files.tables import Kind

if TYPE_CHECKING:
    import torch


class Outcome(Protocol):
    """The outcome of some people, aligned with them: one typed, validated object.

    Time and event of one person, say, are never apart.
    """

    @property
    def known(self) -> np.ndarray:
        """Return who has an outcome, bool (person,)."""

    def __len__(self) -> int:
        """Return the number of people, known or not."""

    def take(self, index: np.ndarray) -> Self:
        """Return the outcomes of some people, by an integer or boolean index (person,)."""

    def permute(self, order: np.ndarray) -> Self:
        """Return outcomes that changed hands: person i gets the whole outcome of ``order[i]``."""

    def strata(self) -> np.ndarray:
        """Return text (person,): the groups that folds are balanced in.

        A class; event by third of the time; third of a measurement. `n/a` where unknown.
        """


OutcomeT = TypeVar("OutcomeT", bound=Outcome, default=Any)  # `Task` alone: of any outcome


@dataclass(frozen=True)
class ParsedOutcome:
    """An outcome as it stands in the user's participants.tsv, in our columns.

    Parameters
    ----------
    columns : DataFrame
        Columns of `Task.stored`, by suffix, in the order of the people; missing is `n/a` (text) or
        NaN (number).
    reason : Series of str
        Why a person has no outcome; empty where it is known.
    """

    columns: pd.DataFrame
    reason: pd.Series


@dataclass(frozen=True)
class Metric:
    """A number that judges predictions.

    Parameters
    ----------
    name : str
        In metrics.tsv: `auc`, `c_index`.
    label : str
        In texts and figures: `AUC`, `Harrell's C`.
    better : str
        `higher` or `lower`.
    of : callable
        ``of(rows)`` of rows of predictions.tsv (one person a row), NaN where it cannot be told.
        The second form, ``of(rows, train)``, is for metrics that need the training people of the
        same fold (inverse censoring weights): then `needs_train` is True and `train` are theirs.
    chance : float, optional
        Its value for predictions that know nothing; None where there is no such number.
    needs_train : bool
        See `of`. Such metrics are told per fold, never pooled.
    spread : (float, float), optional
        The range in which it lies, for axes.
    meaning : str
        For a reader who meets it for the first time, after "is": `the share of people called what
        they are`; empty where the label says it.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    of: Callable[..., float]
    chance: float | None = None
    needs_train: bool = False
    spread: tuple[float, float] | None = None
    meaning: str = ""

    @property
    def best(self) -> float | None:
        """Return its value for predictions without a fault, None where there is no such number."""
        if self.spread is None:
            return None
        return self.spread[1] if self.better == "higher" else self.spread[0]


@dataclass(frozen=True)
class Effect:
    """Sizes of effects that a test of one allele, or of one measurement, finds in so many people.

    The expected z of an effect is its size times the square root of the information, times
    ``sqrt(2 f (1 - f))`` for alleles of frequency f; measurements are in standard deviations.

    Parameters
    ----------
    information : callable
        ``information(outcome)`` of the people who are measured, 0 where nothing can be found.
    words : str
        What the information is: `n φ(1-φ), φ the share of cases`.
    allele, measurement : str
        What the size of an effect is called: `odds ratio per allele`.
    allele_ratio, measurement_ratio : bool
        The size is the logarithm of what is told.
    """

    information: Callable[[Any], float]
    words: str
    allele: str
    measurement: str
    allele_ratio: bool = False
    measurement_ratio: bool = False


class Task(Protocol[OutcomeT]):
    """What is predicted, and how it is judged; `OutcomeT` is the type of its outcomes."""

    kind: str
    """`binary`, `multiclass`, `quantitative`, `survival`: the name of the package."""
    name: str
    """Of the outcome in the configuration."""
    label: str
    """For texts: `case or control`, `time to conversion`."""
    stored: Mapping[str, Kind]
    """Columns of cohort/participants.tsv by suffix: `""` is the column named as the outcome,
    `time` is the column `<name>_time`."""
    n_outputs: int
    """Numbers that a method gives for a person; 0: a `LazyOutput` of `gendmr.tasks.measured`."""
    columns: Mapping[str, Kind]
    """Columns of predictions.tsv after `participant_id`, `set`, `modalities`; the observed outcome
    among them."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics; the first is the primary one: methods are compared by it."""

    @property
    def effect(self) -> Effect | None:
        """Return sizes of effects that could be found; None where no single number says them."""

    # -- the user's table and ours ---------------------------------------------------------------

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Read the outcome from the user's participants.tsv.

        Parameters
        ----------
        table : DataFrame of text
            With the user's columns (`wanted`).
        where : str
            Path of the file, for errors.

        Raises
        ------
        OutcomeError
            A kind of fault that no single person can be blamed for: nobody of a class, text where
            numbers belong, no event, a time of 0 or below, an event that is neither 0 nor 1, 900
            classes.
        """

    def wanted(self) -> tuple[str, ...]:
        """Return the user's columns that `parse` reads."""

    def read(self, columns: Mapping[str, pd.Series], where: str) -> OutcomeT:
        """Return the outcome from our own columns (by suffix, text as read), any of them unknown.

        Raises
        ------
        OutcomeError
            A value that `parse` could not have written.
        """

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return entries of participants.json by suffix."""

    def groups(self, outcome: OutcomeT) -> np.ndarray:
        """Return text (person,): groups by which people are counted and described in tables.

        Case and control; classes; event and censored; all (one group) for a measurement.
        """

    # -- folds -----------------------------------------------------------------------------------

    def check_parts(self, outcome: OutcomeT, part: np.ndarray, where: str) -> None:
        """Refuse a split whose parts cannot be trained on or judged.

        Parameters
        ----------
        outcome : Outcome
        part : text (person,)
            `train`, `validation`, `held-out`, or anything else for people who do not count.
        where : str
            `repeat 0, fold 3`.

        Raises
        ------
        FoldError
            A part lacks a class, or has no event, or no two different values.
        """

    def check_groups(self, outcome: OutcomeT, groups: np.ndarray, folds: int) -> None:
        """Refuse a cohort that cannot be split into so many folds.

        Parameters
        ----------
        outcome : Outcome
        groups : (person,)
            Independent groups (families), which folds never split.
        folds : int

        Raises
        ------
        FoldError
            Fewer independent groups of a class, or with an event, than folds.
        """

    # -- a fold ----------------------------------------------------------------------------------

    def fit(self, outcome: OutcomeT) -> Self:
        """Return the task with what it takes from training people: weights, cut points, a mean.

        Raises
        ------
        OutcomeError
            They cannot be trained on: one class, no event, no variation.
        """

    def constants(self) -> Mapping[str, np.ndarray]:
        """Return what `fit` learned, by name, to be kept beside the weights of a method."""

    def weights(self, outcome: OutcomeT) -> np.ndarray:
        """Return the weight of each person in a loss, float64 (person,); 1 where all count alike.

        Classes are weighted equally in `binary` and `multiclass`.
        """

    def target(self, outcome: OutcomeT) -> Mapping[str, np.ndarray]:
        """Return what `loss` reads of people, by name, each (person, ...), float32 or int64."""

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss of each person, not reduced, not weighted.

        Runs under `torch.func.vmap`. It is the rule of early stopping too.

        Parameters
        ----------
        output : Tensor (person, n_outputs)
        target : dict of Tensor (person, ...)
            See `target`.
        weight : Tensor (person,)
            0 marks padding: such people are in nobody's risk set.

        Returns
        -------
        Tensor (person,)
        """

    def losses(self, output: np.ndarray, outcome: OutcomeT) -> np.ndarray:
        """Return the same without torch, float64 (person,)."""

    def calibrate(
        self,
        output: np.ndarray,
        outcome: OutcomeT,
        train_output: np.ndarray,
        train_outcome: OutcomeT,
    ) -> Mapping[str, Any]:
        """Fit the last things before held-out people are seen: a threshold, a baseline hazard.

        Parameters
        ----------
        output, outcome
            Of the inner validation.
        train_output, train_outcome
            Of the training people.

        Returns
        -------
        mapping
            Plain numbers and lists of them: written into fold.json.
        """

    def predictions(
        self, output: np.ndarray, outcome: OutcomeT, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return `columns` for people, from their output float64 (person, n_outputs)."""

    def finite(self, output: np.ndarray) -> np.ndarray:
        """Return who has a finite output, bool (person,): others are no predictions."""

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return weights (person, n_outputs); attributions are of ``(output * contrast).sum(1)``.

        The logit, the value, the log risk; of the called class against the mean of the others.
        """

    def notes(self, outcome: OutcomeT, role: str) -> list[str]:
        """Return sentences on what cannot be told of these people (one class only, no event)."""

    def summary(self, predictions: pd.DataFrame) -> str:
        """Return a few words on held-out people for the log: `AUC 0.71`."""

    def score(self, output: np.ndarray, outcome: OutcomeT) -> float:
        """Return the primary metric of an output, NaN where it cannot be told; for histories."""

    def fewest(self, outcome: OutcomeT) -> int:
        """Return how many people decide how finely training people can be cut.

        People of the rarest class, with an event, or all of them.
        """

    def response(self, outcome: OutcomeT) -> np.ndarray:
        """Return the outcome as numbers that a linear regression can explain (person, phenotype).

        0 and 1; an indicator of each class; SDs; martingale residuals without covariates. As many
        columns as `phenotypes` has.
        """

    def reference(self, outcome: OutcomeT) -> np.ndarray:
        """Return in whom Hardy-Weinberg equilibrium is expected, bool (person,).

        Controls, where there are any; everybody otherwise.
        """

    def design(self, outcome: OutcomeT) -> np.ndarray:
        """Return columns that span what the outcome says, intercept included, float64 (person, k).

        Indicators of classes; a constant and the measurement; a constant, the event and the time.
        """

    # -- association -----------------------------------------------------------------------------

    def phenotypes(self, outcome: OutcomeT, covariates: np.ndarray) -> np.ndarray:
        """Return residuals of the null model, float64 (person, phenotype), for score tests.

        Logistic, linear, Cox martingale, multinomial (a column per class), given the covariates
        (person, covariate) without intercept.
        """

    def trait(self, outcome: OutcomeT) -> np.ndarray | None:
        """Return PLINK's phenotype, float64 (person,), NaN unknown; None where it has no model."""

    def linear(
        self, features: np.ndarray, outcome: OutcomeT, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit the linear model of the task with a ridge penalty: the baseline of all baselines.

        Logistic, multinomial, linear, Cox, by a kept library.

        Parameters
        ----------
        features : float64 (person, feature)
            Standardised.
        outcome : Outcome
        penalty : float
            Half of it times the sum of squared coefficients is added to the summed loss.

        Returns
        -------
        coefficients, intercept : float64 (feature, n_outputs), float64 (n_outputs,)
        """

    # -- pooled over people ----------------------------------------------------------------------

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a row per person, sorted, from held-out rows of all folds: means over repeats."""

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the 95 % bootstrap interval over people of the primary metric, of pooled rows."""

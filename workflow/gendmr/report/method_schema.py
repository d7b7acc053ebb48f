"""What summary.json holds of outcomes and methods; numbers that do not exist are None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """One metric of one method.

    Parameters
    ----------
    values : mapping of str to float
        Any of ``mean``, ``low``, ``high`` (over folds; 95 % interval), ``pooled``, ``pooled_low``
        and ``pooled_high`` (over people).
    """

    values: Mapping[str, float | None]

    @property
    def mean(self) -> float | None:
        """Return the mean over folds."""
        return self.values.get("mean")

    @property
    def low(self) -> float | None:
        """Return the lower bound of the 95 % interval of the mean."""
        return self.values.get("low")

    @property
    def high(self) -> float | None:
        """Return the upper bound of the 95 % interval of the mean."""
        return self.values.get("high")

    @property
    def pooled(self) -> float | None:
        """Return the metric of the held-out people of all folds together."""
        return self.values.get("pooled")

    @property
    def pooled_low(self) -> float | None:
        """Return the lower bound of its 95 % interval."""
        return self.values.get("pooled_low")

    @property
    def pooled_high(self) -> float | None:
        """Return the upper bound of its 95 % interval."""
        return self.values.get("pooled_high")

    def to_json(self) -> dict[str, float | None]:
        """Return what the table of metrics held."""
        return dict(self.values)


NO_ESTIMATE = Estimate({})


@dataclass(frozen=True)
class MetricWords:
    """What the page says of a metric: see `gendmr.tasks.base.Metric`."""

    name: str
    label: str
    better: str
    chance: float | None
    best: float | None
    meaning: str

    @property
    def sign(self) -> int:
        """Return 1 where higher is better and -1 where lower is."""
        return 1 if self.better == "higher" else -1

    def skill(self, value: float | None) -> float | None:
        """Return how far a value stands between chance (0) and the best one (1).

        None where the metric has no chance level or no best value. An AUC of 0.65 is 0.3.
        """
        if value is None or self.chance is None or self.best is None:
            return None
        return (value - self.chance) / (self.best - self.chance)


@dataclass(frozen=True)
class FoldMetric:
    """The primary metric of one fold, and the sizes that its variance depends on."""

    repeat: int
    fold: int
    value: float | None
    n_train: int
    n_held_out: int


@dataclass(frozen=True)
class Difference:
    """A method against its reference, paired by fold; above 0 the method is better.

    Parameters
    ----------
    mean, low, high : float or None
        With the 95 % interval: method minus reference where a higher metric is better, reference
        minus method where a lower one is.
    folds : int or None
        Folds that both have; None for the reference itself.
    verdict : str
        One of the verdicts of `gendmr.report.comparison`.
    """

    mean: float | None
    low: float | None
    high: float | None
    folds: int | None
    verdict: str


@dataclass(frozen=True)
class MethodSummary:
    """One method: how it predicts, what it reads, on whom it was judged.

    Parameters
    ----------
    method, kind, outcome : str
    reads : list of str
        Modalities, and covariates.
    exclude : list of str
        Genomic intervals that it does not read.
    primary : MetricWords
        The metric that methods of its outcome are compared by.
    metrics : dict of str to Estimate
    primary_of_folds : list of FoldMetric
    by_modality, by_ancestry : list of mapping
        Rows of the tables of that name.
    notes : list of mapping
        Each with the number of folds that left it.
    versions : mapping of str to str
    seeds : list of int
    devices : list of str
    best_epochs : list of int or None
        Epoch whose weights each fold kept, counted from 1.
    people : mapping of (repeat, fold) to str
        A digest of who was held out with which outcome.
    unjudged : str
        Why no fold has a finite primary metric; empty where one has.
    difference : Difference, optional
        From the reference; None before `gendmr.report.comparison.compare`.
    """

    method: str
    kind: str
    outcome: str
    reads: list[str]
    exclude: list[str]
    primary: MetricWords
    metrics: Mapping[str, Estimate]
    primary_of_folds: list[FoldMetric]
    by_modality: Sequence[Row]
    by_ancestry: Sequence[Row]
    notes: Sequence[Row]
    versions: Mapping[str, str]
    seeds: list[int]
    devices: list[str]
    best_epochs: list[int | None]
    people: Mapping[tuple[int, int], str]
    unjudged: str = ""
    difference: Difference | None = None

    @property
    def estimate(self) -> Estimate:
        """Return the primary metric; an empty estimate where the table of metrics has none."""
        return self.metrics.get(self.primary.name, NO_ESTIMATE)

    @property
    def skill(self) -> float | None:
        """Return how far its mean stands between chance (0) and the best value (1)."""
        return self.primary.skill(self.estimate.mean)

    @property
    def folds(self) -> list[tuple[int, int]]:
        """Return (repeat, fold) of each fold."""
        return [(fold.repeat, fold.fold) for fold in self.primary_of_folds]

    @property
    def paired(self) -> Difference:
        """Return the difference from the reference.

        Raises
        ------
        ValueError
            The methods have not been compared yet.
        """
        if self.difference is None:
            raise ValueError(f"{self.method} has not been compared with a reference yet")
        return self.difference

    def mean_of(self, metric: str) -> float | None:
        """Return the mean of a metric over folds; None where there is none."""
        return self.metrics.get(metric, NO_ESTIMATE).mean

    def to_json(self) -> dict[str, Any]:
        """Return its entry in summary.json: versions, seeds and devices are listed once for all."""
        of_all_methods = {"versions", "seeds", "devices", "best_epochs", "people"}
        entry = fields_to_json(self, leave_out=of_all_methods)
        return entry | {"primary": self.primary.name}


@dataclass(frozen=True)
class Comparison:
    """All methods of an outcome against one reference.

    Parameters
    ----------
    reference : str
    order : list of str
        Methods by their mean primary metric, best first.
    verdicts : mapping of str to int
        How many methods are `higher`, `lower`, `tied`, `not_computed`.
    folds : int
        The largest number of folds of a method.
    """

    reference: str
    order: list[str]
    verdicts: Mapping[str, int]
    folds: int


@dataclass(frozen=True)
class OutcomeSummary:
    """An outcome, and the methods that learn it.

    Parameters
    ----------
    name, label, kind : str
    n, unknown : int
        Of the people who were analysed: those who have it, and those who lack it.
    fewest : int
        People who decide how finely they can be cut: of the rarest class, with an event, or all.
    groups : list of mapping
        ``group`` and what `gendmr.report.people.describe_group` counts, of the people who have it.
    metrics : list of MetricWords
        The primary one first.
    comparison : Comparison or None
        None where no method learns it.
    unjudged : list of mapping
        ``method`` and ``reason`` of those without a finite primary metric.
    """

    name: str
    label: str
    kind: str
    n: int
    unknown: int
    fewest: int
    groups: list[dict[str, Any]]
    metrics: list[MetricWords]
    comparison: Comparison | None
    unjudged: list[dict[str, str]]

    @property
    def primary(self) -> MetricWords:
        """Return the metric that methods are compared by."""
        return self.metrics[0]


def fields_to_json(record: Any, leave_out: set[str] | None = None) -> dict[str, Any]:
    """Return the fields of a record as JSON takes them."""
    return {
        field.name: _to_json(getattr(record, field.name))
        for field in fields(record)
        if field.name not in (leave_out or set())
    }


def _to_json(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return fields_to_json(value)
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value

"""What summary.json holds, as types that the other modules of the report read.

Rows of tables and what other stages left as JSON stay mappings; numbers that do not exist are None.
"""

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
class FoldAuc:
    """The AUC of one fold, and the sizes that its variance depends on."""

    repeat: int
    fold: int
    auc: float | None
    n_train: int
    n_held_out: int


@dataclass(frozen=True)
class Difference:
    """A method minus its reference, paired by fold.

    Parameters
    ----------
    mean, low, high : float or None
        With the 95 % interval.
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
    method, kind : str
    reads : list of str
        Any of snp, region, covariates.
    exclude : list of str
        Genomic intervals that it does not read.
    metrics : dict of str to Estimate
    auc_of_folds : list of FoldAuc
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
        A digest of who was held out with which diagnosis.
    difference : Difference, optional
        From the reference; None before `gendmr.report.comparison.compare`.
    """

    method: str
    kind: str
    reads: list[str]
    exclude: list[str]
    metrics: Mapping[str, Estimate]
    auc_of_folds: list[FoldAuc]
    by_modality: Sequence[Row]
    by_ancestry: Sequence[Row]
    notes: Sequence[Row]
    versions: Mapping[str, str]
    seeds: list[int]
    devices: list[str]
    best_epochs: list[int | None]
    people: Mapping[tuple[int, int], str]
    difference: Difference | None = None

    @property
    def auc(self) -> Estimate:
        """Return the AUC; an empty estimate where the table of metrics has none."""
        return self.metrics.get("auc", NO_ESTIMATE)

    @property
    def folds(self) -> list[tuple[int, int]]:
        """Return (repeat, fold) of each fold."""
        return [(each.repeat, each.fold) for each in self.auc_of_folds]

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
        return _fields_to_json(self, leave_out=of_all_methods)


@dataclass(frozen=True)
class Comparison:
    """All methods against one reference.

    Parameters
    ----------
    reference : str
    order : list of str
        Methods by mean AUC, best first.
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
class RankedTable:
    """The first genes or regions of a ranking.

    Parameters
    ----------
    n : int
        How many are ranked.
    rows : list of mapping
        The first ones, by rank.
    p_values : bool
        A permutation null was run.
    among_first : int or None
        Planted ones among the first `top`; None without a planted truth.
    top : int
    planted : list of mapping or None
        Where each planted one came out.
    """

    n: int
    rows: Sequence[Row]
    p_values: bool
    among_first: int | None
    top: int
    planted: Sequence[Row] | None


@dataclass(frozen=True)
class Registration:
    """How well images were registered; without overlaps where measurements were given.

    Parameters
    ----------
    n : int
        People with regions.
    dice_min, dice_median, dice_max : float or None
        Overlap of the brain with the template's.
    n_outliers : int
    outliers : list of mapping
        The first ones that are flagged.
    n_left_out : int
    left_out : list of mapping
        The first ones that are not used, with the reason.
    pictured : list of str
        Participants whose pictures are worth a look, flagged ones and low overlap first.
    """

    n: int
    dice_min: float | None
    dice_median: float | None
    dice_max: float | None
    n_outliers: int
    outliers: Sequence[Row]
    n_left_out: int
    left_out: Sequence[Row]
    pictured: list[str]


@dataclass(frozen=True)
class StudySummary:
    """Everything that the page of a study says.

    Parameters
    ----------
    study, title, gendmr : str
        Name of the study, heading of the page, version of this package.
    main : str or None
        The method whose ranking comes first.
    truth : mapping or None
        ``null``: nothing was planted; None for real people.
    people, left, genotypes, ancestry
        Of `people.analysed`, `people.left`, `genotyped.genotype_sets`, `ancestry.count_groups`.
    methods : list of MethodSummary
        In the order of the configuration.
    comparison : Comparison
    dominance : list of mapping
        Shares by dominant modality of each method that decides on one.
    genes, regions : RankedTable or None
        Of `main`.
    other_rankings : list of mapping
        ``method``, ``genes``, ``regions`` of the other ranked methods.
    significance, who_finds
        Of `gendmr.report.significance`.
    exclusions : list of mapping
        Of `gendmr.report.exclusion`.
    registration : Registration or None
    detectable : mapping
        Of `limits.smallest_effects`.
    versions : mapping of str to str
        Of all folds.
    made_with, given
        Of `gendmr.report.provenance`.
    devices : list of str
    seeds : list of mapping
        By method.
    warnings : list of str
        Worst first.
    not_done : list of mapping
        ``stage``, ``note`` and perhaps ``where``.
    """

    study: str
    title: str
    gendmr: str
    main: str | None
    truth: Row | None
    people: Row
    left: list[dict[str, Any]]
    genotypes: Row | None
    ancestry: list[dict[str, Any]]
    methods: list[MethodSummary]
    comparison: Comparison
    dominance: list[dict[str, Any]]
    genes: RankedTable | None
    regions: RankedTable | None
    other_rankings: list[dict[str, Any]]
    significance: Row | None
    who_finds: Row | None
    exclusions: list[dict[str, Any]]
    registration: Registration | None
    detectable: Row
    versions: Mapping[str, str]
    made_with: Mapping[str, Mapping[str, str]]
    given: Row | None
    devices: list[str]
    seeds: list[dict[str, Any]]
    warnings: Sequence[str] = ()
    not_done: Sequence[Row] = ()

    def method(self, name: str | None) -> MethodSummary | None:
        """Return a method by its name; None where there is none of that name."""
        return next((item for item in self.methods if item.method == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return what summary.json holds."""
        return _fields_to_json(self)


def _fields_to_json(record: Any, leave_out: set[str] | None = None) -> dict[str, Any]:
    return {
        field.name: _to_json(getattr(record, field.name))
        for field in fields(record)
        if field.name not in (leave_out or set())
    }


def _to_json(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return _fields_to_json(value)
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value

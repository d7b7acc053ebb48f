"""What summary.json holds, as types that the other modules of the report read.

Rows of tables and what other stages left as JSON stay mappings; numbers that do not exist are None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gendmr.report.method_schema import MethodSummary, OutcomeSummary, Row, fields_to_json


@dataclass(frozen=True)
class LeadingRows:
    """The first genes, regions or other instances of a ranking.

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
    n_people, n_flagged_or_lost : int
        Everybody with an image or a row of measurements, and who of them is flagged or not used.
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
    n_people: int
    n_flagged_or_lost: int
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
    people, left, quality
        Of `people.analysed`, `people.count_removals` and `people.quality_by_group`.
    genotypes, ancestry
        Of `sections.genetics`: `genotyped.genotype_sets` and `ancestry.count_groups`.
    outcomes : list of OutcomeSummary
    methods : list of MethodSummary
        In the order of the configuration.
    dominance : list of mapping
        Shares by dominant modality of each method that decides on one.
    genes, regions : LeadingRows or None
        Of `main`.
    instances : mapping of str to LeadingRows
        Of `main`: of modalities that have no chapter of their own, by name.
    other_rankings : list of mapping
        ``method``, ``genes``, ``regions``, ``instances`` of the other ranked methods.
    significance, who_finds
        Of `gendmr.report.significance`.
    exclusions : list of mapping
        Of `sections.genetics.exclusion`.
    registration : Registration or None
    detectable : mapping
        Of `limits.detectable`.
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
    quality: list[dict[str, Any]]
    genotypes: Row | None
    ancestry: list[dict[str, Any]]
    outcomes: list[OutcomeSummary]
    methods: list[MethodSummary]
    dominance: list[dict[str, Any]]
    genes: LeadingRows | None
    regions: LeadingRows | None
    instances: Mapping[str, LeadingRows]
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

    @property
    def ranked(self) -> list[str]:
        """Return the methods with a ranking, the one that comes first before the others."""
        first = [] if self.main is None else [self.main]
        return [*first, *(str(row["method"]) for row in self.other_rankings)]

    def outcome(self, name: str) -> OutcomeSummary:
        """Return an outcome by its name."""
        return next(item for item in self.outcomes if item.name == name)

    def learners(self, name: str) -> list[MethodSummary]:
        """Return the methods of an outcome, best first."""
        comparison = self.outcome(name).comparison
        by_name = {item.method: item for item in self.methods}
        return (
            [] if comparison is None else [by_name[method_name] for method_name in comparison.order]
        )

    def to_json(self) -> dict[str, Any]:
        """Return what summary.json holds."""
        return fields_to_json(self)

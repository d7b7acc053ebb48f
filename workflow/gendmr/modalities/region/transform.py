"""Region measurements within a fold: adjusted for head size and covariates, then in SDs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pandas as pd

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.region import RegionSection
from gendmr.errors import ConfigurationError, first_few
from gendmr.modalities.covariates import Covariates
from gendmr.modalities.region.modality import MODALITY
from gendmr.modalities.subset import Subset
from gendmr.modalities.unselected import UnselectedTransform
from gendmr.statistics.combat import Combat
from gendmr.statistics.outliers import inside, limits
from gendmr.tasks.base import Outcome, Task

NAME, MEASURES = MODALITY.name, MODALITY.measures
# Share of the outcome that a site explains, from which on the two are nearly the same thing: two
# classes that the site tells with 80 of 100 people right.
CONFOUNDED = 0.35


@dataclass(frozen=True)
class RegionTransform(UnselectedTransform):
    """What training people decide about measurements: see `gendmr.modalities.base.Transform`.

    Parameters
    ----------
    measured : DataFrame
        Covariates of the training people who have measurements.
    who : bool (training person,)
        Whether they are among those.
    table : DataFrame
        Regions of the cohort.
    icv : bool
        Whether measurements are adjusted for intracranial volume.
    covariates : Covariates
        What else they are adjusted for.
    values : float64 (measured, region * measure)
        NaN where missing or beyond the limits.
    low, high : float64 (region * measure,)
        Limits; `icv_limits` those of intracranial volume.
    nuisance : float64 (measured, nuisance)
        Covariates and intracranial volume.
    harmonise : str, optional
        Covariate whose effects are removed.
    sites : tuple of Combat
        These effects, one for each measure.
    centre, slopes, mean, scale
        After `condition`: means (nuisance,) and slopes (nuisance, region * measure) of the
        adjustment, mean and SD of what it leaves (region * measure,).
    """

    measured: pd.DataFrame
    who: np.ndarray
    icv: bool
    covariates: Covariates
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    icv_mean: float
    icv_limits: tuple[float, float]
    nuisance: np.ndarray
    harmonise: str | None = None
    sites: tuple[Combat, ...] = ()
    notes: list[str] = field(default_factory=list)
    centre: np.ndarray = field(default_factory=lambda: np.zeros(0))
    slopes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find limits and what to adjust for; see `Transform.fit`."""
        if not isinstance(section, RegionSection):
            raise TypeError(f"a section {type(section).__name__}, not RegionSection")
        measured = train.require("train").having(NAME)
        adjusted_for = Covariates.fit(
            measured.covariates, section.covariates, [], "modalities.region.covariates"
        )
        values = _measures(measured)
        low, high = limits(values)
        icv = measured.array(NAME, "icv")
        smallest, largest = (float(limit[0]) for limit in limits(icv[:, None]))
        head = inside(icv, smallest, largest)
        icv_mean = float(np.nanmean(head)) if np.isfinite(head).any() else 0.0
        nuisance = adjusted_for.apply(measured.covariates)
        if section.icv:
            nuisance = np.column_stack([nuisance, np.where(np.isfinite(head), head, icv_mean)])
        fitted = cls(
            measured=measured.covariates,
            who=train.present[NAME],
            table=train.instances(NAME),
            icv=section.icv,
            covariates=adjusted_for,
            values=inside(values, low, high),
            low=low,
            high=high,
            icv_mean=icv_mean,
            icv_limits=(smallest, largest),
            nuisance=nuisance,
        )
        return fitted if section.harmonise is None else fitted._harmonised_by(section.harmonise)

    def _harmonised_by(self, name: str) -> Self:
        """Return the same with the effects of sites, fitted and removed."""
        table = self.measured
        if name not in table:
            raise ConfigurationError(
                f"modalities.region.harmonise names {name!r}, which the cohort lacks; it has"
                f" {first_few(table.columns, 20)}",
                cause="a column that the section cohort does not declare",
                next_step="add the column to cohort.covariates and cohort.categorical",
            )
        site = _labels(table, name)
        sites = tuple(
            Combat.fit(self.values[:, measure :: len(MEASURES)], site, self.nuisance)
            for measure in range(len(MEASURES))
        )
        fitted = replace(self, harmonise=name, sites=sites)
        small = sites[0].small
        notes = [f"Effects of {name} ({len(sites[0].sites)} levels) are removed by ComBat."]
        if small:
            notes.append(
                f"{name}: {len(small)} levels have too few training people for ComBat, and keep"
                f" their values: {first_few(f'{label} ({n})' for label, n in small.items())}."
            )
        if len(sites[0].sites) < 2:
            notes = [
                f"Nothing is harmonised: {len(sites[0].sites)} levels of {name} have enough"
                " training people with regions."
            ]
        values = fitted._without_sites(self.values, site, self.nuisance)
        return replace(fitted, values=values, notes=[*self.notes, *notes])

    def _without_sites(
        self, values: np.ndarray, site: np.ndarray, nuisance: np.ndarray
    ) -> np.ndarray:
        """Return values (person, region * measure) without the effects of sites."""
        values = values.copy()
        for measure, effects in enumerate(self.sites):
            columns = slice(measure, None, len(MEASURES))
            values[:, columns] = effects.apply(values[:, columns], site, nuisance)
        return values

    def remarks(self, subset: Subset) -> list[str]:
        """Return a note where people are of a site that no training person is of."""
        if self.harmonise is None or len(self.sites[0].sites) < 2 or subset.role == "train":
            return []
        site = _labels(subset.covariates, self.harmonise)
        unknown = subset.present[NAME] & self.sites[0].unknown(site)
        if not unknown.any():
            return []
        return [
            f"{int(unknown.sum())} of {len(subset)} {subset.role} people are of no {self.harmonise}"
            " with enough training people: their regions are not harmonised."
        ]

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Adjust and scale.

        Slopes are common to all classes of the outcome, each with an intercept of its own (of a
        measurement or a time: with a slope of its own), so that what age and head size share with
        the outcome stays in the measurements.
        """
        notes = list(self.notes)
        people, values, nuisance = len(self.measured), self.values, self.nuisance
        included = self._among(outcome)
        centre = nuisance.mean(axis=0) if people else np.zeros(nuisance.shape[1])
        slopes = np.zeros((nuisance.shape[1], values.shape[1]))
        filled = np.where(np.isfinite(values), values, _column_mean(values))
        if nuisance.shape[1] and people >= 3 * (nuisance.shape[1] + 2):
            design = task.design(included)
            spread = nuisance.std(axis=0)
            unit = (nuisance - centre) / np.where(spread > 0, spread, 1.0)
            fit = np.linalg.lstsq(np.column_stack([design, unit]), filled, rcond=1e-10)[0]
            slopes = fit[design.shape[1] :] / np.where(spread > 0, spread, 1.0)[:, None]
        elif nuisance.shape[1]:
            notes.append(
                f"Only {people} training people have region measurements: they are not adjusted"
                " for head size and covariates."
            )
        adjusted = filled - (nuisance - centre) @ slopes
        mean = adjusted.mean(axis=0) if people else np.zeros(values.shape[1])
        scale = adjusted.std(axis=0) if people else np.zeros(values.shape[1])
        scale = np.where(scale > 1e-9 * (np.abs(mean) + 1e-12), scale, np.inf)
        n_constant = int(np.isinf(scale).sum())
        if n_constant:
            notes.append(
                f"{n_constant} of {scale.size} region measurements are missing in, or the same for,"
                f" all {people} training people with regions: they count for nobody"
                + (", and the modality region is masked." if n_constant == scale.size else ".")
            )
        if self.harmonise is not None and people:
            shared = _shared(_labels(self.measured, self.harmonise), task.design(included))
            if shared >= CONFOUNDED:
                notes.append(
                    f"{self.harmonise} explains {shared:.0%} of {task.label} among training people:"
                    f" with the effects of {self.harmonise} ComBat removes what is of"
                    f" {task.label}, and no correction can hold the two apart."
                )
        return replace(self, notes=notes, centre=centre, slopes=slopes, mean=mean, scale=scale)

    def _among(self, outcome: Outcome) -> Outcome:
        """Return the outcome of those who have measurements, out of that of all training people."""
        return outcome.take(self.who)

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has measurements, bool (person,); nobody where none of them varies."""
        return np.asarray(subset.present[NAME] & bool(np.isfinite(self.scale).any()))

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return which people have a value beyond the limits, bool (person,), by measure."""
        values, icv = _measures(subset), subset.array(NAME, "icv")
        wrong = ~np.isnan(values) & np.isnan(inside(values, self.low, self.high))
        by_measure = wrong.reshape(len(subset), -1, len(MEASURES)).any(axis=1)
        measures = {f"region {name}": by_measure[:, n] for n, name in enumerate(MEASURES)}
        outside = ~np.isnan(icv) & np.isnan(inside(icv, *self.icv_limits))
        return {**self.covariates.beyond(subset.covariates), **measures, "icv": outside}

    def apply(self, subset: Subset) -> np.ndarray:
        """Return adjusted measurements in SDs, float32 (person, region, measure); missing is 0."""
        nuisance = self.covariates.apply(subset.covariates)
        if self.icv:
            head = inside(subset.array(NAME, "icv"), *self.icv_limits)
            nuisance = np.column_stack([nuisance, np.where(np.isnan(head), self.icv_mean, head)])
        values = inside(_measures(subset), self.low, self.high)
        if self.harmonise is not None:
            site = _labels(subset.covariates, self.harmonise)
            values = self._without_sites(values, site, nuisance)
        values = values - (nuisance - self.centre) @ self.slopes
        values = (values - self.mean) / self.scale
        values = np.where(np.isfinite(values), values, 0.0).astype(np.float32)
        values = values * self.present(subset)[:, None]
        return np.asarray(values.reshape(len(subset), len(self.table), len(MEASURES)))

    def design(self, values: np.ndarray) -> np.ndarray:
        """Return the same as float64 (person, region, measure): it is in SDs already."""
        return values.astype(np.float64)

    def portable(self) -> Self:
        """Return the same without measurements, covariates and names of training people."""
        no_rows = np.zeros(0, dtype=np.int64)
        return replace(
            self,
            measured=self.measured.iloc[no_rows],
            who=no_rows.astype(bool),
            values=self.values[no_rows],
            nuisance=self.nuisance[no_rows],
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        return {
            "limit": np.column_stack([self.low, self.high]),
            "icv_limit": np.array(self.icv_limits),
            "slope": self.slopes,
            "centre": self.centre,
            "mean": self.mean,
            "scale": self.scale,
            **{
                f"site_{name}.{MEASURES[measure]}": getattr(effects, name)
                for measure, effects in enumerate(self.sites)
                for name in ("location", "spread", "intercept", "slopes")
            },
        }


def _measures(subset: Subset) -> np.ndarray:
    """Return all measures of a region side by side, float64 (person, region * measure)."""
    values = np.stack([subset.array(NAME, name) for name in MEASURES], axis=2)
    return np.asarray(values.reshape(len(subset), values.shape[1] * len(MEASURES)))


def _column_mean(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    return np.asarray(np.where(finite, values, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1))


def _labels(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return a covariate as labels, object (person,), None where unknown."""
    values = table[name]
    return np.array([None if pd.isna(value) else str(value) for value in values], dtype=object)


def _shared(site: np.ndarray, design: np.ndarray) -> float:
    """Return the largest share of a column of the outcome's design that sites explain, adjusted.

    Adjusted for the number of sites, since many small ones explain anything.
    """
    codes = pd.factorize(pd.Series(site, dtype=object), use_na_sentinel=False)[0]
    people, levels = len(codes), int(codes.max(initial=0)) + 1
    if people <= levels:
        return 0.0
    counts = np.bincount(codes, minlength=levels)
    largest = 0.0
    for column in design.T:
        total = float(((column - column.mean()) ** 2).sum())
        if total <= 0:
            continue
        means = np.bincount(codes, weights=column, minlength=levels) / counts
        unexplained = float(((column - means[codes]) ** 2).sum()) / total
        largest = max(largest, 1 - unexplained * (people - 1) / (people - levels))
    return largest


TRANSFORM = RegionTransform

"""Everything that is fitted before a method is: on training people, applied to the others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from gendmr.cohort.view import FoldView, Rows
from gendmr.config.training import MethodOptions
from gendmr.errors import ConfigurationError, TrainingError, first_few
from gendmr.training.association import Packed, mean_dosage
from gendmr.training.components import Components
from gendmr.training.selection import Candidates, Selection, exclude

MEASURES = ("volume", "mean", "spread")
# Interquartile ranges beyond the quartiles: a wrong unit or a failed step, no human being.
FAR = 20.0
FEWEST_FOR_LIMITS = 8


@dataclass(frozen=True)
class People:
    """Prepared measurements of some people.

    Parameters
    ----------
    participants, family : str (n,)
    diagnosis : int8 (n,)
    has_snp, has_region : bool (n,)
    dosage : int8 (n, snp)
        Selected SNPs, -1 missing.
    regions : float32 (n, region, 3)
        Volume, mean and spread: adjusted, in SDs of the training people; missing is 0, their mean.
    covariates : float64 (n, covariate)
        Adjustment covariates (missing is the training mean) and ancestry components.
    """

    participants: np.ndarray
    family: np.ndarray
    diagnosis: np.ndarray
    has_snp: np.ndarray
    has_region: np.ndarray
    dosage: np.ndarray
    regions: np.ndarray
    covariates: np.ndarray

    def __len__(self) -> int:
        return len(self.participants)

    @property
    def modalities(self) -> np.ndarray:
        """Return the pattern of each person: `snp+region`, `snp`, `region` or `none`."""
        names = np.array(["none", "region", "snp", "snp+region"])
        return np.asarray(names[2 * self.has_snp.astype(int) + self.has_region.astype(int)])


def limits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits (column,) beyond which a number is a mistake and counts as missing.

    Tukey's fences (1977) at `FAR` interquartile ranges instead of 1.5: far from anything that is
    merely unusual. One such value would decide mean and SD of its column, and so the scale on which
    everybody is seen. No limits where fewer than 8 people have a value or half of them the same.

    Parameters
    ----------
    values : float (people, column)
        NaN where missing.
    """
    low, high = np.full(values.shape[1], -np.inf), np.full(values.shape[1], np.inf)
    finite = np.isfinite(values)
    for column in np.flatnonzero(finite.sum(axis=0) >= FEWEST_FOR_LIMITS):
        first, third = np.quantile(values[finite[:, column], column], [0.25, 0.75])
        if third > first:
            low[column] = first - FAR * (third - first)
            high[column] = third + FAR * (third - first)
    return low, high


def _inside(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    return np.where(np.isfinite(values) & (values >= low) & (values <= high), values, np.nan)


@dataclass
class Covariates:
    """Numeric form of declared covariates: numbers as they are, categories against the first."""

    columns: list[tuple[str, str | None]] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def fit(cls, table: pd.DataFrame, names: tuple[str, ...], notes: list[str]) -> Covariates:
        """Learn means and levels from the training people."""
        absent = [name for name in names if name not in table]
        if absent:
            raise ConfigurationError(
                f"training.adjustment names {len(absent)} covariates that the cohort lacks:"
                f" {first_few(absent)}; it has {first_few(table.columns, 20)}",
                cause="a misspelt name, or a column that the section cohort does not declare",
                next_step="correct training.adjustment or add the column to cohort.covariates",
            )
        fitted = cls()
        for name in names:
            values = table[name]
            if pd.api.types.is_float_dtype(values):
                missing = int(values.isna().sum())
                if missing:
                    notes.append(f"{missing} training people lack {name}: the mean is used.")
                number = values.to_numpy(dtype=np.float64)
                low, high = (float(limit[0]) for limit in limits(number[:, None]))
                number = _inside(number, low, high)
                fitted.columns.append((name, None))
                fitted.means.append(float(np.nanmean(number)) if np.isfinite(number).any() else 0.0)
                fitted.limits.append((low, high))
            else:
                for level in sorted(values.dropna().unique())[1:]:
                    fitted.columns.append((name, str(level)))
                    fitted.means.append(0.0)
                    fitted.limits.append((-np.inf, np.inf))
        return fitted

    def apply(self, table: pd.DataFrame) -> np.ndarray:
        """Return float64 (people, column)."""
        values = []
        for (name, level), mean, (low, high) in zip(
            self.columns, self.means, self.limits, strict=True
        ):
            if level is None:
                number = _inside(table[name].to_numpy(dtype=np.float64), low, high)
                values.append(np.where(np.isnan(number), mean, number))
            else:
                values.append((table[name] == level).to_numpy(dtype=np.float64))
        return np.column_stack(values) if values else np.zeros((len(table), 0))

    def beyond(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return which people have a value beyond the limits, bool (people,), by covariate."""
        found = {}
        for (name, level), (low, high) in zip(self.columns, self.limits, strict=True):
            if level is None:
                number = table[name].to_numpy(dtype=np.float64)
                found[name] = ~np.isnan(number) & np.isnan(_inside(number, low, high))
        return found


@dataclass
class RegionScaler:
    """Adjustment of region measurements for head size and age, then scaling to SDs."""

    icv: bool
    icv_mean: float
    icv_limits: tuple[float, float]
    low: np.ndarray
    high: np.ndarray
    covariates: Covariates
    centre: np.ndarray
    slopes: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, rows: Rows, names: tuple[str, ...], icv: bool, notes: list[str]) -> RegionScaler:
        """Fit on the training people who have measurements.

        Slopes are common to cases and controls, each with an intercept of its own, so that what
        age and head size share with the diagnosis stays in the measurements.
        """
        covariates = Covariates.fit(rows.covariates, names, [])
        values = _measures(rows)
        low, high = limits(values)
        values = _inside(values, low, high)
        smallest, largest = (float(limit[0]) for limit in limits(rows.icv[:, None]))
        head = _inside(rows.icv, smallest, largest)
        icv_mean = float(np.nanmean(head)) if np.isfinite(head).any() else 0.0
        nuisance = covariates.apply(rows.covariates)
        if icv:
            nuisance = np.column_stack([nuisance, np.where(np.isfinite(head), head, icv_mean)])
        centre = nuisance.mean(axis=0) if len(rows) else np.zeros(nuisance.shape[1])
        slopes = np.zeros((nuisance.shape[1], values.shape[1]))
        filled = np.where(np.isfinite(values), values, _column_mean(values))
        if nuisance.shape[1] and len(rows) >= 3 * (nuisance.shape[1] + 2):
            groups = np.column_stack([rows.diagnosis == 1, rows.diagnosis == 0]).astype(float)
            spread = nuisance.std(axis=0)
            unit = (nuisance - centre) / np.where(spread > 0, spread, 1.0)
            found = np.linalg.lstsq(np.column_stack([groups, unit]), filled, rcond=1e-10)[0]
            slopes = found[2:] / np.where(spread > 0, spread, 1.0)[:, None]
        elif nuisance.shape[1]:
            notes.append(
                f"Only {len(rows)} training people have region measurements: they are not adjusted"
                " for head size and covariates."
            )
        adjusted = filled - (nuisance - centre) @ slopes
        mean = adjusted.mean(axis=0) if len(rows) else np.zeros(values.shape[1])
        scale = adjusted.std(axis=0) if len(rows) else np.zeros(values.shape[1])
        scale = np.where(scale > 1e-9 * (np.abs(mean) + 1e-12), scale, np.inf)
        still = int(np.isinf(scale).sum())
        if still:
            notes.append(
                f"{still} of {scale.size} region measurements are missing in, or the same for, all"
                f" {len(rows)} training people with regions: they count for nobody"
                + (", and the modality region is masked." if still == scale.size else ".")
            )
        return cls(
            icv=icv,
            icv_mean=icv_mean,
            icv_limits=(smallest, largest),
            low=low,
            high=high,
            covariates=covariates,
            centre=centre,
            slopes=slopes,
            mean=mean,
            scale=scale,
        )

    @property
    def usable(self) -> bool:
        """Return whether any measurement varies among the training people."""
        return bool(np.isfinite(self.scale).any())

    def beyond(self, rows: Rows) -> dict[str, np.ndarray]:
        """Return which people have a value beyond the limits, bool (people,), by measure."""
        values = _measures(rows)
        wrong = ~np.isnan(values) & np.isnan(_inside(values, self.low, self.high))
        by_measure = wrong.reshape(len(rows), -1, len(MEASURES)).any(axis=1)
        found = {f"region {name}": by_measure[:, n] for n, name in enumerate(MEASURES)}
        outside = ~np.isnan(rows.icv) & np.isnan(_inside(rows.icv, *self.icv_limits))
        return {**self.covariates.beyond(rows.covariates), **found, "icv": outside}

    def apply(self, rows: Rows) -> np.ndarray:
        """Return float32 (people, region, 3), 0 where missing."""
        nuisance = self.covariates.apply(rows.covariates)
        if self.icv:
            head = _inside(rows.icv, *self.icv_limits)
            nuisance = np.column_stack([nuisance, np.where(np.isnan(head), self.icv_mean, head)])
        values = _inside(_measures(rows), self.low, self.high)
        values = values - (nuisance - self.centre) @ self.slopes
        values = (values - self.mean) / self.scale
        values = np.where(np.isfinite(values), values, 0.0).astype(np.float32)
        return values.reshape(len(rows), rows.volume.shape[1], len(MEASURES))


def _measures(rows: Rows) -> np.ndarray:
    values = np.stack([getattr(rows, name) for name in MEASURES], axis=2)
    return np.asarray(values.reshape(len(rows), values.shape[1] * len(MEASURES)))


def _column_mean(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    return np.asarray(np.where(finite, values, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1))


class Groundwork:
    """What a fold's preparation does without diagnoses: shared by all permutations of them.

    Parameters
    ----------
    view : FoldView
        Only its training rows are looked at.
    options : MethodOptions

    Raises
    ------
    ConfigurationError
        A covariate is not in the cohort.
    """

    def __init__(self, view: FoldView, options: MethodOptions) -> None:
        self.options = options
        self.where = f"repeat {view.repeat}, fold {view.fold}"
        self.rows = view.train.require("train")
        self.snps = view.snps
        self.regions = view.regions_meta["region"].to_numpy(dtype=str)
        self.notes: list[str] = []
        adjustment = options.adjustment
        self.covariates = Covariates.fit(self.rows.covariates, adjustment.covariates, self.notes)
        self.typed = self.rows.take(self.rows.has_snp)
        self.measured = self.rows.take(self.rows.has_region)
        self.components = Components.fit(
            self.typed.dosage,
            self.snps["chromosome"].to_numpy(dtype=str),
            self.snps["position"].to_numpy(dtype=np.int64),
            count=adjustment.components,
            r2=adjustment.component_r2,
            variants=adjustment.component_variants,
        )
        found = self.components.loadings.shape[1]
        if found < adjustment.components:
            self.notes.append(
                f"Only {found} of {adjustment.components} ancestry components exist in the"
                f" {len(self.typed)} training people with genotypes."
            )
        self.design = np.column_stack(
            [
                self.covariates.apply(self.typed.covariates),
                self.components.apply(self.typed.dosage),
            ]
        )
        excluded = exclude(self.snps, options.method.exclude, self.notes)
        self.candidates = Candidates.find(
            self.typed.dosage, self.snps, options.selection, excluded, options.method.own_snps
        )
        self._packed: Packed | None = None
        self._scores: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def strengths(self, diagnoses: np.ndarray) -> np.ndarray | None:
        """Return |z| of all candidates, float32 (candidate, permutation), where it is asked for.

        Parameters
        ----------
        diagnoses : int (training people, permutation)
        """
        if not self.candidates.by_association:
            return None
        if self._packed is None:
            self._packed = Packed.pack(self.typed.dosage[:, self.candidates.columns])
        return np.abs(self._packed.associate(diagnoses[self.rows.has_snp], self.design))

    def component_scores(self, rows: Rows) -> np.ndarray:
        """Return the components of any rows, computed once for the same genotypes."""
        dosage, scores = self._scores.get(rows.role, (None, None))
        if dosage is not rows.dosage or scores is None:
            scores = self.components.apply(rows.dosage)
            scores[~rows.has_snp] = 0.0
            self._scores[rows.role] = rows.dosage, scores
        return scores


@dataclass
class Preparation:
    """What was fitted on the training people of a fold.

    Attributes
    ----------
    snps : DataFrame
        Selected SNPs, in the order of the columns of `People.dosage`.
    regions : str (region,)
    mean_dosage, scale_dosage : float64 (snp,)
        Mean and SD of the dosage in the training people.
    covariate_names : list of str
    selection : dict
        Number of SNPs after each step.
    notes : list of str
        What was done differently, for run.json.
    """

    snps: pd.DataFrame
    regions: np.ndarray
    mean_dosage: np.ndarray
    scale_dosage: np.ndarray
    covariate_names: list[str]
    selection: dict[str, int]
    notes: list[str]
    _columns: np.ndarray
    _ground: Groundwork
    _scaler: RegionScaler

    @classmethod
    def fit(cls, view: FoldView, options: MethodOptions) -> Preparation:
        """Fit on `view.train`.

        Raises
        ------
        TrainingError
            The training people are all cases or all controls.
        ConfigurationError
            A covariate is not in the cohort.
        """
        ground = Groundwork(view, options)
        diagnosis = ground.rows.diagnosis
        strengths = ground.strengths(diagnosis[:, None])
        return cls.on(ground, diagnosis, None if strengths is None else strengths[:, 0])

    @classmethod
    def on(
        cls, ground: Groundwork, diagnosis: np.ndarray, strength: np.ndarray | None
    ) -> Preparation:
        """Fit what depends on diagnoses: the true ones, or a permutation.

        Parameters
        ----------
        ground : Groundwork
        diagnosis : int8 (training people,)
        strength : float (candidate,), optional
            See `Groundwork.strengths`.

        Raises
        ------
        TrainingError
            The training people are all cases or all controls.
        """
        notes = list(ground.notes)
        cases = int(diagnosis.sum())
        if cases in (0, len(diagnosis)):
            raise TrainingError(
                f"all {len(diagnosis)} training people of {ground.where} are"
                f" {'cases' if cases else 'controls'}",
                cause="too few people, or folds that are not stratified by diagnosis",
                next_step="use fewer folds, or check the column diagnosis",
            )
        rows, typed = ground.rows, ground.typed
        selection = Selection(np.zeros(0, dtype=np.int64), {"available": 0, "selected": 0})
        if len(typed):
            of_typed = diagnosis[rows.has_snp]
            selection = ground.candidates.select(typed.dosage, of_typed, strength)
        if not selection.columns.size:
            notes.append(
                "No SNP is left after selection: the bag of SNPs has no instance and is masked for"
                f" everybody ({len(typed)} training people have genotypes)."
            )
        chosen = typed.dosage[:, selection.columns]
        mean = mean_dosage(chosen)
        filled = np.where(chosen < 0, mean, chosen)
        scale = filled.std(axis=0) if len(typed) else np.ones(selection.columns.size)
        measured = replace(ground.measured, diagnosis=diagnosis[rows.has_region])
        adjustment = ground.options.adjustment
        scaler = RegionScaler.fit(measured, adjustment.region_covariates, adjustment.icv, notes)
        names = [
            name if level is None else f"{name}={level}"
            for name, level in ground.covariates.columns
        ]
        found = ground.components.loadings.shape[1]
        return cls(
            snps=ground.snps.iloc[selection.columns].reset_index(drop=True),
            regions=ground.regions,
            mean_dosage=mean,
            scale_dosage=np.where(scale > 0, scale, 1.0),
            covariate_names=[*names, *(f"PC{number + 1}" for number in range(found))],
            selection=selection.counts,
            notes=notes,
            _columns=selection.columns,
            _ground=ground,
            _scaler=scaler,
        )

    @property
    def columns(self) -> np.ndarray:
        """Return the selected SNPs' places among those of the cohort, int (snp,)."""
        return self._columns

    def apply(self, rows: Rows) -> People:
        """Prepare any rows with what was fitted."""
        has_snp = rows.has_snp & (self._columns.size > 0)
        has_region = rows.has_region & self._scaler.usable
        return People(
            participants=rows.participants,
            family=rows.family,
            diagnosis=rows.diagnosis,
            has_snp=has_snp,
            has_region=has_region,
            dosage=rows.dosage[:, self._columns],
            regions=self._scaler.apply(rows) * has_region[:, None, None],
            covariates=np.column_stack(
                [
                    self._ground.covariates.apply(rows.covariates),
                    self._ground.component_scores(rows),
                ]
            ),
        )

    def beyond(self, rows: Rows) -> list[str]:
        """Return a note where values of these people are beyond the limits of the training people.

        Such values count as missing: see `limits`.
        """
        found = self._scaler.beyond(rows)
        for name, people in self._ground.covariates.beyond(rows.covariates).items():
            found[name] = found.get(name, False) | people
        named = [name for name, people in found.items() if people.any()]
        if not named:
            return []
        people = np.any([found[name] for name in named], axis=0)
        return [
            f"{int(people.sum())} of {len(rows)} {rows.role} people have values more than {FAR:g}"
            " interquartile ranges beyond the quartiles of the training people"
            f" ({', '.join(named)}): these count as missing."
        ]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name, to be kept beside the weights of a method."""
        return {
            "preparation.snp_mean": self.mean_dosage,
            "preparation.snp_scale": self.scale_dosage,
            "preparation.covariate_mean": np.array(self._ground.covariates.means, dtype=np.float64),
            "preparation.covariate_limit": np.array(self._ground.covariates.limits).reshape(-1, 2),
            "preparation.component_variant": self._ground.components.columns,
            "preparation.component_mean": self._ground.components.mean,
            "preparation.component_scale": self._ground.components.scale,
            "preparation.component_loading": self._ground.components.loadings,
            "preparation.region_limit": np.column_stack([self._scaler.low, self._scaler.high]),
            "preparation.icv_limit": np.array(self._scaler.icv_limits),
            "preparation.region_slope": self._scaler.slopes,
            "preparation.region_centre": self._scaler.centre,
            "preparation.region_mean": self._scaler.mean,
            "preparation.region_scale": self._scaler.scale,
        }

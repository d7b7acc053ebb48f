"""Everything that is fitted before a method is: on training people, applied to the others."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gendmr.cohort.view import FoldView, Rows
from gendmr.config.training import MethodOptions
from gendmr.errors import ConfigurationError, TrainingError, first_few
from gendmr.training.association import mean_dosage
from gendmr.training.components import Components
from gendmr.training.selection import Selection, exclude, select, select_own

MEASURES = ("volume", "mean", "spread")


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


@dataclass
class Covariates:
    """Numeric form of declared covariates: numbers as they are, categories against the first."""

    columns: list[tuple[str, str | None]] = field(default_factory=list)
    means: list[float] = field(default_factory=list)

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
                fitted.columns.append((name, None))
                fitted.means.append(float(values.mean()) if missing < len(values) else 0.0)
            else:
                for level in sorted(values.dropna().unique())[1:]:
                    fitted.columns.append((name, str(level)))
                    fitted.means.append(0.0)
        return fitted

    def apply(self, table: pd.DataFrame) -> np.ndarray:
        """Return float64 (people, column)."""
        values = [
            table[name].fillna(mean).to_numpy(dtype=np.float64)
            if level is None
            else (table[name] == level).to_numpy(dtype=np.float64)
            for (name, level), mean in zip(self.columns, self.means, strict=True)
        ]
        return np.column_stack(values) if values else np.zeros((len(table), 0))


@dataclass
class RegionScaler:
    """Adjustment of region measurements for head size and age, then scaling to SDs."""

    icv: bool
    icv_mean: float
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
        with np.errstate(invalid="ignore"):
            icv_mean = float(np.nanmean(rows.icv)) if np.isfinite(rows.icv).any() else 0.0
        nuisance = cls._nuisance(rows, covariates, icv, icv_mean)
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
        scale = adjusted.std(axis=0) if len(rows) else np.ones(values.shape[1])
        scale = np.where(scale > 1e-9 * (np.abs(mean) + 1e-12), scale, np.inf)
        return cls(icv, icv_mean, covariates, centre, slopes, mean, scale)

    @staticmethod
    def _nuisance(rows: Rows, covariates: Covariates, icv: bool, icv_mean: float) -> np.ndarray:
        values = covariates.apply(rows.covariates)
        if icv:
            head = np.where(np.isfinite(rows.icv), rows.icv, icv_mean)
            values = np.column_stack([values, head])
        return values

    def apply(self, rows: Rows) -> np.ndarray:
        """Return float32 (people, region, 3), 0 where missing."""
        nuisance = self._nuisance(rows, self.covariates, self.icv, self.icv_mean)
        values = _measures(rows) - (nuisance - self.centre) @ self.slopes
        values = (values - self.mean) / self.scale
        values = np.where(np.isfinite(values), values, 0.0).astype(np.float32)
        return values.reshape(len(rows), rows.volume.shape[1], len(MEASURES))


def _measures(rows: Rows) -> np.ndarray:
    values = np.stack([getattr(rows, name) for name in MEASURES], axis=2)
    return np.asarray(values.reshape(len(rows), values.shape[1] * len(MEASURES)))


def _column_mean(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    return np.asarray(np.where(finite, values, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1))


def _select(
    typed: Rows, design: np.ndarray, snps: pd.DataFrame, options: MethodOptions, notes: list[str]
) -> Selection:
    """Select SNPs by the training people with genotypes: the study's way, or the method's own."""
    excluded = exclude(snps, options.method.exclude, notes)
    if not len(typed):
        return Selection(np.zeros(0, dtype=np.int64), {"available": 0, "selected": 0})
    own = options.method.own_snps
    if own is not None:
        return select_own(typed.dosage, typed.diagnosis, snps, own, options.selection, excluded)
    return select(typed.dosage, typed.diagnosis, design, snps, options.selection, excluded)


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
    _covariates: Covariates
    _components: Components
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
        rows = view.train.require("train")
        notes: list[str] = []
        cases = int(rows.diagnosis.sum())
        if cases in (0, len(rows)):
            raise TrainingError(
                f"all {len(rows)} training people of repeat {view.repeat}, fold {view.fold} are"
                f" {'cases' if cases else 'controls'}",
                cause="too few people, or folds that are not stratified by diagnosis",
                next_step="use fewer folds, or check the column diagnosis",
            )
        adjustment = options.adjustment
        covariates = Covariates.fit(rows.covariates, adjustment.covariates, notes)
        typed = rows.take(rows.has_snp)
        chromosome = view.snps["chromosome"].to_numpy(dtype=str)
        position = view.snps["position"].to_numpy(dtype=np.int64)
        components = Components.fit(
            typed.dosage,
            chromosome,
            position,
            count=adjustment.components,
            r2=adjustment.component_r2,
            variants=adjustment.component_variants,
        )
        found = components.loadings.shape[1]
        if found < adjustment.components:
            notes.append(
                f"Only {found} of {adjustment.components} ancestry components exist in the"
                f" {len(typed)} training people with genotypes."
            )
        design = np.column_stack(
            [covariates.apply(typed.covariates), components.apply(typed.dosage)]
        )
        selection = _select(typed, design, view.snps, options, notes)
        if not selection.columns.size:
            notes.append(
                "No SNP is left after selection: the bag of SNPs has no instance and is masked for"
                f" everybody ({len(typed)} training people have genotypes)."
            )
        chosen = typed.dosage[:, selection.columns]
        mean = mean_dosage(chosen)
        filled = np.where(chosen < 0, mean, chosen)
        scale = filled.std(axis=0) if len(typed) else np.ones(selection.columns.size)
        measured = rows.take(rows.has_region)
        scaler = RegionScaler.fit(measured, adjustment.region_covariates, adjustment.icv, notes)
        names = [name if level is None else f"{name}={level}" for name, level in covariates.columns]
        return cls(
            snps=view.snps.iloc[selection.columns].reset_index(drop=True),
            regions=view.regions_meta["region"].to_numpy(dtype=str),
            mean_dosage=mean,
            scale_dosage=np.where(scale > 0, scale, 1.0),
            covariate_names=[*names, *(f"PC{number + 1}" for number in range(found))],
            selection=selection.counts,
            notes=notes,
            _columns=selection.columns,
            _covariates=covariates,
            _components=components,
            _scaler=scaler,
        )

    def apply(self, rows: Rows) -> People:
        """Prepare any rows with what was fitted."""
        scores = self._components.apply(rows.dosage)
        scores[~rows.has_snp] = 0.0
        has_snp = rows.has_snp & (self._columns.size > 0)
        has_region = rows.has_region & (self.regions.size > 0)
        return People(
            participants=rows.participants,
            family=rows.family,
            diagnosis=rows.diagnosis,
            has_snp=has_snp,
            has_region=has_region,
            dosage=rows.dosage[:, self._columns],
            regions=self._scaler.apply(rows) * has_region[:, None, None],
            covariates=np.column_stack([self._covariates.apply(rows.covariates), scores]),
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name, to be kept beside the weights of a method."""
        return {
            "preparation.snp_mean": self.mean_dosage,
            "preparation.snp_scale": self.scale_dosage,
            "preparation.covariate_mean": np.array(self._covariates.means, dtype=np.float64),
            "preparation.component_variant": self._components.columns,
            "preparation.component_mean": self._components.mean,
            "preparation.component_scale": self._components.scale,
            "preparation.component_loading": self._components.loadings,
            "preparation.region_slope": self._scaler.slopes,
            "preparation.region_centre": self._scaler.centre,
            "preparation.region_mean": self._scaler.mean,
            "preparation.region_scale": self._scaler.scale,
        }

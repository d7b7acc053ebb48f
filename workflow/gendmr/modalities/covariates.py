"""Declared covariates as numbers: no modality, and what modalities are adjusted for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gendmr.errors import ConfigurationError, first_few
from gendmr.statistics.outliers import inside, limits


@dataclass
class Covariates:
    """Numeric form of declared covariates: numbers as they are, categories against the first."""

    columns: list[tuple[str, str | None]] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def fit(
        cls, table: pd.DataFrame, names: tuple[str, ...], notes: list[str], where: str
    ) -> Covariates:
        """Learn means and levels from the training people.

        Parameters
        ----------
        table : DataFrame
            Covariates of the training people.
        names : tuple of str
            Those that are wanted.
        notes : list of str
            Receives what is missing.
        where : str
            Key of the configuration that names them, for errors.

        Raises
        ------
        ConfigurationError
            The cohort lacks one of them.
        """
        absent = [name for name in names if name not in table]
        if absent:
            raise ConfigurationError(
                f"{where} names {len(absent)} covariates that the cohort lacks:"
                f" {first_few(absent)}; it has {first_few(table.columns, 20)}",
                cause="a misspelt name, or a column that the section cohort does not declare",
                next_step=f"correct {where} or add the column to cohort.covariates",
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
                number = inside(number, low, high)
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
                number = inside(table[name].to_numpy(dtype=np.float64), low, high)
                values.append(np.where(np.isnan(number), mean, number))
            else:
                values.append((table[name] == level).to_numpy(dtype=np.float64))
        return np.column_stack(values) if values else np.zeros((len(table), 0))

    def beyond(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return which people have a value beyond the limits, bool (people,), by covariate."""
        beyond = {}
        for (name, level), (low, high) in zip(self.columns, self.limits, strict=True):
            if level is None:
                number = table[name].to_numpy(dtype=np.float64)
                beyond[name] = ~np.isnan(number) & np.isnan(inside(number, low, high))
        return beyond

    @property
    def names(self) -> list[str]:
        """Names of the columns of `apply`."""
        return [name if level is None else f"{name}={level}" for name, level in self.columns]

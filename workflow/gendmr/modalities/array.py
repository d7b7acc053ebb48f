"""A transform for plain tables of numbers: what most modalities need within a fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from gendmr.config.modalities.base import ModalitySection
from gendmr.modalities.base import Modality
from gendmr.modalities.subset import Subset
from gendmr.modalities.unselected import UnselectedTransform
from gendmr.statistics.outliers import inside, limits
from gendmr.tasks.base import Outcome, Task


@dataclass(frozen=True)
class ArrayTransform(UnselectedTransform):
    """One number per person and instance, in SDs of the training people.

    A modality derives from it and names its declaration in `modality`. Numbers that cannot be meant
    (`gendmr.statistics.outliers`) count as missing, and missing ones as the training mean.

    Parameters
    ----------
    table : DataFrame
        Instances of the cohort.
    low, high, mean, scale : float64 (instance,)
        Limits, mean and SD of the training people who have the modality; the SD is infinite where
        nothing varies.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    notes: list[str] = field(default_factory=list)

    modality: ClassVar[Modality]

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find limits, mean and scale; see `Transform.fit`."""
        name = cls.modality.name
        values = train.require("train").having(name).array(name, cls.modality.main)
        low, high = limits(values)
        values = inside(values, low, high)
        finite = np.isfinite(values)
        count = np.maximum(finite.sum(axis=0), 1)
        mean = np.where(finite, values, 0.0).sum(axis=0) / count
        scale = np.sqrt(np.where(finite, (values - mean) ** 2, 0.0).sum(axis=0) / count)
        varies = scale > 1e-9 * (np.abs(mean) + 1e-12)
        notes = []
        if not varies.all():
            notes.append(
                f"{int((~varies).sum())} of {varies.size} {cls.modality.instance}s are missing in,"
                f" or the same for, all {len(values)} training people with {cls.modality.label}:"
                " they count for nobody."
            )
        return cls(train.instances(name), low, high, mean, np.where(varies, scale, np.inf), notes)

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Return the same: nothing depends on the outcome."""
        return self

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has the modality, bool (person,); nobody where nothing in it varies."""
        return np.asarray(subset.present[self.modality.name] & bool(np.isfinite(self.scale).any()))

    def apply(self, subset: Subset) -> np.ndarray:
        """Return numbers in SDs of training people, float32 (person, instance); missing is 0."""
        values = subset.array(self.modality.name, self.modality.main)
        scaled = (inside(values, self.low, self.high) - self.mean) / self.scale
        return np.where(np.isfinite(scaled), scaled, 0.0).astype(np.float32)

    def design(self, values: np.ndarray) -> np.ndarray:
        """Return the same as float64 (person, instance, 1): it is in SDs already."""
        return values.astype(np.float64)[:, :, None]

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return who has a number beyond the limits, bool (person,)."""
        values = subset.array(self.modality.name, self.modality.main)
        wrong = ~np.isnan(values) & np.isnan(inside(values, self.low, self.high))
        return {self.modality.label: wrong.any(axis=1)}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        return {
            "limit": np.column_stack([self.low, self.high]),
            "mean": self.mean,
            "scale": self.scale,
        }

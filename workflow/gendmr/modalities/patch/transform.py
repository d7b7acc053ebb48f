"""Bags within a fold: features in SDs of the training patches, read person by person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.patch import PatchSection
from gendmr.errors import ModalityError
from gendmr.modalities.lazy import LazyRows
from gendmr.modalities.patch.modality import MODALITY
from gendmr.modalities.subset import Subset
from gendmr.modalities.unselected import UnselectedTransform
from gendmr.tasks.base import Outcome, Task

NAME, MAIN = MODALITY.name, MODALITY.main


@dataclass(frozen=True)
class PatchTransform(UnselectedTransform):
    """See `gendmr.modalities.base.Transform`; no bag stays in memory.

    Parameters
    ----------
    table : DataFrame
        Places of a bag.
    mean, scale : float64 (feature,)
        Of the patches of the training people, each person counting once; the SD is infinite where
        nothing varies. 0 and 1 without scaling.
    """

    mean: np.ndarray
    scale: np.ndarray
    notes: list[str] = field(default_factory=list)

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find mean and SD of each feature; see `Transform.fit`."""
        if not isinstance(section, PatchSection):
            raise TypeError(f"a section {type(section).__name__}, not PatchSection")
        measured = train.require("train").having(NAME)
        total, squares, people = np.zeros(1), np.zeros(1), 0
        for row in range(len(measured)):
            bag = measured.take(np.array([row])).array(NAME, MAIN)[0].astype(np.float64)
            bag = bag[np.isfinite(bag[:, 0])]
            if len(bag):
                total = total + bag.mean(axis=0)
                squares = squares + (bag**2).mean(axis=0)
                people += 1
            if section.scale == "none":
                # One bag tells the number of features.
                total, squares, people = np.zeros(bag.shape[1]), np.ones(bag.shape[1]), 1
                break
        mean = total / max(people, 1)
        scale = np.sqrt(np.maximum(squares / max(people, 1) - mean**2, 0.0))
        varies = scale > 1e-6 * (np.abs(mean) + 1e-6)
        notes = []
        if people and not varies.all():
            notes.append(
                f"{int((~varies).sum())} of {varies.size} features are the same for all patches of"
                f" {people} training people: they count for nobody."
            )
        return cls(train.instances(NAME), mean, np.where(varies, scale, np.inf), notes)

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Return the same: nothing depends on the outcome."""
        return self

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has a bag, bool (person,)."""
        return np.asarray(subset.present[NAME] & bool(np.isfinite(self.scale).any()))

    def apply(self, subset: Subset) -> Any:
        """Return the bags as `LazyRows` (person, patch, feature): still in the file."""
        return LazyRows(subset, NAME, MAIN)

    def design(self, values: Any) -> np.ndarray:
        """Read bags; return features in SDs, float32 (person, patch, feature).

        Empty places are NaN, as are all places of people without slides.

        Parameters
        ----------
        values : LazyRows
        """
        bags = values.read().astype(np.float32)
        if bags.shape[2] != self.mean.size:
            raise ModalityError(
                f"{values.subset.path(NAME)}: {bags.shape[2]} features of a patch, and"
                f" {self.mean.size} in the training people",
                cause="features of another extractor",
                next_step="extract features with the model that the training people's are of",
            )
        bags -= self.mean.astype(np.float32)
        bags /= self.scale.astype(np.float32)
        return np.asarray(bags)

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return nobody: features have no limits."""
        return {}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        return {"mean": self.mean, "scale": self.scale}


TRANSFORM = PatchTransform

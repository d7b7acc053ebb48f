"""Expression within a fold: transformed, filtered, clipped and scaled by the training people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.expression import ExpressionModalitySection
from gendmr.modalities.array import ArrayTransform
from gendmr.modalities.expression.modality import MODALITY
from gendmr.modalities.subset import Subset

NAME = MODALITY.name
FEWEST_OF_PLATFORM = 10  # training people from which on a platform has a scale of its own


@dataclass(frozen=True)
class ExpressionTransform(ArrayTransform):
    """See `ArrayTransform`; numbers beyond the limits are drawn in, not missing.

    Parameters
    ----------
    logarithm : bool
        Whether numbers on a linear scale are replaced by log2(x + 1).
    chosen : int (gene,)
        Genes that a fold reads, among those of the cohort.
    platforms : mapping of str to (float64 (gene,), float64 (gene,))
        Mean and SD of each platform that has a scale of its own.
    """

    logarithm: bool = True
    chosen: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    platforms: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    modality = MODALITY

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find limits, the genes that stay, mean and scale; see `Transform.fit`."""
        if not isinstance(section, ExpressionModalitySection):
            raise TypeError(f"a section {type(section).__name__}, not ExpressionModalitySection")
        measured = train.require("train").having(NAME)
        logarithm = section.transformation == "auto"
        values = _levels(measured, logarithm)
        low, high = _limits(values, section.clip)
        values = np.clip(values, low, high)
        mean, scale = _moments(values)
        varies = scale > 1e-9 * (np.abs(mean) + 1e-12)
        count = max(round(section.variance * values.shape[1]), 1)
        # A stable sort: of genes with the same variance the first ones of the file stay.
        order = np.argsort(-np.where(varies, scale, -1.0), kind="stable")
        selected = np.sort(order[:count])
        notes = []
        n_constant = int((~varies[selected]).sum())
        if n_constant:
            notes.append(
                f"{n_constant} of {selected.size} genes are missing in, or the same for, all"
                f" {len(values)} training people with expression: they count for nobody."
            )
        platforms = {}
        if section.by_platform:
            of_person = measured.array(NAME, "platform")
            for name in sorted(set(of_person.tolist())):
                inside = of_person == name
                if inside.sum() < FEWEST_OF_PLATFORM:
                    notes.append(
                        f"The platform {name} has {int(inside.sum())} training people, fewer than"
                        f" {FEWEST_OF_PLATFORM}: means and SDs of all platforms are used for it."
                    )
                    continue
                own_mean, own_scale = _moments(values[inside][:, selected])
                platforms[str(name)] = (own_mean, _usable(own_mean, own_scale))
        table = train.instances(NAME).iloc[selected].reset_index(drop=True)
        return cls(
            table=table,
            low=low[selected],
            high=high[selected],
            mean=mean[selected],
            scale=np.where(varies, scale, np.inf)[selected],
            notes=notes,
            logarithm=logarithm,
            chosen=selected,
            platforms=platforms,
        )

    @property
    def columns(self) -> np.ndarray:
        """Places of the genes that stay."""
        return self.chosen

    def apply(self, subset: Subset) -> np.ndarray:
        """Return levels in SDs of training people, float32 (person, gene); missing is 0."""
        values = np.clip(_levels(subset, self.logarithm, self.chosen), self.low, self.high)
        scaled = (values - self.mean) / self.scale
        if self.platforms:
            of_person = subset.array(NAME, "platform")
            for name, (mean, scale) in self.platforms.items():
                inside = of_person == name
                scaled[inside] = (values[inside] - mean) / scale
        return np.where(np.isfinite(scaled), scaled, 0.0).astype(np.float32)

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return nobody: what lies beyond the limits is drawn in, and counts."""
        return {}

    def portable(self) -> Self:
        """Return the same with places among the genes that stay."""
        return replace(self, chosen=np.arange(len(self.table)))

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        tensors = {**super().tensors(), "gene": self.chosen}
        for name, (mean, scale) in self.platforms.items():
            tensors[f"platform.{name}"] = np.stack([mean, scale])
        return tensors


def _levels(subset: Subset, logarithm: bool, columns: np.ndarray | None = None) -> np.ndarray:
    """Return levels on the scale of the fold, float64 (person, gene)."""
    values = subset.array(NAME, MODALITY.main, columns).astype(np.float64)
    if logarithm:
        linear = subset.array(NAME, "logarithmic") == 0
        values[linear] = np.log2(np.maximum(values[linear], 0.0) + 1.0)
    return values


def _limits(values: np.ndarray, clip: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits (gene,): `clip` robust SDs around the median, infinite without spread."""
    low, high = np.full(values.shape[1], -np.inf), np.full(values.shape[1], np.inf)
    if clip is None or not len(values):
        return low, high
    measured = np.isfinite(values).any(axis=0)
    first, middle, third = np.nanquantile(values[:, measured], [0.25, 0.5, 0.75], axis=0)
    spread = (third - first) / 1.349
    half_width = np.where(spread > 0, clip * spread, np.inf)
    low[measured], high[measured] = middle - half_width, middle + half_width
    return low, high


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and SD of each column; 0 where nothing is known."""
    finite = np.isfinite(values)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, values, 0.0).sum(axis=0) / count
    return mean, np.sqrt(np.where(finite, (values - mean) ** 2, 0.0).sum(axis=0) / count)


def _usable(mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 1e-9 * (np.abs(mean) + 1e-12), scale, np.inf)


TRANSFORM = ExpressionTransform

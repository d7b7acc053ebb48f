"""Connectomes within a fold: in the chosen space, in SDs of the training people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.edge import EdgeSection
from gendmr.errors import ModalityError
from gendmr.modalities.array import ArrayTransform
from gendmr.modalities.edge.modality import MODALITY
from gendmr.modalities.subset import Subset
from gendmr.statistics import connectivity
from gendmr.statistics.outliers import inside

BLOCK = 64  # people whose matrices are in memory at a time


@dataclass(frozen=True)
class EdgeTransform(ArrayTransform):
    """Edges in a space of `EdgeSection`; see `gendmr.modalities.base.Transform`.

    A missing edge counts as the training mean. Where a matrix is needed (`partial`, `tangent`), the
    mean correlation of the training people stands in, and the edge itself stays missing.

    Parameters
    ----------
    space : str
    filling : float64 (edge,)
        Mean correlation of the training people; 0 where nobody has the edge.
    whitener : float64 (region, region)
        Inverse square root of the reference of the tangent space; empty in other spaces.
    """

    space: str = "fisher_z"
    filling: np.ndarray = field(default_factory=lambda: np.zeros(0))
    whitener: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    modality = MODALITY

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find the reference, means and scales on training people; see `Transform.fit`.

        Raises
        ------
        ModalityError
            `partial` or `tangent`, and the edges are not all pairs of some regions.
        """
        if not isinstance(section, EdgeSection):
            raise TypeError(f"a section {type(section).__name__}, not EdgeSection")
        people = train.require("train").having(MODALITY.name)
        raw = people.array(MODALITY.name, MODALITY.main).astype(np.float64)
        finite = np.isfinite(raw)
        count = finite.sum(axis=0)
        filling = np.where(finite, raw, 0.0).sum(axis=0) / np.maximum(count, 1)
        whitener = np.zeros((0, 0))
        if section.space in ("partial", "tangent") and not connectivity.regions_of(raw.shape[1]):
            raise ModalityError(
                f"modalities.edge.space = {section.space!r} needs all pairs of some regions, and"
                f" the cohort has {raw.shape[1]} edges",
                next_step="set modalities: edge: space: fisher_z",
            )
        if section.space == "tangent" and len(raw):
            matrices = connectivity.positive_definite(
                connectivity.to_matrix(np.where(finite, raw, filling))
            )
            whitener = connectivity.whitening(connectivity.geometric_mean(matrices))
        values = _in_space(raw, section.space, filling, whitener)
        usable = np.isfinite(values)
        count = np.maximum(usable.sum(axis=0), 1)
        mean = np.where(usable, values, 0.0).sum(axis=0) / count
        scale = np.sqrt(np.where(usable, (values - mean) ** 2, 0.0).sum(axis=0) / count)
        varies = scale > 1e-9 * (np.abs(mean) + 1e-12)
        holes = int((~finite).any(axis=1).sum())
        notes = []
        if holes:
            notes.append(
                f"{holes} of {len(raw)} training people with connectomes lack some edges: these"
                " count as the training mean."
            )
        if not varies.all():
            notes.append(
                f"{int((~varies).sum())} of {varies.size} edges are missing in, or the same for,"
                f" all {len(raw)} training people with connectomes: they count for nobody."
            )
        beyond = np.full(raw.shape[1], np.inf)
        return cls(
            train.instances(MODALITY.name), -beyond, beyond, mean, np.where(varies, scale, np.inf),
            notes, section.space, filling, whitener,
        )  # fmt: skip

    def apply(self, subset: Subset) -> np.ndarray:
        """Return edges in SDs of training people, float32 (person, edge); missing is 0."""
        raw = subset.array(MODALITY.name, MODALITY.main).astype(np.float64)
        values = _in_space(raw, self.space, self.filling, self.whitener)
        scaled = (inside(values, self.low, self.high) - self.mean) / self.scale
        return np.where(np.isfinite(scaled), scaled, 0.0).astype(np.float32)

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return nothing: correlations have limits of their own."""
        return {}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        tensors = {"mean": self.mean, "scale": self.scale, "filling": self.filling}
        return tensors | ({"whitener": self.whitener} if self.whitener.size else {})


def _in_space(
    correlation: np.ndarray, space: str, filling: np.ndarray, whitener: np.ndarray
) -> np.ndarray:
    """Return correlations (person, edge) in a space; a missing edge stays NaN."""
    if space == "correlation":
        return correlation
    if space == "fisher_z":
        return connectivity.fisher_z(correlation)
    finite = np.isfinite(correlation)
    values = np.full(correlation.shape, np.nan)
    for start in range(0, len(correlation), BLOCK):
        rows = slice(start, start + BLOCK)
        filled = np.where(finite[rows], correlation[rows], filling)
        matrices = connectivity.positive_definite(connectivity.to_matrix(filled))
        transformed = (
            connectivity.tangent(matrices, whitener)
            if space == "tangent"
            else connectivity.partial_correlation(matrices)
        )
        values[rows] = np.where(finite[rows], connectivity.to_vector(transformed), np.nan)
    return values


TRANSFORM = EdgeTransform
